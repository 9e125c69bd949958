"""Checks the whole ledger from its rows: entries, leaves, openings, tiles and checkpoints against one another.

One walk from the first entry on, a page at a time. It stops at the first thing that is wrong, which is the one with
the lowest index: an entry that is not its leaf, a leaf whose hash is not in its tile, a tile that does not fit the
one above, or a root that is not the one that was signed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import cast

from budwood.catalog.api import View
from budwood.catalog.ledger_api import KeptCheckpoint, KeptLeaf, WrittenEntry, WrittenOpening
from budwood.domain import canon
from budwood.domain.asks_audit import LedgerVerified
from budwood.domain.canon import Json
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.bundle import KeptOpening
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from budwood.domain.tree.hashes import HASH_BYTES, Frontier, leaf_hash, perfect_root
from budwood.domain.tree.leaf import Opening, is_told, read_leaf, reveal
from budwood.domain.tree.note import NoteKey, parse_note
from budwood.domain.tree.tiles import LEVELS, TILE_WIDTH
from budwood.errors import CatalogDamaged
from budwood.govern.log_key import check
from budwood.govern.told import gives_its_leaf

LOWEST = -(1 << 62)


def check_ledger(
    view: View, key: NoteKey | None, expected: NoteKey | None, remembered: Checkpoint | None
) -> LedgerVerified:
    """``key`` is the registry's own; ``expected`` and ``remembered`` are a key and what it signed, kept elsewhere.

    Raises FrameworkMissing.
    """
    return _Walk(view, key, expected, remembered).run()


class _Wrong(Exception):
    """The first bad entry lies from ``first`` to ``last``."""

    def __init__(self, first: int, last: int, what: str) -> None:
        super().__init__(what)
        self.first, self.last = first, last


class _Walk:
    def __init__(
        self, view: View, key: NoteKey | None, expected: NoteKey | None, remembered: Checkpoint | None
    ) -> None:
        self._view = view
        self._key = key
        self._expected = expected
        self._remembered = remembered
        newest = view.checkpoint()
        self._newest = newest
        self._size = newest.size if newest else 0
        self._frontier = Frontier()
        self._rows: list[list[bytes]] = [[] for _ in range(LEVELS)]
        self._signed = self._states()
        self._next: tuple[int, bytes, str] | None = None
        self._trusted = self._checkpoints = self._tiles = self._erased = self._count = 0

    def run(self) -> LedgerVerified:
        problems: list[_Wrong] = []
        for step in (self._walk, self._check_newest, self._check_remembered):
            try:
                step()
            except _Wrong as wrong:
                problems.append(wrong)
            except CatalogDamaged as error:
                problems.append(_Wrong(self._trusted, max(self._trusted, self._size - 1), error.message))
        problems.sort(key=lambda wrong: (wrong.last, -wrong.first))
        first = problems[0] if problems else None
        return LedgerVerified(
            size=self._size,
            entries=self._frontier.size,
            pending=max(0, self._frontier.size - self._size),
            checkpoints=self._checkpoints,
            tiles=self._tiles,
            erased=self._erased,
            first_bad=first.first if first else -1,
            last_bad=first.last if first else -1,
            problems=tuple(str(wrong) for wrong in problems),
        )

    def _walk(self) -> None:
        self._look_below()
        self._next = next(self._signed, None)
        after = 0
        while leaves := self._quick(after) or self._thorough(after):
            self._hash(after, leaves)
            after += len(leaves)
        if after < self._size:
            raise _Wrong(after, after, f"The ledger ends after {after} entries; {self._size} were signed.")
        for level in range(LEVELS):
            self._compare(level)

    def _quick(self, after: int) -> list[bytes]:
        """The leaves of the next entries that are surely what was sealed; those that may not be are read."""
        try:
            rows = self._view.written(after=after, limit=PAGE_ROWS)
            kept = self._view.written_openings(after=after, through=after + len(rows)) if rows else ()
        except CatalogDamaged:
            return []
        by_sequence: dict[int, list[WrittenOpening]] = {}
        for each in kept:
            by_sequence.setdefault(each.sequence, []).append(each)
        leaves: list[bytes] = []
        for index, row in enumerate(rows, start=after):
            openings = by_sequence.get(row.sequence, ())
            if row.sequence != index + 1 or not (gives_its_leaf(row, openings) or self._reads(index, row, openings)):
                break
            leaves.append(bytes(row.leaf))
        return leaves

    def _reads(self, index: int, row: WrittenEntry, openings: Sequence[WrittenOpening]) -> bool:
        """Whether it is well once its JSON is read; False where that cannot be done."""
        try:
            body = cast(Mapping[str, Json], canon.loads(row.body))
            found = [
                KeptOpening(index, Opening(each.field, bytes(each.salt), canon.loads(each.value))) for each in openings
            ]
        except (ValueError, RecursionError):
            return False
        entry = LedgerEntry(row.sequence, row.at_ms, row.actor, row.action, row.subject, body, row.namespace)
        self._check_entry(index, entry, KeptLeaf(row.sequence, bytes(row.leaf)), found)
        return True

    def _thorough(self, after: int) -> list[bytes]:
        """The same, row by row from each table: it finds what a page lacks. Empty at the end."""
        page = self._page(after)
        for index, (entry, leaf, openings) in enumerate(page, start=after):
            self._check_entry(index, entry, leaf, openings)
        return [leaf.leaf for _, leaf, _ in page if leaf]

    def _look_below(self) -> None:
        with suppress(CatalogDamaged):  # A first row that cannot be read is found in its page.
            entries, leaves = self._view.ledger(after=LOWEST, limit=1), self._view.leaves(after=LOWEST, limit=1)
            for number in (*(each.sequence for each in entries), *(each.sequence for each in leaves)):
                if number < 1:
                    raise _Wrong(0, 0, f"A row of the ledger has the number {number}.")

    def _page(self, after: int) -> "list[tuple[LedgerEntry | None, KeptLeaf | None, Sequence[KeptOpening]]]":
        try:
            return self._rows_behind(after, PAGE_ROWS)
        except CatalogDamaged:
            # One row of the page cannot even be read: one by one, until it is the first.
            try:
                return self._rows_behind(after, 1)
            except CatalogDamaged as error:
                raise _Wrong(after, after, error.message) from error

    def _rows_behind(
        self, after: int, limit: int
    ) -> "list[tuple[LedgerEntry | None, KeptLeaf | None, Sequence[KeptOpening]]]":
        entries = {each.sequence: each for each in self._view.ledger(after=after, limit=limit)}
        leaves = {each.sequence: each for each in self._view.leaves(after=after, limit=limit)}
        if not entries and not leaves:
            if self._view.openings(after=after, through=after + limit):
                raise _Wrong(after, after, f"Something is kept of entry {after + 1}, which is not there.")
            return []
        last = min(max((*entries, *leaves)), after + limit)
        found = self._view.openings(after=after, through=last)
        kept = {index + 1: list(some) for index, some in groupby(found, lambda each: each.index)}
        return [(entries.get(n), leaves.get(n), kept.get(n, ())) for n in range(after + 1, last + 1)]

    def _check_entry(
        self, index: int, entry: LedgerEntry | None, kept: KeptLeaf | None, openings: Sequence[KeptOpening]
    ) -> None:
        if entry is None or kept is None:
            missing = "the ledger" if entry is None else "the leaves"
            raise _Wrong(index, index, f"Entry {index + 1} is missing from {missing}.")
        if entry.sequence == index + 1 and is_told(kept.leaf, entry, [each.opening for each in openings]):
            return
        try:
            leaf = read_leaf(kept.leaf)
            told = reveal(leaf, [each.opening for each in openings])
        except ValueError as error:
            raise _Wrong(index, index, f"Entry {index + 1}: {error}.") from error
        if leaf.sequence != index + 1:
            raise _Wrong(index, index, f"Where entry {index + 1} should be stands the leaf of {leaf.sequence}.")
        if told != entry:
            raise _Wrong(index, index, f"Entry {index + 1} does not say what its leaf says.")
        self._erased += len(leaf.hidden) - len(openings)

    def _hash(self, first: int, leaves: Sequence[bytes]) -> None:
        hashes = [leaf_hash(leaf) for leaf in leaves]
        self._grow(hashes[: max(0, self._size - first)])
        done = 0
        while self._next and self._next[0] <= first + len(hashes):
            size, root, what = self._next
            self._frontier = self._frontier.extend(hashes[done : size - first])
            done = size - first
            if self._frontier.root() != root:
                self._look_closer(size)
                wrong = f"The entries do not give the root that {what} signed for {size}."
                raise _Wrong(self._trusted, size - 1, wrong)
            self._trusted, self._checkpoints = size, self._checkpoints + 1
            self._next = next(self._signed, None)
        self._frontier = self._frontier.extend(hashes[done:])

    def _look_closer(self, size: int) -> None:
        """Raises what the tiles tell of the entries below ``size``, which is closer than what a root tells."""
        for level in range(LEVELS):
            try:
                self._compare(level)
            except _Wrong as wrong:
                if wrong.last < size:
                    raise _Wrong(max(wrong.first, self._trusted), wrong.last, str(wrong)) from wrong

    def _states(self) -> Iterator[tuple[int, bytes, str]]:
        """Size and root of every checkpoint, and of the remembered one, by size."""
        remembered = self._remembered
        after = 0
        while page := self._view.checkpoints(after=after, limit=PAGE_ROWS):
            for each in page:
                if remembered and remembered.size <= each.size:
                    yield remembered.size, remembered.root, "a remembered checkpoint"
                    remembered = None
                yield each.size, self._opened(each).root, "a checkpoint"
            after = page[-1].size
        if remembered and remembered.size <= self._size:
            yield remembered.size, remembered.root, "a remembered checkpoint"

    def _opened(self, kept: KeptCheckpoint) -> Checkpoint:
        try:
            said = parse_checkpoint(parse_note(kept.note).text)
        except ValueError as error:
            raise _Wrong(self._trusted, max(0, kept.size - 1), f"Checkpoint {kept.size} cannot be read.") from error
        if said.size != kept.size:
            raise _Wrong(self._trusted, max(0, kept.size - 1), f"Checkpoint {kept.size} speaks of {said.size}.")
        return said

    def _check_newest(self) -> None:
        """The rest of them need no signature: the newest signs for all that lies below."""
        if self._newest is None:
            return
        last = max(0, self._size - 1)
        if self._key is None:
            raise _Wrong(0, last, "The ledger's key is gone.")
        if self._expected not in (None, self._key):
            raise _Wrong(0, last, f"The ledger has another key than {self._expected.text}.")
        try:
            open_checkpoint(self._newest.note, self._key, check)
        except ValueError as error:
            raise _Wrong(0, last, f"Checkpoint {self._size} is not signed by {self._key.text}.") from error

    def _check_remembered(self) -> None:
        if self._remembered and self._remembered.size > self._size:
            what = f"A remembered checkpoint saw {self._remembered.size} entries: the ledger was rolled back."
            raise _Wrong(self._size, self._remembered.size - 1, what)

    def _grow(self, hashes: Sequence[bytes]) -> None:
        """The lowest tiles, one after the other."""
        at = 0
        while at < len(hashes):
            taken = hashes[at : at + TILE_WIDTH - len(self._rows[0])]
            self._rows[0] += taken
            self._count += len(taken)
            at += len(taken)
            self._close(0)

    def _add(self, level: int, digest: bytes) -> None:
        self._rows[level].append(digest)
        self._close(level)

    def _close(self, level: int) -> None:
        """Once a tile is full, it is compared and becomes one hash of the one above."""
        row = self._rows[level]
        if len(row) == TILE_WIDTH:
            self._compare(level)
            self._rows[level] = []
            self._add(level + 1, perfect_root(row))

    def _compare(self, level: int) -> None:
        row, span = self._rows[level], TILE_WIDTH**level
        if not row:
            return
        index = (self._count - 1) // (span * TILE_WIDTH)
        body = self._view.tile(level, index)[: len(row) * HASH_BYTES]
        self._tiles += 1
        if body == b"".join(row):
            return
        at = next(n for n, each in enumerate(row) if body[n * HASH_BYTES : (n + 1) * HASH_BYTES] != each)
        first = (index * TILE_WIDTH + at) * span
        raise _Wrong(first, first + span - 1, f"Tile {level}/{index} has another hash for what begins at {first}.")
