"""Marked blocks: what is known of all blocks of a registry at once, in eight bytes each.

A block is known by the first eight bytes of its id. Two that begin alike count as one, so whoever asks must be on the
safe side when a block seems to be marked that is not: it is kept, or stays where it is.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import numpy as np

from budwood.domain.manifest import BlockId

PREFIX_BYTES: Final = 8
_Prefixes = np.ndarray[Any, np.dtype[np.uint64]]


class Marked:
    """A set that grows by many blocks at a time: sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[_Prefixes] = []

    def __len__(self) -> int:
        """At least as many as were added that differ."""
        return sum(run.size for run in self._runs)

    def add(self, blocks: Iterable[BlockId]) -> None:
        run = _sorted_once(_prefixes(blocks))
        while self._runs and self._runs[-1].size < 2 * run.size:
            run = _sorted_once(np.concatenate((self._runs.pop(), run)))
        if run.size:
            self._runs.append(run)

    def has(self, blocks: Sequence[BlockId]) -> list[bool]:
        """Whether each is marked, in order."""
        asked = _prefixes(blocks)
        found = np.zeros(asked.size, np.bool_)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, asked), run.size - 1)
            found |= run[at] == asked
        return [bool(each) for each in found]

    def without(self, blocks: Collection[BlockId]) -> list[BlockId]:
        """Those that are not marked, in order."""
        asked = tuple(blocks)
        return [block for block, is_marked in zip(asked, self.has(asked), strict=True) if not is_marked]


def _sorted_once(prefixes: _Prefixes) -> _Prefixes:
    """In their place, and without another copy where none is there twice. Runs that are in order already are merged,
    which is what a stable sort does."""
    prefixes.sort(kind="stable")
    is_new = np.ones(prefixes.size, np.bool_)
    np.not_equal(prefixes[1:], prefixes[:-1], out=is_new[1:])
    return prefixes if is_new.all() else prefixes[is_new]


def _prefixes(blocks: Iterable[BlockId]) -> _Prefixes:
    return np.frombuffer(bytearray().join(block[:PREFIX_BYTES] for block in blocks), np.uint64)
