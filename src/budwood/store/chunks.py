"""Cutting what no reader claims: content-defined chunks, so that an inserted byte moves one cut, not all.

Chunks are 16 to 256 KiB, 64 KiB on average: small enough to find what is shared (notes: 1 MiB chunks find a
tenth of it), large enough that the index stays under a thousandth of the bytes.
"""

from collections.abc import Iterator
from typing import Final

from pyfastcdc import FastCDC

from budwood.domain.limits import KIB, MIB
from budwood.store.api import Source

SMALLEST: Final = 16 * KIB
AVERAGE: Final = 64 * KIB
LARGEST: Final = 256 * KIB
WINDOW_BYTES: Final = 4 * MIB

# The seed is part of the format: another one would cut everywhere else and share nothing with what is stored.
_CUTTER: Final = FastCDC(avg_size=AVERAGE, min_size=SMALLEST, max_size=LARGEST, normalized_chunking=1, seed=0)


def cut(source: Source, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of each chunk of ``length`` bytes from ``offset``, tiling them exactly.

    Reads in windows of 4 MiB and carries the last, unfinished chunk over. Raises what the source raises.
    """
    end = offset + length
    if length <= SMALLEST:
        yield offset, length
        return
    at = offset
    while at < end:
        window = source.read(at, min(WINDOW_BYTES, end - at))
        final = at + len(window) == end
        sizes = [chunk.length for chunk in _CUTTER.cut_buf(window)]
        for size in sizes if final or len(sizes) == 1 else sizes[:-1]:
            yield at, size
            at += size
