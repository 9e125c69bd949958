"""Blocks of GGUF: groups of numbers that share a scale, and some a least value, each number one of a few steps.

Only elementwise operations of f32, each rounded by itself, so that every machine gives the same bits. Quantising knows
finite numbers only. docs/internals/derived.md says each kind in words.
"""

from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged
from budwood.store.encodings._floats import Bytes8, Singles, write_f16

GROUP: Final = 32
"""Numbers that share a scale, of most kinds."""
WIDE_GROUP: Final = 256
"""Those of ternary ones."""
_MXFP4_EDGES: Final = tuple(np.float32(edge) for edge in (0.5, 1.5, 2.5, 3.5, 5, 7, 10))
"""Halfway between the steps 0, 1, 2, 3, 4, 6, 8 and 12."""


def _rounded_up(exponent: int) -> int:
    """How many steps of f32 below the next power of two a logarithm still rounds up to that whole number: it differs
    by steps / ln 2 / 2**24, and half of how far numbers lie apart there is a power of two / 2**24."""
    following = exponent - 126
    within = following - 1 if following > 0 else -following
    return int(2 ** (within.bit_length() - 1) * log(2)) if within else 0


_ROUNDED_UP: Final = np.array([_rounded_up(exponent) for exponent in range(256)], np.uint32)


def write_q8_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = np.abs(groups).max(axis=1, keepdims=True) / np.float32(127)
    scaled = groups * _inverse(scale)
    steps = _checked(_rounded(scaled), 127).astype(np.int8)
    return _joined(_half(scale), steps.view(np.uint8))


def write_q4_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = _furthest(groups) / np.float32(-8)
    return _joined(_half(scale), _nibbles(_steps(groups * _inverse(scale) + np.float32(8.5), 15)))


def write_q4_1(values: Singles) -> Bytes8:
    groups = _groups(values)
    least = groups.min(axis=1, keepdims=True)
    scale = (groups.max(axis=1, keepdims=True) - least) / np.float32(15)
    steps = _steps((groups - least) * _inverse(scale) + np.float32(0.5), 15)
    return _joined(_half(scale), _half(least), _nibbles(steps))


def write_q5_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = _furthest(groups) / np.float32(-16)
    steps = _steps(groups * _inverse(scale) + np.float32(16.5), 31)
    return _joined(_half(scale), _fifth_bits(steps), _nibbles(steps))


def write_q5_1(values: Singles) -> Bytes8:
    groups = _groups(values)
    least = groups.min(axis=1, keepdims=True)
    scale = (groups.max(axis=1, keepdims=True) - least) / np.float32(31)
    steps = _steps((groups - least) * _inverse(scale) + np.float32(0.5), 31)
    return _joined(_half(scale), _half(least), _fifth_bits(steps), _nibbles(steps))


def write_mxfp4(values: Singles) -> Bytes8:
    groups = _groups(values)
    power = _powers(np.abs(groups).max(axis=1, keepdims=True))
    scale = np.ldexp(np.float32(1), power.astype(np.int32) - 128)
    steps = np.zeros(groups.shape, np.uint8)
    for edge in _MXFP4_EDGES:
        # The nearest step; halfway between two, the one nearer to zero.
        steps += np.abs(groups) > edge * scale
    steps |= ((groups < 0) & (steps > 0)).astype(np.uint8) << np.uint8(3)
    return _joined(power, _nibbles(steps))


def write_tq1_0(values: Singles) -> Bytes8:
    groups = _groups(values, WIDE_GROUP)
    scale = np.abs(groups).max(axis=1, keepdims=True)
    steps = _ternary(groups, scale)
    first, second, rest = steps[:, :160], steps[:, 160:240], steps[:, 240:]
    fives = (_digits(first.reshape(-1, 5, 32)), _digits(second.reshape(-1, 5, 16)), _digits(rest.reshape(-1, 4, 4)))
    # So spread out that a multiplication by 3 carries one step out of the byte.
    spread = (np.concatenate(fives, axis=1) * np.uint16(256) + np.uint16(242)) // np.uint16(243)
    return _joined(spread.astype(np.uint8), _half(scale))


