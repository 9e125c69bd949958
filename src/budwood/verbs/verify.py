"""verify: is everything that was promised still here, and is it what it claims?

Without reading data: the catalog's own check, every manifest against its digest, every block named has a row,
every row lies inside a pack whose own index agrees. With ``read_data``: every block is decoded and hashed.
A damaged block is reported with every version it touches, also those that reach it through a difference.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord
from budwood.domain.results import Problem, Verified
from budwood.errors import CatalogDamaged, Damaged
from budwood.store.api import BlockRow, Progress
from budwood.store.packs import footer_rows, pack_key
from budwood.store.scrub import Scrub, pieces, scrub
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.marked import Marked
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_stored_file,
    every_version,
    file_blocks,
    in_pages,
    named_blocks,
    rows_in_force,
    with_bases,
)

LOOKS: Final = 3
LOOKED_AT_ONCE: Final = 10_000


@dataclass(slots=True)
class _Found:
    """What has been seen so far. Of what is whole only marks are kept; rows, reasons and users of what is not."""

    problems: list[Problem] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)
    unreadable: list[VersionRecord] = field(default_factory=list)
    whole: Marked = field(default_factory=Marked)
    """Blocks that have a row, as all they lean on has."""
    torn: dict[BlockId, BlockRow] = field(default_factory=dict)
    """Blocks that lean on some that have none."""
    missing: dict[BlockId, str] = field(default_factory=dict)
    """By the namespace that needs them."""
    damaged: dict[BlockId, str] = field(default_factory=dict)
    rows: dict[BlockId, BlockRow] = field(default_factory=dict)
    """Of what is damaged."""
    touched: dict[BlockId, tuple[str, ...]] = field(default_factory=dict)
    """Whom what is damaged or missing touches."""
    blocks: int = 0
    packs: int = 0
    bytes_read: int = 0

    def of(self, rows: Sequence[BlockRow]) -> Iterator[BlockRow]:
        """Those that somebody needs."""
        whole = self.whole.has([row.id for row in rows])
        return (row for row, is_whole in zip(rows, whole, strict=True) if is_whole or row.id in self.torn)


@dataclass(frozen=True, slots=True)
class _User:
    """Somebody who needs blocks: a version, evidence, a file of a run."""

    name: str
    namespace: str
    blocks: Set[BlockId]
    version: VersionRecord | None = None
    wrong: str = ""


def verify(house: House, *, read_data: bool = False, progress: Progress = lambda _: None) -> Verified:
    """Never raises for damage: that is what it reports. Raises StorageFailed when it cannot look."""
    began_ms = house.clock()
    for _ in range(LOOKS):
        found = _look(house, read_data, progress)
        # A delete and a sweep at work look like damage to whoever read the catalog before them.
        if not found.problems or not _moved(house, found):
            break
    return Verified(
        versions=len(found.versions),
        blocks=found.blocks,
        packs=found.packs,
        bytes_read=found.bytes_read,
        seconds=(house.clock() - began_ms) / 1000,
        problems=tuple(found.problems),
    )


@dataclass(frozen=True, slots=True)
class Wrong:
    """A block that cannot be read: its row as it is (None: it has none), what is wrong, whom it touches, and a
    namespace that needs it."""

    row: BlockRow | None
    reason: str
    versions: tuple[str, ...]
    namespace: str = ""


def wrong_blocks(
    house: House, *, read_data: bool = False, progress: Progress = lambda _: None
) -> Mapping[BlockId, Wrong]:
    """Every block that is damaged or missing. Raises StorageFailed when it cannot look."""
    found = _look(house, read_data, progress)
    lost, users = "It is not in the index.", found.touched
    wrong = {block: Wrong(found.rows[block], reason, users.get(block, ())) for block, reason in found.damaged.items()}
    return wrong | {block: Wrong(None, lost, users.get(block, ()), room) for block, room in found.missing.items()}


def _look(house: House, read_data: bool, progress: Progress) -> _Found:
    found = _Found()
    try:
        found.problems += [Problem("catalog", wrong) for wrong in chain(house.catalog.check(), _miscounted(house))]
        _check_users(house, found)
        _check_packs(house, found, read_data, progress)
        found.touched = _touched(house, found.damaged.keys() | found.missing.keys())
    except CatalogDamaged as error:
        found.problems.append(Problem("catalog", error.message))
        return found
    found.problems += [
        Problem("block", f"{reason} (block {block.hex()[:16]})", found.touched[block])
        for block, reason in sorted(found.damaged.items())
    ]
    return found


def _miscounted(house: House) -> Iterator[str]:
    """Quotas are held against counters, so they must be what a count gives."""
    now, after = house.clock(), ""
    with house.catalog.read() as view:
        while page := view.namespaces(after=after):
            after = page[-1].name
            for room in page:
                said, counted = view.usage(room.name, now_ms=now), view.recount(room.name, now_ms=now)
                if said is not None and counted is not None and said != counted:
                    yield (
                        f"namespace {room.name} says {said.versions} versions and {said.bytes} bytes;"
                        f" it has {counted.versions} and {counted.bytes}"
                    )


def _moved(house: House, found: _Found) -> bool:
    """Whether a version that was looked at is gone, or what was wrong lies elsewhere now."""
    try:
        left = {version.id for version in every_version(house)}
        if found.versions - left or house.index.find(tuple(found.missing)):
            return True
        return house.index.find(tuple(found.rows)) != found.rows or any(_reads(house, v) for v in found.unreadable)
    except CatalogDamaged:
        return False


def _reads(house: House, version: VersionRecord) -> bool:
    try:
        load_manifest(house, version)
    except CatalogDamaged:
        raise
    except Damaged:
        return False
    return True


# What is needed


def _users(house: House) -> Iterator[_User]:
    for version in every_version(house):
        try:
            blocks = named_blocks(version, load_manifest(house, version))
        except CatalogDamaged:
            raise
        except Damaged as error:
            yield _User(version.reference, version.namespace, set(version.manifest_blocks), version, error.message)
        else:
            yield _User(version.reference, version.namespace, blocks, version)
    for room, evidence in every_file_of_evidence(house):
        yield _User(f"evidence {evidence.digest[:12]}", room, attached_blocks(evidence))
    for file in every_stored_file(house):
        yield _User(f"the file {file.path} of {file.namespace}", file.namespace, file_blocks(file))


def _check_users(house: House, found: _Found) -> None:
    for user in _users(house):
        if user.version is not None:
            found.versions.add(user.version.id)
        if user.version is not None and user.wrong:
            found.unreadable.append(user.version)
            found.problems.append(Problem("manifest", user.wrong, (user.name,)))
        if missing := _missing(house, found, user.blocks):
            detail = f"{len(missing)} block(s) are not in the store."
            found.problems.append(Problem("missing", detail, (user.name,)))
            found.missing |= dict.fromkeys(missing, user.namespace)
    found.blocks += len(found.torn)


def _missing(house: House, found: _Found, blocks: Set[BlockId]) -> set[BlockId]:
    """Those of the blocks, and of all that they lean on, that have no row. The others are marked: they need no second
    look for whoever names them next."""
    rows: dict[BlockId, BlockRow] = {}
    missing: set[BlockId] = set()
    wanted = found.whole.without(blocks)
    while wanted:
        there = house.index.find(wanted)
        rows |= there
        missing.update(block for block in wanted if block not in there)
        bases = {base for row in there.values() for base in row.bases} - rows.keys() - missing
        wanted = found.whole.without(bases)
    torn = _leaning(rows, missing)
    found.torn |= torn
    found.blocks += len(rows) - len(torn)
    found.whole.add(rows.keys() - torn.keys())
    return missing


def _leaning(rows: Mapping[BlockId, BlockRow], on: Set[BlockId]) -> dict[BlockId, BlockRow]:
    """The rows that lean on any of those blocks, however far."""
    found: dict[BlockId, BlockRow] = {}
    reached = on
    while reached:
        grown = {block: row for block, row in rows.items() if block not in found and not reached.isdisjoint(row.bases)}
        found |= grown
        reached = grown.keys()
    return found


# What is there


def _check_packs(house: House, found: _Found, read_data: bool, progress: Progress) -> None:
    """Every pack's own index against the catalog; with ``read_data`` every block of it, by the crew."""
    packs = _agreeing(house, found)
    if not read_data:
        deque(packs, maxlen=0)
        return
    damaged: dict[BlockId, str] = {}
    looked: dict[BlockId, BlockRow] = {}
    for asked, wrong in house.crew.each(scrub, chain.from_iterable(_scrubs(house, rows) for rows in packs)):
        found.bytes_read += sum(asked.rows[block].length for block in asked.blocks)
        damaged |= wrong
        looked |= {block: asked.rows[block] for block in wrong}
        progress(asked.raw_bytes)
    still = _still_wrong(house, damaged) if damaged else {}
    found.damaged |= still
    found.rows |= {block: looked[block] for block in still}


