"""The encodings that cut words into byte planes: SPLIT (floats), PLANES (any numbers), DELTA_PLANES (with a base)."""

import numpy as np

from budwood.store.api import Buffer
from budwood.store.encodings._planes import read_planes, write_planes
from budwood.store.encodings._words import add_difference, as_words, difference, join, rotate_left, rotate_right, split


def encode_split(raw: memoryview, width: int) -> tuple[Buffer, ...]:
    """Floats turned left by a bit: the exponent fills the highest plane, sign and mantissa the others."""
    return write_planes(split(rotate_left(as_words(raw, width))), _tail(raw, width))


def decode_split(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    rotate_right(join(planes, width), as_words(target, width))
    target[len(target) - len(tail) :] = tail


def encode_planes(raw: memoryview, width: int) -> tuple[Buffer, ...]:
    """Words as they are: right for integers, and for floats whose sign is constant."""
    return write_planes(split(as_words(raw, width)), _tail(raw, width))


def decode_planes(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    np.copyto(as_words(target, width), join(planes, width))
    target[len(target) - len(tail) :] = tail


def encode_delta(raw: memoryview, base: memoryview, width: int) -> tuple[Buffer, ...]:
    """The difference of the bit patterns as integers: a fine-tune moves most weights by a few steps."""
    return write_planes(split(difference(as_words(raw, width), as_words(base, width))), _tail(raw, width))


def decode_delta(encoded: memoryview, base: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    planes, tail = read_planes(encoded, len(target))
    width = len(planes)
    add_difference(join(planes, width), as_words(base, width), as_words(target, width))
    target[len(target) - len(tail) :] = tail


def _tail(raw: memoryview, width: int) -> memoryview:
    return raw[len(raw) - len(raw) % width :]
