"""Every pack's own index against the catalog, and every block against its name: the longer half of verify.

The catalog is read once, in the order of ids, and what it says of each pack is added up; then each pack's own index.
Where both sums are equal no row needs to be looked up. Where they are not, or the pack was not there yet, its rows
are asked for one by one.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, compress
from typing import Final

from budwood.domain.batches import batched
from budwood.domain.limits import VERIFY_NAMED
from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord
from budwood.domain.results import Problem
from budwood.errors import Archived, Damaged
from budwood.store.api import BlockRow, Progress
from budwood.store.packs import PackRows, footer_rows, pack_key
from budwood.store.scrub import ARCHIVED, Scrub, pieces, scrub
from budwood.verbs.house import House
from budwood.verbs.marked import Awaited
from budwood.verbs.needed import ROWS, rows_in_force, with_bases

LOOKS: Final = 3
_MASK: Final = (1 << 64) - 1


@dataclass(slots=True)
class Found:
    """What has been seen so far."""

    problems: list[Problem] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)
    unreadable: list[VersionRecord] = field(default_factory=list)
    missing: dict[BlockId, str] = field(default_factory=dict)
    """By the namespace that needs them."""
    damaged: dict[BlockId, str] = field(default_factory=dict)
    rows: dict[BlockId, BlockRow] = field(default_factory=dict)
    """Of what is damaged."""
    touched: dict[BlockId, set[str]] = field(default_factory=dict)
    """Whom what is damaged or missing touches."""
    blocks: int = 0
    packs: int = 0
    archived: int = 0
    """Packs that could not be looked at, for their object store must restore them first."""
    bytes_read: int = 0


@dataclass(slots=True)
class Counted:
    """The rows in force that somebody needs: how many, and of each pack their sum."""

    needed: Awaited
    blocks: int = 0
    sums: dict[str, int] = field(default_factory=dict)

    def of(self, rows: Iterable[BlockRow]) -> Iterator[BlockRow]:
        """Those that somebody needs."""
        for few in batched(rows, ROWS):
            yield from compress(few, self.needed.has([row.id for row in few]))


def count_rows(house: House, needed: Awaited) -> Counted:
    """One look at every row; those that are needed are met."""
    counted = Counted(needed)
    for page in batched(rows_in_force(house), ROWS):
        for row in compress(page, needed.meet([row.id for row in page])):
            counted.blocks += 1
            counted.sums[row.pack] = _added(counted.sums.get(row.pack, 0), row)
    return counted


def check_packs(house: House, found: Found, counted: Counted, *, read_data: bool, progress: Progress) -> None:
    """Notes what is damaged. With ``read_data`` every block is decoded and hashed by the crew."""
    packs = _agreeing(house, found, counted)
    if read_data:
        _scrub_all(house, found, packs, progress)
    else:
        deque(packs, maxlen=0)


def sum_of(rows: Iterable[BlockRow]) -> int:
    """The same in any order; of other rows it is the same only by chance, one in 2^64."""
    return reduce(_added, rows, 0)


def _added(total: int, row: BlockRow) -> int:
    return (total + hash(row)) & _MASK


# Packs


def _agreeing(house: House, found: Found, counted: Counted) -> Iterator[Iterable[BlockRow]]:
    """Pack by pack, the needed rows as to which its index and the catalog agree; the others are noted."""
    for pack in _every_pack(house):
        if _has_enough(found):
            return
        index = _index_of(house, pack)
        if isinstance(index, Archived):
            found.archived += counted.sums.get(pack, 0) != 0
        elif isinstance(index, PackRows) and sum_of(counted.of(index)) == counted.sums.get(pack, 0) != 0:
            found.packs += 1
            yield counted.of(index)
        elif rows := {row.id: row for row in counted.of(rows_in_force(house, pack))}:
            found.packs += 1
            wrong = _disagreeing(found, pack, rows, index)
            found.damaged |= wrong
            found.rows |= {block: rows.pop(block) for block in wrong}
            yield rows.values()


def _every_pack(house: House) -> Iterator[str]:
    """Those that are named, and those that blocks were moved to meanwhile."""
    seen = set[str]()
    for _ in range(LOOKS):
        with house.catalog.read() as view:
            fresh = [pack for pack in view.named_packs() if pack not in seen]
        yield from fresh
        seen.update(fresh)


def _has_enough(found: Found) -> bool:
    """Whether so much is damaged that looking on tells nobody more, and takes more memory."""
    if len(found.damaged) <= VERIFY_NAMED:
        return False
    found.problems.append(
        Problem("limit", f"More than {VERIFY_NAMED:,} blocks are damaged; the rest was not looked at.")
    )
    return True


def _index_of(house: House, pack: str) -> PackRows | Damaged | Archived:
    """The rows that the pack itself lists, or why it cannot be asked."""
    try:
        return footer_rows(house.objects, pack)
    except (Damaged, Archived) as error:
        return error


def _disagreeing(
    found: Found, pack: str, rows: Mapping[BlockId, BlockRow], index: PackRows | Damaged
) -> dict[BlockId, str]:
    """Blocks whose pack is missing, damaged or disagrees with the catalog."""
    if isinstance(index, Damaged):
        found.problems.append(Problem("pack", f"{pack_key(pack)}: {index.message}"))
        return dict.fromkeys(rows, f"Pack {pack}: {index.message}")
    agreed = {row.id for row in index if rows.get(row.id) == row}
    return dict.fromkeys(rows.keys() - agreed, f"Pack {pack} and the catalog disagree.")


# Blocks


def _scrub_all(house: House, found: Found, packs: Iterable[Iterable[BlockRow]], progress: Progress) -> None:
    """Every block is decoded and hashed by the crew, few at a time."""
    damaged: dict[BlockId, str] = {}
    looked: dict[BlockId, BlockRow] = {}
    few = (few for rows in packs for few in batched(rows, ROWS))
    for asked, wrong in house.crew.each(scrub, chain.from_iterable(_scrubs(house, rows) for rows in few)):
        found.bytes_read += sum(asked.rows[block].length for block in asked.blocks)
        fresh = {block: reason for block, reason in wrong.items() if reason != ARCHIVED}
        damaged |= fresh
        looked |= {block: asked.rows[block] for block in fresh}
        progress(asked.raw_bytes)
        if len(damaged) > VERIFY_NAMED:
            break
    still = _still_wrong(house, damaged) if damaged else {}
    found.damaged |= still
    found.rows |= {block: looked[block] for block in still}


def _scrubs(house: House, few: Sequence[BlockRow]) -> Iterator[Scrub]:
    rows = {row.id: row for row in few}
    bases = {base for row in few for base in row.bases} - rows.keys()
    return pieces(few, {**with_bases(house.index, bases), **rows})


def _still_wrong(house: House, damaged: Mapping[BlockId, str]) -> dict[BlockId, str]:
    """Looked at again by their rows as they are now: a block may be written anew while it is read."""
    rows = with_bases(house.index, damaged)
    again = [row for block in damaged if (row := rows.get(block)) is not None]
    lost = {block: reason for block, reason in damaged.items() if block not in rows}
    return lost | {
        block: wrong
        for piece in pieces(again, rows)
        for block, wrong in scrub(house.objects, piece).items()
        if wrong != ARCHIVED
    }
