"""Asking a server which blocks there are, and where their bytes can be read.

A question costs a journey, so many blocks are asked for at once and, within one push, nothing twice: a push foresees
the blocks it is about to meet. What is learnt about addresses goes to the ``AddressBook`` from which bytes are read.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.limits import FIND_BLOCKS
from budwood.domain.manifest import BlockId
from budwood.domain.transfers import FindBlocks, FoundBlock, FoundBlocks, PackAddress
from budwood.store.api import BlockRow
from budwood.store.cache import BlockCache

WANTED_MOST: Final = 500_000
Ask = Callable[[FindBlocks], FoundBlocks]


class AddressBook:
    """Where packs can be read now, and which of their bytes will be wanted. Shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._addresses: dict[str, tuple[PackAddress, BlockId, Ask]] = {}
        self._wanted: dict[str, dict[int, int]] = {}

    def learn(self, found: FoundBlocks, ask: Ask) -> None:
        """Take over the addresses; ``ask`` is whom to ask when they have run out."""
        inside = {block.pack: block.id for block in found.blocks}
        with self._lock:
            for pack in found.packs:
                self._addresses[pack.pack] = (pack, inside[pack.pack], ask)

    def want(self, rows: Iterable[BlockRow]) -> None:
        """These will be read: neighbours among them can be read together."""
        with self._lock:
            if sum(map(len, self._wanted.values())) > WANTED_MOST:
                # What is forgotten is read without its neighbours.
                self._wanted.clear()
            for row in rows:
                self._wanted.setdefault(row.pack, {})[row.offset] = row.length

    def wanted(self, pack: str) -> list[tuple[int, int]]:
        """(offset, length) of what is wanted of a pack, in order."""
        with self._lock:
            return sorted(self._wanted.get(pack, {}).items())

    def after(self, pack: str) -> str | None:
        """The wanted pack that was written next: a push numbers its packs."""
        with self._lock:
            following = [name for name in self._wanted if name > pack]
        return min(following, default=None)

    def address(self, pack: str, now_ms: int, *, refresh: bool = False) -> str | None:
        """None for a pack nobody told of. Raises what asking raises."""
        with self._lock:
            known = self._addresses.get(pack)
        if known is None:
            return None
        address, block, ask = known
        if refresh or address.expires_ms <= now_ms:
            found = ask(FindBlocks((block,)))
            self.learn(found, ask)
            with self._lock:
                address = self._addresses[pack][0]
        return address.address


class FarIndex:
    """``BlockIndex`` of all that the caller may read. Everything found is likely to be read."""

    def __init__(self, ask: Ask, book: AddressBook) -> None:
        self._ask, self._book = ask, book

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """Raises Refused, ServerUnreachable."""
        found = asked(self._ask, self._book, ids)
        self._book.want(found.values())
        return found


class PushIndex:
    """``ForeseeingIndex`` of what one push may share and lean on; it remembers what it was told. Bases in the ``cache``
    need not be fetched."""

    def __init__(self, ask: Ask, book: AddressBook, cache: BlockCache | None = None) -> None:
        self._ask, self._book, self._cache = ask, book, cache
        self._lock = threading.Lock()
        self._known: dict[BlockId, BlockRow | None] = {}
        self._outlined: dict[str, int] = {}

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """Raises LeaseLost, ServerUnreachable."""
        self._learn(ids)
        with self._lock:
            return {block: row for block in ids if (row := self._known.get(block)) is not None}

    def foresee(self, file: str, blocks: Sequence[BlockId], bases: Sequence[BlockId]) -> None:
        """Without a ``file`` they are of several, and small. Raises LeaseLost, ServerUnreachable."""
        if not file:
            self._learn([*blocks, *bases])
        for some in _chunks(blocks) if file else ():
            first = self._outlined.get(file, 0)
            found = told(self._ask, self._book, FindBlocks(tuple(some), file, first))
            self._outlined[file] = first + len(some)
            with self._lock:
                self._known |= {block: found.get(block) for block in some if block not in self._known}
        wanted = list(bases)
        while wanted:
            rows = self.find(wanted)
            near = self._cache.find(wanted) if self._cache else {}
            read = [row for block, row in rows.items() if block not in near]
            self._book.want(read)
            wanted = [base for row in read for base in row.bases]

    def _learn(self, ids: Sequence[BlockId]) -> None:
        with self._lock:
            new = [block for block in dict.fromkeys(ids) if block not in self._known]
        if new:
            found = asked(self._ask, self._book, new)
            with self._lock:
                self._known |= {block: found.get(block) for block in new}


def asked(ask: Ask, book: AddressBook, ids: Sequence[BlockId]) -> dict[BlockId, BlockRow]:
    """The rows of those that are there, in as few questions as there may be."""
    rows: dict[BlockId, BlockRow] = {}
    for some in _chunks(list(dict.fromkeys(ids))):
        rows |= told(ask, book, FindBlocks(tuple(some)))
    return rows


def told(ask: Ask, book: AddressBook, wanted: FindBlocks) -> dict[BlockId, BlockRow]:
    """The rows that one question is answered with."""
    found = ask(wanted)
    book.learn(found, ask)
    return {block.id: _row(block) for block in found.blocks}


def _chunks(ids: Sequence[BlockId]) -> Iterator[Sequence[BlockId]]:
    for start in range(0, len(ids), FIND_BLOCKS):
        yield ids[start : start + FIND_BLOCKS]


def _row(found: FoundBlock) -> BlockRow:
    return BlockRow(
        found.id,
        found.pack,
        found.offset,
        found.length,
        found.raw_length,
        found.encoding,
        found.check,
        found.base,
        found.depth,
    )
