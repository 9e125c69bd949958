"""Marked blocks: what is known of all blocks of a registry at once, in eight bytes each.

A block is known by the first eight bytes of its id. Two that begin alike count as one, so whoever asks must be on the
safe side when a block seems to be marked that is not: it is kept, or stays where it is.

Blocks are kept in parts, by how their ids begin: what is merged at a time is one part, so that merging takes room for
one part more and not for the whole.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from budwood.domain.manifest import BlockId

PREFIX_BYTES: Final = 8
PART_BITS: Final = 6
WAITING: Final = 1 << 17
"""So many are sorted into the parts at once: each part is touched for many."""
_Prefixes = np.ndarray[Any, np.dtype[np.uint64]]
_Truths = np.ndarray[Any, np.dtype[np.bool_]]
_EDGES: Final = np.arange(1, 1 << PART_BITS, dtype=np.uint64) << np.uint64(64 - PART_BITS)


class Marked:
    """A set that grows by many blocks at a time."""

    def __init__(self) -> None:
        self._parts = tuple(_Part() for _ in range(1 << PART_BITS))
        self._waiting: list[_Prefixes] = []
        self._waits = 0

    def __len__(self) -> int:
        """At least as many as were added that differ."""
        return self._waits + sum(part.size for part in self._parts)

    def add(self, blocks: Iterable[BlockId]) -> None:
        self._add(_prefixes(blocks))

    def has(self, blocks: Sequence[BlockId]) -> list[bool]:
        """Whether each is marked, in order."""
        self._sort_in()
        return _asked(_prefixes(blocks), [part.has for part in self._parts])

    def without(self, blocks: Collection[BlockId]) -> list[BlockId]:
        """Those that are not marked, in order."""
        asked = tuple(blocks)
        return [block for block, is_marked in zip(asked, self.has(asked), strict=True) if not is_marked]

    def runs(self) -> tuple[_Prefixes, ...]:
        """All of it, a run for each part, in order."""
        self._sort_in()
        return tuple(part.whole() for part in self._parts)

    def _add(self, fresh: _Prefixes) -> None:
        self._waiting.append(fresh)
        self._waits += fresh.size
        if self._waits >= WAITING:
            self._sort_in()

    def _sort_in(self) -> None:
        if self._waits:
            fresh = np.sort(np.concatenate(self._waiting))
            for number, share in _shares(fresh):
                self._parts[number].add(fresh[share])
        self._waiting, self._waits = [], 0


class Awaited:
    """Blocks that were marked, each of which is to be met. Takes a ninth byte for each."""

    def __init__(self, marked: Marked) -> None:
        self._runs = marked.runs()
        self._met: list[_Truths] = [np.zeros(run.size, np.bool_) for run in self._runs]

    def has(self, blocks: Sequence[BlockId]) -> list[bool]:
        """Whether each was marked, in order, met or not."""
        return _asked(_prefixes(blocks), [partial(_is_in, run) for run in self._runs])

    def meet(self, blocks: Sequence[BlockId]) -> list[bool]:
        """Whether each was marked, in order; those are met now."""
        return _asked(_prefixes(blocks), [partial(_meet, *each) for each in zip(self._runs, self._met, strict=True)])

    def unmet(self) -> Marked:
        """Those that nobody met."""
        left = Marked()
        for run, met in zip(self._runs, self._met, strict=True):
            left._add(run[~met])
        return left


_Asks = Callable[[_Prefixes], _Truths]


class _Part:
    """Sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[_Prefixes] = []

    @property
    def size(self) -> int:
        return sum(run.size for run in self._runs)

    def add(self, run: _Prefixes) -> None:
        run = _once(run)
        while self._runs and self._runs[-1].size < 2 * run.size:
            run = _merged((self._runs.pop(), run))
        if run.size:
            self._runs.append(run)

    def has(self, asked: _Prefixes) -> _Truths:
        found = np.zeros(asked.size, np.bool_)
        for run in self._runs:
            found |= _is_in(run, asked)
        return found

    def whole(self) -> _Prefixes:
        """All of it as one run."""
        if len(self._runs) != 1:
            self._runs = [_merged(self._runs)] if self._runs else [np.zeros(0, np.uint64)]
        return self._runs[0]


def _asked(prefixes: _Prefixes, parts: Sequence[_Asks]) -> list[bool]:
    """What each part says of those that belong to it, in the order asked."""
    order = np.argsort(prefixes, kind="stable")
    found = np.empty(prefixes.size, np.bool_)
    for number, share in _shares(prefixes[order]):
        at = order[share]
        found[at] = parts[number](prefixes[at])
    return list(found.tolist())


def _shares(ordered: _Prefixes) -> Iterator[tuple[int, slice]]:
    """The parts that any of them belong to, and which do."""
    start = 0
    for number, end in enumerate([*np.searchsorted(ordered, _EDGES).tolist(), ordered.size]):
        if end > start:
            yield number, slice(start, end)
        start = end


def _is_in(run: _Prefixes, asked: _Prefixes) -> _Truths:
    return _places(run, asked)[1]


def _meet(run: _Prefixes, met: _Truths, asked: _Prefixes) -> _Truths:
    at, found = _places(run, asked)
    met[at[found]] = True
    return found


def _places(run: _Prefixes, asked: _Prefixes) -> tuple[Any, _Truths]:
    """Where each would be, and whether it is there."""
    if not run.size:
        return np.zeros(asked.size, np.intp), np.zeros(asked.size, np.bool_)
    at = np.minimum(np.searchsorted(run, asked), run.size - 1)
    return at, run[at] == asked


def _merged(runs: Sequence[_Prefixes]) -> _Prefixes:
    whole = np.concatenate(runs)
    # Runs that are in order already are merged, which is what a stable sort does.
    whole.sort(kind="stable")
    return _once(whole)


def _once(run: _Prefixes) -> _Prefixes:
    """Without those that are there twice; of a sorted run."""
    is_new = np.ones(run.size, np.bool_)
    np.not_equal(run[1:], run[:-1], out=is_new[1:])
    # What is cut out of a larger array keeps all of that.
    return run[is_new]


def _prefixes(blocks: Iterable[BlockId]) -> _Prefixes:
    """As numbers that stand in the order of the ids."""
    joined = bytearray().join(block[:PREFIX_BYTES] for block in blocks)
    return np.frombuffer(joined, ">u8").astype(np.uint64)
