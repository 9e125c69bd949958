"""The encodings that cut words into byte planes: SPLIT (floats), PLANES (any numbers), DELTA_PLANES (with a base).

Each turns words into other words that are kinder to planes, and back; ``_planes.py`` writes and reads them.
"""

from collections.abc import Sequence

import numpy as np

from budwood.store.api import Buffer
from budwood.store.encodings._planes import Coder, Estimate, estimate_planes, read_planes, read_width, write_planes
from budwood.store.encodings._words import (
    add_difference,
    as_words,
    difference,
    join,
    keys,
    rotate_left,
    rotate_right,
    split,
)


def estimate_split(sample: memoryview, width: int) -> Estimate:
    """What ``encode_split`` would make of a sample."""
    return estimate_planes(split(rotate_left(as_words(sample, width))))


def encode_split(raw: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """Floats turned left by a bit: the exponent fills the highest plane, sign and mantissa the others."""
    return write_planes(split(rotate_left(as_words(raw, width))), _tail(raw, width), coders)


def decode_split(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    rotate_right(join(planes, width), as_words(target, width))
    target[len(target) - len(tail) :] = tail


def estimate_plain(sample: memoryview, width: int) -> Estimate:
    """What ``encode_planes`` would make of a sample."""
    return estimate_planes(split(as_words(sample, width)))


def encode_planes(raw: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """Words as they are: right for integers."""
    return write_planes(split(as_words(raw, width)), _tail(raw, width), coders)


def decode_planes(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    np.copyto(as_words(target, width), join(planes, width))
    target[len(target) - len(tail) :] = tail


def estimate_delta(sample: memoryview, base: memoryview, width: int) -> Estimate:
    """What ``encode_delta`` would make of a sample."""
    words, base_words = as_words(sample, width), as_words(base, width)
    # In wider words the exponent says too little about any one byte to be worth the sorting.
    known = keys(base_words, words.size) if width <= 2 else None
    return estimate_planes(split(difference(words, base_words)), known)


def encode_delta(raw: memoryview, base: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """The difference of the bit patterns as integers: a fine-tune moves most weights by a few steps."""
    words, base_words = as_words(raw, width), as_words(base, width)
    planes = split(difference(words, base_words))
    return write_planes(planes, _tail(raw, width), coders, lambda: keys(base_words, words.size))


def decode_delta(encoded: memoryview, base: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    width = read_width(encoded)
    base_words = as_words(base, width)
    planes, tail = read_planes(encoded, len(target), lambda: keys(base_words, len(target) // width))
    add_difference(join(planes, width), base_words, as_words(target, width))
    target[len(target) - len(tail) :] = tail


def _tail(raw: memoryview, width: int) -> memoryview:
    return raw[len(raw) - len(raw) % width :]