def _agreeing(house: House, found: _Found) -> Iterator[dict[BlockId, BlockRow]]:
    """Pack by pack, the rows of needed blocks as to which its index and the catalog agree; the others are noted."""
    for pack in _every_pack(house):
        rows = {row.id: row for page in in_pages(rows_in_force(house, pack), LOOKED_AT_ONCE) for row in found.of(page)}
        if not rows:
            continue
        found.packs += 1
        wrong = _disagreeing(house, found, pack, rows)
        found.damaged |= wrong
        found.rows |= {block: rows.pop(block) for block in wrong}
        yield rows


def _every_pack(house: House) -> Iterator[str]:
    """Those that are named, and those that blocks were moved to meanwhile."""
    seen = set[str]()
    for _ in range(LOOKS):
        with house.catalog.read() as view:
            fresh = [pack for pack in view.named_packs() if pack not in seen]
        yield from fresh
        seen.update(fresh)


def _disagreeing(house: House, found: _Found, pack: str, rows: Mapping[BlockId, BlockRow]) -> dict[BlockId, str]:
    """Blocks whose pack is missing, damaged or disagrees with the catalog."""
    left = set(rows)
    try:
        # Row by row: a pack may have a million.
        for row in footer_rows(house.objects, pack):
            if rows.get(row.id) == row:
                left.discard(row.id)
    except Damaged as error:
        found.problems.append(Problem("pack", f"{pack_key(pack)}: {error.message}"))
        return dict.fromkeys(left, f"Pack {pack}: {error.message}")
    return dict.fromkeys(left, f"Pack {pack} and the catalog disagree.")


