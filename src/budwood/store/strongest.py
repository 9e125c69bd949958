"""A block as small as anything here writes it, however long that takes: for what is kept for years and seldom read.

Every encoding that suits the block is tried whole, not on a sample, with each base and without one. What comes out is
in the encodings that every reader knows; each try is decoded and compared, as always.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from budwood.errors import BlockDamaged
from budwood.store.encodings import Encoded, Plan, decode_block, encode_block
from budwood.store.encodings._zstd import zstd
from budwood.store.encodings.choose import SMALLEST, SMALLEST_CHUNK, word_width
from budwood.store.encodings.registry import DELTA_PCO, PCO, ZSTD

LEVEL: Final = 19
_WIDEST: Final = 8


def strongest_block(raw: memoryview, *, dtype: str, base: memoryview | None) -> Encoded:
    """The smallest of what the planner would choose, with the base and without, pcodec, and zstd at its densest.

    Its parts are its own and may be kept.
    """
    best = _kept(encode_block(raw, dtype=dtype, base=base))
    if len(raw) < (SMALLEST if dtype else SMALLEST_CHUNK):
        return best
    for found in _tries(raw, dtype, base):
        if found.length < best.length:
            best = _kept(found)
    return best


def _tries(raw: memoryview, dtype: str, base: memoryview | None) -> Sequence[Encoded]:
    """Each is kept at once: encoders reuse their buffers."""
    width, found = word_width(dtype), list[Encoded]()
    if base is not None:
        found.append(_kept(encode_block(raw, dtype=dtype)))
    if width in (2, 4, _WIDEST):
        found.append(_kept(encode_block(raw, dtype=dtype, hint=Plan(PCO, width))))
        if base is not None:
            found.append(_kept(encode_block(raw, dtype=dtype, base=base, hint=Plan(DELTA_PCO, width))))
    dense = zstd.compress(raw, LEVEL)
    if len(dense) < len(raw) and _comes_back(dense, raw):
        found.append(Encoded(ZSTD, (dense,), len(dense), Plan(ZSTD)))
    return found


def _kept(encoded: Encoded) -> Encoded:
    return replace(encoded, parts=tuple(bytes(part) for part in encoded.parts))


def _comes_back(dense: bytes, raw: memoryview) -> bool:
    target = memoryview(bytearray(len(raw)))
    try:
        decode_block(ZSTD, memoryview(dense), base=None, target=target)
    except BlockDamaged:
        return False
    return target == raw
