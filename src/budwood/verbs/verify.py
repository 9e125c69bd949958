"""verify: is everything that was promised still here, and is it what it claims?

Without reading data: the catalog's own check, every manifest against its digest, every block named has a row,
every row lies inside a pack whose own index agrees. With ``read_data``: every block is decoded and hashed.
A damaged block is reported with every version it touches, also those that reach it through a difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId
from budwood.domain.results import Problem, Verified
from budwood.errors import CatalogDamaged, Damaged
from budwood.store.api import BlockRow, Progress
from budwood.store.packs import footer_rows, pack_key
from budwood.store.scrub import pieces, scrub
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_stored_file,
    every_version,
    file_blocks,
    named_blocks,
    with_bases,
)

LOOKS: Final = 3


@dataclass(slots=True)
class _Found:
    """What has been seen so far; ``users`` maps a block to the versions that name it, ``crowds`` holds each such set of
    versions once."""

    problems: list[Problem] = field(default_factory=list)
    users: dict[BlockId, tuple[str, ...]] = field(default_factory=dict)
    crowds: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    rows: dict[BlockId, BlockRow] = field(default_factory=dict)
    versions: set[int] = field(default_factory=set)
    bytes_read: int = 0
    damaged: dict[BlockId, str] = field(default_factory=dict)
    missing: dict[BlockId, str] = field(default_factory=dict)
    """By the namespace that needs them."""


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
        blocks=len(found.rows),
        packs=len({row.pack for row in found.rows.values()}),
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
    wrong = {
        block: Wrong(found.rows.get(block), reason, _touched(found, block)) for block, reason in found.damaged.items()
    }
    lost = "It is not in the index."
    return wrong | {
        block: Wrong(None, lost, _touched(found, block), namespace) for block, namespace in found.missing.items()
    }


def _look(house: House, read_data: bool, progress: Progress) -> _Found:
    found = _Found()
    try:
        found.problems += [Problem("catalog", wrong) for wrong in chain(house.catalog.check(), _miscounted(house))]
        _check_versions(house, found)
        damaged = _check_packs(house, found)
        if read_data:
            damaged |= _check_blocks(house, found, damaged, progress)
        found.damaged = damaged
    except CatalogDamaged as error:
        found.problems.append(Problem("catalog", error.message))
        return found
    found.problems += [
        Problem("block", f"{reason} (block {block.hex()[:16]})", _touched(found, block))
        for block, reason in sorted(damaged.items())
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
    """Whether a version that was looked at is gone, or a block lies elsewhere now."""
    try:
        left = {version.id for version in every_version(house)}
        return bool(found.versions - left) or house.index.find(tuple(found.rows)) != found.rows
    except CatalogDamaged:
        return False


def _check_versions(house: House, found: _Found) -> None:
    for version in every_version(house):
        found.versions.add(version.id)
        try:
            blocks = named_blocks(version, load_manifest(house, version))
        except CatalogDamaged:
            raise
        except Damaged as error:
            found.problems.append(Problem("manifest", error.message, (version.reference,)))
            blocks = set(version.manifest_blocks)
        _check_there(house, found, blocks, version.reference, version.namespace)
    for room, evidence in every_file_of_evidence(house):
        _check_there(house, found, attached_blocks(evidence), f"evidence {evidence.digest[:12]}", room)
    for file in every_stored_file(house):
        _check_there(house, found, file_blocks(file), f"the file {file.path} of {file.namespace}", file.namespace)


def _check_there(house: House, found: _Found, blocks: Set[BlockId], user: str, namespace: str) -> None:
    # What an earlier version named already has its row and those of its bases.
    found.rows |= with_bases(house.index, (block for block in blocks if block not in found.rows))
    if missing := _missing(found, blocks):
        detail = f"{len(missing)} block(s) are not in the store."
        found.problems.append(Problem("missing", detail, (user,)))
        found.missing |= dict.fromkeys(missing, namespace)
    for block in blocks:
        row = found.rows.get(block)
        _count_in(found, row.id if row else block, user)


def _missing(found: _Found, blocks: Set[BlockId]) -> set[BlockId]:
    """Those of the blocks, and of all that they are differences from, that have no row."""
    missing, wanted = set[BlockId](), blocks
    for _ in range(DEEPEST + 1):
        missing |= {block for block in wanted if block not in found.rows}
        wanted = {base for block in wanted if (row := found.rows.get(block)) for base in row.bases}
    return missing


def _count_in(found: _Found, block: BlockId, version: str) -> None:
    crowd = (*found.users.get(block, ()), version)
    found.users[block] = found.crowds.setdefault(crowd, crowd)


def _check_packs(house: House, found: _Found) -> dict[BlockId, str]:
    """Blocks whose pack is missing, damaged or disagrees with the catalog."""
    by_pack: dict[str, set[BlockId]] = {}
    for row in found.rows.values():
        by_pack.setdefault(row.pack, set()).add(row.id)
    damaged: dict[BlockId, str] = {}
    for pack, blocks in by_pack.items():
        try:
            # Row by row: a pack may have a million.
            for row in footer_rows(house.objects, pack):
                if found.rows.get(row.id) == row:
                    blocks.discard(row.id)
        except Damaged as error:
            damaged |= dict.fromkeys(blocks, f"Pack {pack}: {error.message}")
            found.problems.append(Problem("pack", f"{pack_key(pack)}: {error.message}"))
            continue
        damaged |= dict.fromkeys(blocks, f"Pack {pack} and the catalog disagree.")
    return damaged


def _check_blocks(house: House, found: _Found, known: Mapping[BlockId, str], progress: Progress) -> dict[BlockId, str]:
    todo = (row for row in found.rows.values() if row.id not in known)
    damaged: dict[BlockId, str] = {}
    for asked, wrong in house.crew.each(scrub, pieces(todo, found.rows)):
        found.bytes_read += sum(asked.rows[block].length for block in asked.blocks)
        damaged |= wrong
        progress(asked.raw_bytes)
    return damaged and _still_wrong(house, damaged)


def _still_wrong(house: House, damaged: Mapping[BlockId, str]) -> dict[BlockId, str]:
    """Looked at again by their rows as they are now: a block may be written anew while it is read."""
    rows = with_bases(house.index, damaged)
    again = [row for block in damaged if (row := rows.get(block)) is not None]
    lost = {block: reason for block, reason in damaged.items() if block not in rows}
    return lost | {
        block: wrong for piece in pieces(again, rows) for block, wrong in scrub(house.objects, piece).items()
    }


def _touched(found: _Found, block: BlockId) -> tuple[str, ...]:
    """The versions that name the block, or a block that is a difference from it, however far."""
    reached: set[BlockId] = {block}
    grown: Iterable[BlockId] = reached
    while grown:
        grown = {row.id for row in found.rows.values() if not reached.isdisjoint(row.bases)} - reached
        reached |= grown
    return tuple(sorted({name for each in reached for name in found.users.get(each, ())}))
