"""The encodings that cut words into byte planes: SPLIT (floats), PLANES (any numbers), DELTA_PLANES (with a base).

Each turns words into other words that are kinder to planes, and back; ``_planes.py`` writes and reads them.
"""

from collections.abc import Sequence

from budwood.store.api import Buffer
from budwood.store.encodings._parts import Written
from budwood.store.encodings._planes import (
    Coder,
    Estimate,
    estimate_planes,
    planes_match,
    read_planes,
    read_width,
    write_planes,
)
from budwood.store.encodings._words import (
    as_words,
    join,
    join_difference,
    join_rotated,
    keys,
    split,
    split_difference,
    split_rotated,
)
from budwood.store.native import How


def estimate_split(sample: memoryview, width: int) -> Estimate:
    """What ``encode_split`` would make of a sample."""
    return estimate_planes(split_rotated(as_words(sample, width)))


def encode_split(raw: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """Floats turned left by a bit: the exponent fills the highest plane, sign and mantissa the others."""
    return write_planes(split_rotated(as_words(raw, width)), _tail(raw, width), coders)


def split_matches(parts: tuple[Buffer, ...], raw: memoryview) -> bool:
    """Whether parts of ``encode_split`` give the block back; False also where only decoding can tell."""
    return planes_match(parts, raw, How.TURNED)


def decode_split(encoded: Written, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    join_rotated(planes, as_words(target, width))
    target[len(target) - len(tail) :] = tail


def estimate_plain(sample: memoryview, width: int) -> Estimate:
    """What ``encode_planes`` would make of a sample."""
    return estimate_planes(split(as_words(sample, width)))


def encode_planes(raw: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """Words as they are: right for integers."""
    return write_planes(split(as_words(raw, width)), _tail(raw, width), coders)


def plain_matches(parts: tuple[Buffer, ...], raw: memoryview) -> bool:
    """The same of ``encode_planes``."""
    return planes_match(parts, raw, How.AS_THEY_ARE)


def decode_planes(encoded: Written, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    join(planes, as_words(target, width))
    target[len(target) - len(tail) :] = tail


def estimate_delta(sample: memoryview, base: memoryview, width: int) -> Estimate:
    """What ``encode_delta`` would make of a sample."""
    words, base_words = as_words(sample, width), as_words(base, width)
    # In wider words the exponent says too little about any one byte to be worth the sorting.
    known = keys(base_words, words.size) if width <= 2 else None
    return estimate_planes(split_difference(words, base_words), known)


def encode_delta(raw: memoryview, base: memoryview, width: int, coders: Sequence[Coder]) -> tuple[Buffer, ...]:
    """The difference of the bit patterns as integers: a fine-tune moves most weights by a few steps."""
    words, base_words = as_words(raw, width), as_words(base, width)
    planes = split_difference(words, base_words)
    return write_planes(planes, _tail(raw, width), coders, lambda: keys(base_words, words.size))


def decode_delta(encoded: Written, base: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    width = read_width(encoded)
    base_words = as_words(base, width)
    planes, tail = read_planes(encoded, len(target), lambda: keys(base_words, len(target) // width))
    join_difference(planes, base_words, as_words(target, width))
    target[len(target) - len(tail) :] = tail


def _tail(raw: memoryview, width: int) -> memoryview:
    return raw[len(raw) - len(raw) % width :]
