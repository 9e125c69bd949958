"""Matrices that were turned over and are too large to be held: each block of the copy is made of all of the original.

So the copy is made in *bands*, as many of its rows as ``TURNED_BAND_BYTES`` hold. For a band the sources are read once,
one at a time, and of each row of the original a few numbers are taken; neighbouring blocks find their band made. The
last two are kept, since readers walk over the edge between two at different times.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.domain.limits import TURNED_BAND_BYTES, TURNED_SOURCES
from budwood.domain.manifest import BlockId
from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings._kinds import as_bytes
from budwood.store.encodings.derived import Function

_KEPT: Final = 2
_Words = npt.NDArray[Any]
RawOf = Callable[[BlockId], Buffer]


@dataclass(frozen=True, slots=True)
class _Band:
    """Which band of which matrix."""

    sources: tuple[BlockId, ...]
    width: int
    rows: int
    columns: int
    number: int


class Turning:
    """Shared by threads, of which one makes a band at a time."""

    def __init__(self, band_bytes: int = TURNED_BAND_BYTES) -> None:
        self._band_bytes = band_bytes
        self._lock = threading.RLock()
        self._bands: OrderedDict[_Band, _Words] = OrderedDict()

    def numbers(self, function: Function, sources: Sequence[BlockId], length: int, raw_of: RawOf) -> memoryview:
        """Those of the turned matrix, not yet converted, that a block of ``length`` bytes is made of.

        ``raw_of`` gives a source's bytes, until it is asked again. Raises BlockDamaged for sources that are no such
        matrix, and what ``raw_of`` raises.
        """
        if len(sources) > TURNED_SOURCES:
            raise BlockDamaged("A derived block names more sources than it may.")
        at, stop = function.numbers_of(length)
        found = np.empty(stop - at, f"V{function.source.width}")
        high, done = self._rows_of(function), 0
        with self._lock:
            while at < stop:
                row = at // function.rows
                band = _Band(tuple(sources), function.source.width, function.rows, function.columns, row // high)
                inside = at - band.number * high * function.rows
                part = self._band(band, high, raw_of).reshape(-1)[inside : inside + stop - at]
                found[done : done + part.size] = part
                at, done = at + part.size, done + part.size
        return found.view(np.uint8).data

    def _rows_of(self, function: Function) -> int:
        return max(1, self._band_bytes // (function.rows * function.source.width))

    def _band(self, band: _Band, high: int, raw_of: RawOf) -> _Words:
        if band in self._bands:
            self._bands.move_to_end(band)
            return self._bands[band]
        while len(self._bands) >= _KEPT:
            self._bands.popitem(last=False)
        self._bands[band] = made = _made(band, high, raw_of)
        return made


def _made(band: _Band, high: int, raw_of: RawOf) -> _Words:
    """Raises BlockDamaged."""
    first = band.number * high
    last = min(first + high, band.columns)
    made = np.empty((last - first, band.rows), f"V{band.width}")
    at, end = 0, band.rows * band.columns
    for source in band.sources:
        raw = as_bytes(raw_of(source))
        if raw.size % band.width or at + raw.size // band.width > end:
            raise BlockDamaged("A matrix that is turned over has another shape than its blocks.", block=source.hex())
        words = raw.view(made.dtype)
        while words.size:
            row, column = divmod(at, band.columns)
            # Whole rows together; what a block begins or ends within by itself.
            count = words.size // band.columns * band.columns if column == 0 else 0
            taken = words[: count or band.columns - column]
            if count:
                rows = taken.reshape(-1, band.columns)
                made[:, row : row + len(rows)] = rows[:, first:last].T
            else:
                low, stop = max(first, column), min(last, column + taken.size)
                if low < stop:
                    made[low - first : stop - first, row] = taken[low - column : stop - column]
            at, words = at + taken.size, words[taken.size :]
    if at != end:
        raise BlockDamaged("A matrix that is turned over has another shape than its blocks.")
    return made
