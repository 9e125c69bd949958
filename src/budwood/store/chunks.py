"""Cutting what no reader claims: content-defined chunks, so that an inserted byte moves one cut, not all.

Chunks are 16 to 256 KiB, 64 KiB on average: small enough to find what is shared (notes: 1 MiB chunks find a
tenth of it), large enough that the index stays under a thousandth of the bytes.
"""

from collections.abc import Iterator
from typing import Final

from pyfastcdc import FastCDC

from budwood.domain.limits import KIB, MIB
from budwood.store.api import Source
from budwood.store.coming import Arrival

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
    buffer = memoryview(bytearray(min(WINDOW_BYTES, length)))
    at = offset
    while at < end:
        window = buffer[: min(WINDOW_BYTES, end - at)]
        source.read_into(at, window)
        for size in _sizes(window, is_last=at + len(window) == end):
            yield at, size
            at += size


def cut_coming(source: Source, arrival: Arrival) -> Iterator[tuple[int, int]]:
    """The same cuts of a whole file, of which nobody knows yet how long it will be."""
    buffer = memoryview(bytearray(WINDOW_BYTES))
    at = 0
    while (there := arrival.reach(at + WINDOW_BYTES)) > at:
        window = buffer[: there - at]
        source.read_into(at, window)
        # A cut depends on nothing behind it, so an end that is seen one window late changes none.
        for size in _sizes(window, is_last=len(window) < WINDOW_BYTES):
            yield at, size
            at += size


def _sizes(window: memoryview, *, is_last: bool) -> list[int]:
    """Of the chunks that end in the window."""
    if len(window) <= SMALLEST:
        return [len(window)]
    sizes = [chunk.length for chunk in _CUTTER.cut_buf(window)]
    return sizes if is_last or len(sizes) == 1 else sizes[:-1]
