"""How one block is written: the smallest of the encodings that suit its dtype, and back, bit for bit.

``encode_block`` plans by a sample, encodes, decodes again and compares; only what came back equal is kept.
``decode_block`` trusts nothing it reads. The encodings are rows of ``registry.py``; ``choose.py`` picks
one; docs/internals/encodings.md describes the bytes. Everything is safe to call from several threads.
"""

from dataclasses import dataclass

import numpy as np

from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BlockDamaged
from budwood.store import native
from budwood.store.api import Buffer
from budwood.store.encodings._derived import kept_for_the_check
from budwood.store.encodings._parts import Parts, Written
from budwood.store.encodings._scratch import Bytes8, scratch
from budwood.store.encodings.choose import plan_block
from budwood.store.encodings.registry import ENCODINGS, RAW, Plan, encoding

__all__ = ["Encoded", "Plan", "decode_block", "encode_block", "needs_base"]

REPLAN = 1.1
"""A hinted plan that keeps this much more than it promised is dropped and the block planned afresh."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded block. The parts lie in buffers of this thread: write them before the next call on it.

    ``plan`` may be given as the hint for the next block of the same tensor.
    """

    tag: int
    parts: tuple[Buffer, ...]
    length: int
    plan: Plan


def encode_block(
    raw: memoryview, *, dtype: str, base: memoryview | None = None, hint: Plan | None = None, checks: bool = True
) -> Encoded:
    """The block in the smallest encoding that decodes to it again; never longer than ``raw``.

    ``dtype`` is the manifest's ("" for chunks). ``base`` may be of another length. ``raw`` has 1 to
    ``BLOCK_BYTES`` bytes. Without ``checks`` it is not decoded here: whoever receives it does that before keeping it.
    """
    assert 0 < len(raw) <= BLOCK_BYTES, len(raw)
    raw = raw.cast("B") if raw.format != "B" or raw.ndim != 1 else raw
    if hint is not None and (base is not None or not ENCODINGS[hint.tag].needs_base):
        encoded = _encode(raw, hint, base, checks=checks)
        if encoded.length <= REPLAN * hint.share * len(raw):
            return encoded
    return _encode(raw, plan_block(raw, dtype, base), base, checks=checks)


def decode_block(tag: int, encoded: Written, *, base: memoryview | None, target: memoryview) -> None:
    """Fill ``target``, which is as long as the raw block was. Raises BlockDamaged, TooNew."""
    row = encoding(tag)
    if row.needs_base and base is None:
        raise BlockDamaged(f"A difference ({row.name}) names no base.")
    if not 0 < len(target) <= BLOCK_BYTES:
        raise BlockDamaged(f"A block cannot have {len(target)} bytes.")
    row.decode(encoded, base if base is not None else memoryview(b""), target)


def needs_base(tag: int) -> bool:
    """Whether blocks in this encoding are differences. Raises TooNew."""
    return encoding(tag).needs_base


def _encode(raw: memoryview, plan: Plan, base: memoryview | None, *, checks: bool) -> Encoded:
    with kept_for_the_check():
        parts = ENCODINGS[plan.tag].encode(raw, base if base is not None else memoryview(b""), plan)
        length = sum(map(len, parts))
        if plan.tag != RAW and length < len(raw) and (not checks or _comes_back(raw, plan, parts, base)):
            return Encoded(plan.tag, parts, length, plan)
    return Encoded(RAW, (raw,), len(raw), Plan(RAW, plan.width))


def _comes_back(raw: memoryview, plan: Plan, parts: tuple[Buffer, ...], base: memoryview | None) -> bool:
    """Whether the parts, as they will be written, decode to the block."""
    if encoding(plan.tag).matches(parts, raw):
        return True
    decoded = scratch("decoded", len(raw))
    try:
        decode_block(plan.tag, Parts(parts), base=base, target=decoded.data)
    except BlockDamaged:
        return False
    return _same(decoded, np.frombuffer(raw, np.uint8))


def _same(decoded: Bytes8, raw: Bytes8) -> bool:
    """Equal byte for byte, at least eight at a time."""
    if native.library is not None:
        return native.library.equal(decoded, raw)
    whole = raw.size // 8 * 8
    return np.array_equal(decoded[:whole].view(np.uint64), raw[:whole].view(np.uint64)) and np.array_equal(
        decoded[whole:], raw[whole:]
    )
