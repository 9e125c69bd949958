"""Zstandard as the standard library has it (3.14) or as its backport: whole frames, bounded output.

Three ways to compress. *Fast* is level 1, *dense* level 6. *Huffman* asks libzstd for entropy coding alone: the
most negative level finds no matches, and parameter 1002 (literal compression mode, experimental in libzstd, its
numbers unchanged since 1.4) makes it code the literals all the same. Either way the result is an ordinary frame
that any zstd reads. Where 1002 is refused, Huffman falls back to level 1: larger, never wrong.
"""

import sys
import threading
from typing import TYPE_CHECKING, Final

from budwood.errors import BlockDamaged

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

__all__ = ["HUFFMAN_ONLY", "decompress", "dense", "fast", "huffman", "zstd"]

Readable = bytes | bytearray | memoryview

_LEVEL, _WINDOW_LOG_MAX, _LITERALS = 100, 100, 1002
_FAST: Final = {_LEVEL: 1}
_DENSE: Final = {_LEVEL: 6}
_HUFFMAN: Final = {_LEVEL: -131072, _LITERALS: 1}
_DECODE: Final = {_WINDOW_LOG_MAX: 22}


def _knows_huffman() -> bool:
    try:
        frame = zstd.compress(bytes(range(16)) * 64, options=_HUFFMAN)
    except (ValueError, zstd.ZstdError):
        return False
    return len(frame) < 1000


HUFFMAN_ONLY: Final = _knows_huffman()


class _Compressors(threading.local):
    """One compressor of each kind a thread: its tables are reused between blocks."""

    def __init__(self) -> None:
        self.fast = zstd.ZstdCompressor(options=_FAST)
        self.dense = zstd.ZstdCompressor(options=_DENSE)
        self.huffman = zstd.ZstdCompressor(options=_HUFFMAN) if HUFFMAN_ONLY else self.fast


_compressors = _Compressors()


def fast(raw: Readable) -> bytes:
    """One frame at level 1."""
    return _whole(_compressors.fast, raw)


def dense(raw: Readable) -> bytes:
    """One frame at level 6: for what is no weights, a fifth smaller than level 1 at a quarter of its speed."""
    return _whole(_compressors.dense, raw)


def huffman(raw: Readable) -> bytes:
    """One frame of entropy coding only; level 1 where the library will not."""
    return _whole(_compressors.huffman, raw)


def decompress(frame: Readable, expected: int) -> bytes:
    """The content of exactly one frame of exactly ``expected`` bytes. Raises BlockDamaged.

    The claimed size is compared before anything is allocated, so a frame that claims terabytes is refused.
    """
    try:
        claimed = zstd.get_frame_info(frame).decompressed_size
        if claimed != expected:
            raise BlockDamaged(f"A compressed frame claims {claimed} bytes where {expected} are expected.")
        decoder = zstd.ZstdDecompressor(options=_DECODE)
        content = decoder.decompress(frame, expected + 1)
    except zstd.ZstdError as error:
        raise BlockDamaged(f"A compressed frame cannot be read: {error}") from error
    if len(content) != expected or not decoder.eof or decoder.unused_data:
        raise BlockDamaged("A compressed frame does not end where it should.")
    return content


def _whole(compressor: "zstd.ZstdCompressor", raw: Readable) -> bytes:
    # A compressor left in the middle of a frame by an error (memory) must not leak into the next block.
    try:
        return compressor.compress(raw, zstd.ZstdCompressor.FLUSH_FRAME)
    except BaseException:
        _compressors.__init__()  # type: ignore[misc]
        raise