def write_tq2_0(values: Singles) -> Bytes8:
    groups = _groups(values, WIDE_GROUP)
    scale = np.abs(groups).max(axis=1, keepdims=True)
    fours = _ternary(groups, scale).reshape(-1, 2, 4, 32)
    packed = np.bitwise_or.reduce(fours << np.array([0, 2, 4, 6], np.uint8)[:, None], axis=2)
    return _joined(packed.reshape(-1, 64), _half(scale))


def _groups(values: Singles, group: int = GROUP) -> Singles:
    if values.size % group:
        raise BlockDamaged(f"{values.size} numbers are no whole groups of {group}.")
    if not np.isfinite(values).all():
        # What a processor makes of an infinite step is its own affair.
        raise BlockDamaged("Only finite numbers are quantised.")
    return values.reshape(-1, group)


def _furthest(groups: Singles) -> Singles:
    """Of each group the number furthest from zero, with its sign; the first of those."""
    at = np.abs(groups).argmax(axis=1)[:, None]
    return np.take_along_axis(groups, at, axis=1)


def _inverse(scale: Singles) -> Singles:
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(scale == 0, np.float32(0), np.float32(1) / scale)


def _steps(scaled: Singles, most: int) -> Bytes8:
    return np.minimum(np.trunc(_checked(scaled, 255)), np.float32(most)).astype(np.uint8)


def _checked(scaled: Singles, most: int) -> Singles:
    """Raises BlockDamaged for scales so small that their inverse is none."""
    if not (np.abs(scaled) <= most).all():
        raise BlockDamaged("A group's numbers are too small to be quantised.")
    return scaled


def _rounded(scaled: Singles) -> Singles:
    """Halves go away from zero."""
    size = np.abs(scaled)
    whole = np.floor(size)
    whole += np.floor(np.float32(2) * (size - whole))
    return np.copysign(whole, scaled)


def _ternary(groups: Singles, scale: Singles) -> Bytes8:
    """-1, 0 and 1 as 0, 1 and 2."""
    return (_checked(_rounded(groups * _inverse(scale)), 1) + np.float32(1)).astype(np.uint8)


def _digits(steps: Bytes8) -> npt.NDArray[np.uint16]:
    """Up to five steps of three as one number, the first the most significant of five."""
    weights = np.array([81, 27, 9, 3, 1], np.uint16)[: steps.shape[1], None]
    found: npt.NDArray[np.uint16] = (steps * weights).sum(axis=1, dtype=np.uint16)
    return found


def _powers(largest: Singles) -> Bytes8:
    """125 and the floor of the logarithm to base 2, as f32 has it; 0 for nothing. Raises BlockDamaged for what no byte
    can scale."""
    bits = np.ascontiguousarray(largest).view(np.uint32)
    exponent = bits >> np.uint32(23)
    missing = np.uint32(1 << 23) - (bits & np.uint32((1 << 23) - 1))
    power = exponent + (missing <= _ROUNDED_UP[exponent])
    if not ((largest == 0) | ((power >= 2) & (power <= 254))).all():
        raise BlockDamaged("A group's numbers are too small or too large to be quantised.")
    return np.where(largest == 0, np.uint32(0), power - np.uint32(2)).astype(np.uint8)


def _half(values: Singles) -> Bytes8:
    return write_f16(np.ascontiguousarray(values)).reshape(-1, 2)


def _nibbles(steps: Bytes8) -> Bytes8:
    halves = steps.reshape(-1, 2, GROUP // 2)
    return (halves[:, 0] & np.uint8(15)) | (halves[:, 1] << np.uint8(4))


def _fifth_bits(steps: Bytes8) -> Bytes8:
    return np.packbits(steps >> np.uint8(4), axis=1, bitorder="little")


def _joined(*parts: Bytes8) -> Bytes8:
    return np.concatenate(parts, axis=1).reshape(-1)
