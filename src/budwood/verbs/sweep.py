"""sweep: free what no version needs, in two phases, safely beside pushes.

1. Mark what versions need, then condemn the rest in a transaction that first checks that nothing was published
   since the mark. A condemned block is out of force: a push that wants it writes it anew, and a push that had
   counted on it is told so when it publishes.
2. What has been condemned for the whole grace is forgotten; packs that are mostly dead are written anew; packs
   that nothing names, and whose lease is dead, are deleted.

Killed at any point, the next sweep finishes the work: every phase starts from what the catalog says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.batches import batched
from budwood.domain.limits import GRACE_S, INDEX_ROWS, MIB
from budwood.domain.manifest import BlockId
from budwood.domain.results import Swept
from budwood.errors import Archived, PackDamaged, RegistryBusy
from budwood.store.api import ID_BYTES, BlockRow, StoredObject
from budwood.store.marks import names_like
from budwood.store.packs import NewBlock, PackSet
from budwood.verbs.ballast import with_room
from budwood.verbs.house import House
from budwood.verbs.leaning import mark_bases
from budwood.verbs.lease import BACKING_UP, REBUILDING, SWEEPING, is_held, leased, pack_lease
from budwood.verbs.marked import Marked
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_manifest,
    every_stored_file,
    file_blocks,
    listed_packs,
    named_blocks,
    rows_in_force,
    with_bases,
)
from budwood.verbs.parts import clear_scratch
from budwood.verbs.tokens import forget_tokens
from budwood.verbs.uploads import INCOMING

MARK_TRIES: Final = 5
DEAD_SHARE: Final = 0.3
"""A pack is written anew when this share of it, and at least ``DEAD_BYTES``, is dead."""
DEAD_BYTES: Final = 1 * MIB
PAGE: Final = 10_000
DELETING_S: Final = 600
EVER_MS: Final = 1 << 62
KEEPERS: Final = (REBUILDING, BACKING_UP)


@dataclass(slots=True)
class _Tally:
    blocks: int = 0
    bytes: int = 0

    def add(self, rows: Iterable[BlockRow]) -> None:
        for row in rows:
            self.blocks += 1
            self.bytes += row.length


def sweep(house: House, *, dry_run: bool = False, grace_s: float = GRACE_S) -> Swept:
    """Raises ManifestDamaged (nothing is freed while any version cannot be read), RegistryBusy, StorageFailed."""
    if dry_run:
        return _swept(house, dry_run=True, grace_s=grace_s)
    return with_room(house, partial(_swept, house, dry_run=False, grace_s=grace_s))


def _swept(house: House, *, dry_run: bool, grace_s: float) -> Swept:
    now = house.clock()
    before_ms = now - int(grace_s * 1000) + 1
    condemned = _condemn(house, now, dry_run=dry_run)
    with house.catalog.read() as view:
        leases = len(view.leases(now_ms=now))
    if dry_run:
        with house.catalog.read() as view:
            due_blocks, due_bytes = view.condemned_total(before_ms=before_ms)
        if grace_s == 0:
            due_blocks, due_bytes = due_blocks + condemned.blocks, due_bytes + condemned.bytes
        return Swept(True, condemned.blocks, condemned.bytes, due_blocks, due_bytes, live_leases=leases)
    forgotten = _forget(house, before_ms, now)
    house.catalog.write(lambda transaction: transaction.drop_expired_leases(now_ms=now))
    forget_tokens(house)
    rewritten = sum(_rewrite_if_there(house, pack) for pack in _mostly_dead(house))
    nameless = _delete_nameless(house, now)
    _delete_incoming(house, now)
    clear_scratch(house)
    if not leases:
        house.objects.clean(now - GRACE_S * 1000)
    return Swept(
        dry_run=False,
        condemned_blocks=condemned.blocks,
        condemned_bytes=condemned.bytes,
        freed_blocks=forgotten.blocks,
        freed_bytes=forgotten.bytes,
        deleted_packs=nameless,
        rewritten_packs=rewritten,
        waiting_blocks=_waiting(house),
        live_leases=leases,
    )


# Phase one


def _condemn(house: House, now: int, *, dry_run: bool) -> _Tally:
    """Rows in force that no version needs, condemned unless it is a dry run."""
    condemned = _Tally()
    for _ in range(MARK_TRIES):
        needed, last = _mark(house)
        unneeded = _unneeded(house, needed)
        if dry_run:
            return unneeded.tally
        if _condemn_all(house, unneeded, last, now, condemned):
            return condemned
    raise RegistryBusy("Versions kept arriving while the sweep looked; the next one goes on.")


def _condemn_all(house: House, unneeded: "_Unneeded", last: "_Last", now: int, condemned: _Tally) -> bool:
    """Page by page; False as soon as something came that may need what is left."""
    for doomed in batched(unneeded.deepest_first(), PAGE):
        rows = house.catalog.write(partial(_sentence, house=house, doomed=doomed, last=last, now=now))
        if rows is None:
            return False
        condemned.add(rows)
    return True


class _Unneeded:
    """The ids of blocks that nothing needs, those that lean on others first: so nothing in force ever leans on what is
    condemned, though not all is condemned at once."""

    def __init__(self) -> None:
        self._by_depth: dict[int, bytearray] = {}
        self.tally = _Tally()

    def add(self, rows: Collection[BlockRow]) -> None:
        for row in rows:
            self._by_depth.setdefault(row.depth, bytearray()).extend(row.id)
        self.tally.add(rows)

    def deepest_first(self) -> Iterator[BlockId]:
        for depth in sorted(self._by_depth, reverse=True):
            ids = self._by_depth[depth]
            for at in range(0, len(ids), ID_BYTES):
                yield bytes(ids[at : at + ID_BYTES])


def _unneeded(house: House, needed: Marked) -> _Unneeded:
    """What is in force and not marked."""
    found, after = _Unneeded(), b""
    while True:
        with house.catalog.read() as view:
            page = view.block_ids(after=after, limit=INDEX_ROWS)
            found.add(view.find_blocks(needed.without(page)).values())
        if not page:
            return found
        after = page[-1]


@dataclass(frozen=True, slots=True)
class _Last:
    """The ids of the last version, evidence with files and stored file that were looked at."""

    version: int
    evidence: int
    file: int


def _mark(house: House) -> tuple[Marked, _Last]:
    """The blocks every version, all evidence and every file of a run needs and every push has staged, with bases."""
    needed = Marked()
    with house.catalog.read() as view:
        needed.add(view.staged_blocks(now_ms=house.clock()))
    version_id = evidence_id = file_id = 0
    for version, manifest in every_manifest(house):
        needed.add(named_blocks(version, manifest))
        version_id = version.id
    for _, evidence in every_file_of_evidence(house):
        needed.add(attached_blocks(evidence))
        evidence_id = evidence.id
    for file in every_stored_file(house):
        needed.add(file_blocks(file))
        file_id = file.id
    mark_bases(house, needed)
    return needed, _Last(version_id, evidence_id, file_id)


def _sentence(
    transaction: Transaction, house: House, doomed: Sequence[BlockId], last: _Last, now: int
) -> list[BlockRow] | None:
    """Condemn what no push has staged since; None when a version or evidence came since the mark: it may need it."""
    if transaction.all_versions(after_id=last.version, limit=1):
        return None
    if transaction.evidence_with_files(after_id=last.evidence, limit=1):
        return None
    # Runs log files all the time: what they need is spared, and no reason to begin again.
    files = transaction.all_stored_files(after_id=last.file, limit=PAGE)
    if len(files) == PAGE:
        return None
    spared = set(transaction.staged_blocks(now_ms=now)).union(*map(file_blocks, files))
    # Work on tiers may have made a block that stays lean on one that nothing needed when it was marked.
    going = set(doomed)
    spared |= {row.id for row in transaction.leaning_on(doomed) if row.id not in going}
    staged = with_bases(_Now(transaction), spared)
    rows = [row for row in transaction.find_blocks(doomed).values() if row.id not in staged]
    if rows:
        transaction.condemn([row.id for row in rows], at_ms=now)
        body = {"blocks": len(rows), "bytes": sum(row.length for row in rows)}
        transaction.add_ledger(now, house.author, "blocks.condemned", "registry", body)
    return rows


@dataclass(frozen=True, slots=True)
class _Now:
    """``BlockIndex`` inside a transaction."""

    transaction: Transaction

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return self.transaction.find_blocks(ids)


# Phase two


def _condemned(house: House, before_ms: int) -> list[BlockRow]:
    with house.catalog.read() as view:
        return list(view.condemned(before_ms=before_ms, limit=INDEX_ROWS))


def _forget(house: House, before_ms: int, now: int) -> _Tally:
    """Page by page: a catalog never gives more than ``INDEX_ROWS`` at once."""
    forgotten = _Tally()
    while rows := _condemned(house, before_ms):
        house.catalog.write(partial(_strike, house=house, rows=rows, now=now))
        forgotten.add(rows)
    return forgotten


def _strike(transaction: Transaction, house: House, rows: Sequence[BlockRow], now: int) -> None:
    transaction.forget_blocks([row.id for row in rows])
    body = {"blocks": len(rows), "bytes": sum(row.length for row in rows)}
    transaction.add_ledger(now, house.author, "blocks.forgotten", "registry", body)


def _mostly_dead(house: House) -> list[str]:
    """Packs that are to be written anew."""
    listed = listed_packs(house)
    with house.catalog.read() as view:
        uses = [use for use in view.packs() if use.live_blocks and use.pack in listed]
    dead = {use.pack: listed[use.pack].size - use.live_bytes - use.condemned_bytes for use in uses}
    return [pack for pack, size in dead.items() if size > DEAD_BYTES and size > DEAD_SHARE * listed[pack].size]


def _nameless(house: House, now: int) -> list[StoredObject]:
    """Packs that are to be deleted."""
    # The objects are listed before the rows are read: a pack that is published in between is then seen with
    # its rows, and one written under a lease that lives is left alone.
    listed = listed_packs(house)
    with house.catalog.read() as view:
        named = set(view.named_packs())
        living = {lease.id for lease in view.leases(now_ms=now)}
    return [info for pack, info in listed.items() if pack not in named and pack_lease(pack) not in living]


def _waiting(house: House) -> int:
    with house.catalog.read() as view:
        return view.condemned_total(before_ms=EVER_MS)[0]


def _delete_nameless(house: House, now: int) -> int:
    """How many packs were deleted. None while an index is made anew or a backup runs, which may yet name them."""
    with leased(house, SWEEPING, hold_s=DELETING_S) as lease:
        began_ms, deleted = house.clock(), 0
        for info in () if any(is_held(house, holder) for holder in KEEPERS) else _nameless(house, now):
            # What is not done while the lease surely lives is left to the next sweep.
            if house.clock() - began_ms > DELETING_S * 500:
                break
            house.objects.delete(info.key)
            deleted += 1
        lease.drop()
        return deleted


def _delete_incoming(house: House, now: int) -> None:
    """What object stores were sent under pushes that have ended."""
    with house.catalog.read() as view:
        live = {lease.id for lease in view.leases(now_ms=now)}
    for stored in house.objects.list(INCOMING):
        name = stored.key.removeprefix(INCOMING).removesuffix(".pack")
        if pack_lease(name) not in live:
            house.objects.delete(stored.key)


def _rewrite_if_there(house: House, pack: str) -> bool:
    """False when another sweep has rewritten it, and deleted it, since it was looked at. What lies in an archive stays
    as it is. Raises PackDamaged."""
    try:
        _rewrite(house, pack)
    except Archived:
        return False
    except PackDamaged:
        if any(rows_in_force(house, pack)):
            raise
        return False
    return True


def _rewrite(house: House, pack: str) -> None:
    """Copy what is alive, still encoded, to a new pack and point the index there."""
    reader = house.reader()
    rows = list(rows_in_force(house, pack))
    with (
        leased(house, f"rewrite {pack}") as lease,
        PackSet(house.objects, names_like(pack, lease.new_pack_name), derives=_derives(rows)) as packs,
    ):
        for row in rows:
            encoded = reader.encoded(row)
            new = NewBlock(row.id, row.raw_length, row.encoding, row.base, row.depth, row.is_manifest)
            packs.add(new, [encoded], row.length)
        fresh = packs.finish()
        now = house.clock()

        def work(transaction: Transaction) -> None:
            lease.confirm(transaction, now)
            held = transaction.find_blocks([row.id for row in rows])
            moved = [row for row in fresh if row.id in held and held[row.id].pack == pack]
            transaction.add_blocks(moved, transaction.pack_owner(pack))
            transaction.add_ledger(now, house.author, "pack.rewritten", pack, {"blocks": len(fresh)})
            transaction.drop_lease(lease.id)

        house.catalog.write(work)


def _derives(rows: Sequence[BlockRow]) -> bool:
    return any(len(row.bases) > 1 for row in rows)
