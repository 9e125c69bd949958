"""verify: is everything that was promised still here, and is it what it claims?

Without reading data: the catalog's own check, every manifest against its digest, every block named has a row,
every row lies inside a pack whose own index agrees. With ``read_data``: every block is decoded and hashed.
A damaged block is reported with every version it touches, also those that reach it through a difference.

Of what is whole nine bytes a block are kept; rows, reasons and users only of what is not. So all versions are read once
to mark what is needed, and again, if anything is wrong, to say whom that touches.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from budwood.domain.limits import VERIFY_NAMED
from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord
from budwood.domain.results import Problem, Verified
from budwood.errors import Archived, CatalogDamaged, Damaged
from budwood.store.api import BlockRow, Progress
from budwood.verbs.house import House
from budwood.verbs.leaning import mark_bases, mark_leaning
from budwood.verbs.manifests import load_manifest
from budwood.verbs.marked import Awaited, Marked
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_stored_file,
    every_version,
    file_blocks,
    named_blocks,
    with_bases,
)
from budwood.verbs.verify_packs import Found, check_packs, count_rows

LOOKS: Final = 3


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
    wrong = {block: Wrong(found.rows[block], reason, _names(users, block)) for block, reason in found.damaged.items()}
    return wrong | {block: Wrong(None, lost, _names(users, block), room) for block, room in found.missing.items()}


def _look(house: House, read_data: bool, progress: Progress) -> Found:
    found = Found()
    try:
        found.problems += [Problem("catalog", wrong) for wrong in chain(house.catalog.check(), _miscounted(house))]
        needed = _needed(house, found)
        counted = count_rows(house, needed)
        found.blocks = counted.blocks
        check_packs(house, found, counted, read_data=read_data, progress=progress)
        found.problems += _archived(found)
        _find_touched(house, found, needed.unmet())
    except CatalogDamaged as error:
        found.problems.append(Problem("catalog", error.message))
        return found
    found.problems += [
        Problem("block", f"{reason} (block {block.hex()[:16]})", _names(found.touched, block))
        for block, reason in sorted(found.damaged.items())
    ]
    return found


def _names(users: Mapping[BlockId, Set[str]], block: BlockId) -> tuple[str, ...]:
    return tuple(sorted(users.get(block, ())))


def _archived(found: Found) -> list[Problem]:
    """What is whole as far as one can see."""
    packs = f"{found.archived} pack(s) lie in an archive of their object store and were not looked at"
    return [Problem("archived", f"{packs}. {Archived.default_hint}")] if found.archived else []


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


def _moved(house: House, found: Found) -> bool:
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


def _needed(house: House, found: Found) -> Awaited:
    """What anybody needs, with all that it leans on."""
    needed = Marked()
    for user in _users(house):
        needed.add(user.blocks)
        if user.version is not None:
            found.versions.add(user.version.id)
        if user.version is not None and user.wrong:
            found.unreadable.append(user.version)
            found.problems.append(Problem("manifest", user.wrong, (user.name,)))
    mark_bases(house, needed)
    return Awaited(needed)


# Whom it touches


def _find_touched(house: House, found: Found, missing: Marked) -> None:
    """Who names each block that is wrong, or one that leans on it, however far; and which of their blocks have no row.

    Rows are asked for again: what seemed to be missing may have been moved, or no longer be needed.
    """
    suspects = missing
    suspects.add(found.damaged)
    if not len(suspects):
        return
    mark_leaning(house, suspects)
    for user in _users(house):
        if any(suspects.has(tuple(user.blocks))):
            _note_touched(house, found, user)


def _note_touched(house: House, found: Found, user: _User) -> None:
    rows = with_bases(house.index, user.blocks)
    reached = user.blocks | rows.keys() | {base for row in rows.values() for base in row.bases}
    lost = reached - rows.keys()
    if lost:
        found.problems.append(Problem("missing", f"{len(lost)} block(s) are not in the store.", (user.name,)))
        new = islice(lost - found.missing.keys(), VERIFY_NAMED - len(found.missing))
        found.missing |= dict.fromkeys(new, user.namespace)
    for block in reached & (found.damaged.keys() | found.missing.keys()):
        found.touched.setdefault(block, set()).add(user.name)