def _scrubs(house: House, rows: Mapping[BlockId, BlockRow]) -> Iterator[Scrub]:
    bases = {base for row in rows.values() for base in row.bases} - rows.keys()
    return pieces(rows.values(), {**with_bases(house.index, bases), **rows})


def _still_wrong(house: House, damaged: Mapping[BlockId, str]) -> dict[BlockId, str]:
    """Looked at again by their rows as they are now: a block may be written anew while it is read."""
    rows = with_bases(house.index, damaged)
    again = [row for block in damaged if (row := rows.get(block)) is not None]
    lost = {block: reason for block, reason in damaged.items() if block not in rows}
    return lost | {
        block: wrong for piece in pieces(again, rows) for block, wrong in scrub(house.objects, piece).items()
    }


def _touched(house: House, blocks: Set[BlockId]) -> dict[BlockId, tuple[str, ...]]:
    """The users that name each block, or a block that leans on it, however far. Reads every manifest again, since
    what is whole is not remembered."""
    users: dict[BlockId, set[str]] = {block: set() for block in blocks}
    for user in _users(house) if blocks else ():
        rows = with_bases(house.index, user.blocks)
        reached = user.blocks | rows.keys() | {base for row in rows.values() for base in row.bases}
        for block in reached & users.keys():
            users[block].add(user.name)
    return {block: tuple(sorted(names)) for block, names in users.items()}
