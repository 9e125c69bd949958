"""What is known of all blocks of a registry at once, in columns: twelve bytes for a block and a number.

A block is known by the first eight bytes of its id: what is known of one that begins alike is found with it. That is
for counting, not for deciding what is freed; of registries with a hundred million blocks one in four thousand has such
a pair.

Columns are kept in parts by how ids begin, so that sorting one takes room for one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from budwood.domain.manifest import BlockId
from budwood.store.api import ID_BYTES

PART_BITS: Final = 6
WAITING: Final = 1 << 18
"""So many pairs are sorted into the parts at once."""
PREFIX_BYTES: Final = 8

Prefixes = np.ndarray[Any, np.dtype[np.uint64]]
Values = np.ndarray[Any, np.dtype[np.uint32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Blocks and a number of each."""

    prefixes: Prefixes
    values: Values

    @property
    def size(self) -> int:
        return self.prefixes.size


@dataclass(frozen=True, slots=True)
class Found:
    """For each pair of a block that was asked for: the block's place in the question, and the number."""

    at: Numbers
    values: Values


Merge = Callable[[Sequence[Pairs]], Pairs]
"""Several columns to one that is sorted by block."""


class Columns:
    """Grows by many pairs at a time; ``settle`` before asking."""

    def __init__(self, merge: Merge) -> None:
        self._parts = [_Part(merge) for _ in range(1 << PART_BITS)]
        self._merge = merge
        self._waiting: list[Pairs] = []
        self._waiting_count = 0

    def add(self, pairs: Pairs) -> None:
        self._waiting.append(pairs)
        self._waiting_count += pairs.size
        if self._waiting_count >= WAITING:
            self._spread()

    def settle(self) -> None:
        """Let all that was added be found."""
        self._spread()
        for part in self._parts:
            part.settle()

    def find(self, asked: Prefixes) -> Found:
        """Of what is settled. Blocks that begin alike, as in a page of an index, are found fastest."""
        numbers = _part_of(asked)
        at, values = [np.empty(0, np.int64)], [_NOTHING.values]
        for number in np.unique(numbers):
            here = np.flatnonzero(numbers == number)
            pairs = self._parts[number].settled
            starts = np.searchsorted(pairs.prefixes, asked[here], "left")
            places, owners = ranges(starts, np.searchsorted(pairs.prefixes, asked[here], "right") - starts)
            at.append(here[owners])
            values.append(pairs.values[places])
        return Found(np.concatenate(at), np.concatenate(values))

    def _spread(self) -> None:
        if not self._waiting:
            return
        pairs = self._merge(self._waiting)
        self._waiting, self._waiting_count = [], 0
        edges = np.searchsorted(_part_of(pairs.prefixes), np.arange(len(self._parts) + 1))
        for part, start, end in zip(self._parts, edges, edges[1:], strict=False):
            if start < end:
                part.add(Pairs(pairs.prefixes[start:end].copy(), pairs.values[start:end].copy()))


def each_once(several: Sequence[Pairs]) -> Pairs:
    """Every pair, however often it is there."""
    prefixes, values = _joined(several)
    order = np.lexsort((values, prefixes))
    prefixes, values = prefixes[order], values[order]
    is_new = _differs(prefixes)
    is_new[1:] |= values[1:] != values[:-1]
    return Pairs(prefixes[is_new], values[is_new])


def summed(several: Sequence[Pairs]) -> Pairs:
    """Every block once, with the sum of its numbers."""
    prefixes, values = _joined(several)
    order = np.argsort(prefixes, kind="stable")
    prefixes, values = prefixes[order], values[order]
    firsts = np.flatnonzero(_differs(prefixes))
    return Pairs(prefixes[firsts], np.add.reduceat(values, firsts, dtype=np.uint32) if firsts.size else values)


def prefixes_of(blocks: Iterable[BlockId]) -> Prefixes:
    """How the ids begin, as numbers that sort as ids do."""
    return np.frombuffer(b"".join(block[:PREFIX_BYTES] for block in blocks), ">u8").astype(np.uint64)


def prefixes_in(ids: bytes) -> Prefixes:
    """Likewise of ids one after the other."""
    return np.frombuffer(ids, ">u8")[:: ID_BYTES // PREFIX_BYTES].astype(np.uint64)


def ranges(starts: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """The numbers of several ranges one after the other, and of which range each is."""
    owners = np.repeat(np.arange(counts.size), counts)
    before = np.cumsum(counts) - counts
    return np.arange(owners.size) + (starts - before)[owners], owners


_NOTHING: Final = Pairs(np.empty(0, np.uint64), np.empty(0, np.uint32))


class _Part:
    """Merged pairs, and newer ones that join them when they are half as many."""

    def __init__(self, merge: Merge) -> None:
        self.settled = _NOTHING
        self._merge = merge
        self._newer: list[Pairs] = []
        self._newer_count = 0

    def add(self, pairs: Pairs) -> None:
        self._newer.append(pairs)
        self._newer_count += pairs.size
        if self._newer_count > self.settled.size // 2:
            self.settle()

    def settle(self) -> None:
        if self._newer:
            self.settled = self._merge([self.settled, *self._newer])
            self._newer, self._newer_count = [], 0


def _joined(several: Sequence[Pairs]) -> tuple[Prefixes, Values]:
    return np.concatenate([pairs.prefixes for pairs in several]), np.concatenate([pairs.values for pairs in several])


def _differs(prefixes: Prefixes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """From the one before it."""
    differs = np.ones(prefixes.size, np.bool_)
    np.not_equal(prefixes[1:], prefixes[:-1], out=differs[1:])
    return differs


def _part_of(prefixes: Prefixes) -> Numbers:
    return (prefixes >> np.uint64(64 - PART_BITS)).astype(np.int64)
