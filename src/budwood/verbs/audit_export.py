"""An audit bundle part by part, so that any ledger passes through little memory, near and far alike.

A cursor says which kind of part comes next, behind which row, and of which size the tree was when the export began.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from budwood.catalog.api import View
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.tree.bundle import (
    AuditPart,
    SignedState,
    bundle_head,
    earlier_parts,
    entry_parts,
    opening_parts,
    tile_parts,
)
from budwood.domain.tree.tiles import Tile, places_of
from budwood.errors import BadValue, LedgerDamaged, RecordNotFound
from budwood.govern.log_key import kept_key
from budwood.govern.sequencer import sequence, tiles_of
from budwood.verbs.house import House

TILES_AT_ONCE: Final = 200
KINDS: Final = ("checkpoints", "entries", "openings", "tiles")
_CURSOR: Final = re.compile(rf"({'|'.join(KINDS)}):([0-9]{{1,16}}):([0-9]{{1,16}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExportedParts:
    """Some files, and the cursor to go on from; empty at the end."""

    parts: tuple[AuditPart, ...]
    cursor: str


def export_parts(house: House, cursor: str = "", *, openings: bool = True) -> ExportedParts:
    """The next files of a bundle, from the first on where ``cursor`` is empty.

    Raises RecordNotFound for an empty ledger, BadValue for no cursor of ours, LedgerDamaged.
    """
    if not cursor:
        sequence(house.catalog, house.clock)
    with house.catalog.read() as view:
        if not cursor:
            return _begun(view)
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise BadValue(f"{cursor[:80]!r} is no cursor of an export.", hint="Begin again without one.")
        kind, after, size = found[1], int(found[2]), int(found[3])
        parts, reached = _PARTS[kind](view, after, size) if openings or kind != "openings" else ((), 0)
    following = KINDS[KINDS.index(kind) + 1 :]
    goes_on = f"{kind}:{reached}:{size}" if reached else f"{following[0]}:0:{size}" if following else ""
    return ExportedParts(tuple(parts), goes_on)


def _begun(view: View) -> ExportedParts:
    newest, key = view.checkpoint(), kept_key(view)
    if newest is None or key is None:
        raise RecordNotFound("The ledger is empty.", hint="The first change writes its first entry.")
    head = bundle_head(key.public.name, [key.public], SignedState(newest.size, newest.note))
    return ExportedParts(tuple(head), f"checkpoints:0:{newest.size}")


Some = tuple[Sequence[AuditPart], int]
"""Parts, and behind which row to go on; 0 when there are no more."""


def _checkpoints(view: View, after: int, size: int) -> Some:
    page = view.checkpoints(after=after, limit=PAGE_ROWS)
    states = [SignedState(each.size, each.note) for each in page if each.size < size]
    return list(earlier_parts(states)), states[-1].size if len(states) == PAGE_ROWS else 0


def _entries(view: View, after: int, size: int) -> Some:
    page = [each for each in view.leaves(after=after, limit=PAGE_ROWS) if each.sequence <= size]
    parts = list(entry_parts((each.leaf for each in page), after)) if page else []
    return parts, after + len(page) if len(page) == PAGE_ROWS else 0


def _openings(view: View, after: int, size: int) -> Some:
    through = min(after + PAGE_ROWS, size)
    return list(opening_parts(view.openings(after=after, through=through))), through if through < size else 0


def _tiles(view: View, after: int, size: int) -> Some:
    places = list(islice(places_of(size), after, after + TILES_AT_ONCE))
    read = tiles_of(view)

    def tiles() -> Iterator[Tile]:
        for place in places:
            try:
                yield Tile(place, read(place))
            except ValueError as error:
                raise LedgerDamaged(f"The ledger's tiles cannot be read: {error}.", first_bad=0) from error

    return list(tile_parts(tiles())), after + len(places) if len(places) == TILES_AT_ONCE else 0


_PARTS: Final = {"checkpoints": _checkpoints, "entries": _entries, "openings": _openings, "tiles": _tiles}
