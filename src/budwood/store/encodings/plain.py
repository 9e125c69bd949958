"""The encodings that know nothing about numbers: RAW bytes, and one ZSTD frame."""

import numpy as np

from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings import _zstd


def encode_raw(raw: memoryview) -> tuple[Buffer, ...]:
    """The block itself, not copied."""
    return (raw,)


def decode_raw(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    if len(encoded) != len(target):
        raise BlockDamaged(f"A raw block has {len(encoded)} bytes where {len(target)} are expected.")
    target[:] = encoded


def encode_zstd(raw: memoryview) -> tuple[Buffer, ...]:
    """One frame at level 1: on weights higher levels cost time and gain nothing."""
    return (_zstd.fast(raw),)


def decode_zstd(encoded: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    content = _zstd.decompress(encoded, len(target))
    np.copyto(np.frombuffer(target, np.uint8), np.frombuffer(content, np.uint8))
