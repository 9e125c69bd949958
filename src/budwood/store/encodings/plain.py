"""The encodings that know nothing about numbers: RAW bytes, and one ZSTD frame."""

from typing import Final

import numpy as np

from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings import _zstd
from budwood.store.encodings._parts import Written

WORTHWHILE: Final = 0.9


def encode_raw(raw: memoryview) -> tuple[Buffer, ...]:
    """The block itself, not copied."""
    return (raw,)


def decode_raw(encoded: Written, target: memoryview) -> None:
    """Raises BlockDamaged."""
    if len(encoded) != len(target):
        raise BlockDamaged(f"A raw block has {len(encoded)} bytes where {len(target)} are expected.")
    target[:] = encoded[:]


def encode_zstd(raw: memoryview) -> tuple[Buffer, ...]:
    """One frame. Level 1 tells whether there is anything to gain; where there is, it is no weights, and a higher
    level pays: trees, vocabularies, graphs."""
    quick = _zstd.fast(raw)
    if len(quick) > WORTHWHILE * len(raw):
        return (quick,)
    return (min(quick, _zstd.dense(raw), key=len),)


def decode_zstd(encoded: Written, target: memoryview) -> None:
    """Raises BlockDamaged."""
    content = _zstd.decompress(encoded[:], len(target))
    np.copyto(np.frombuffer(target, np.uint8), np.frombuffer(content, np.uint8))
