"""sweep: free what no version needs, in two phases, safely beside pushes.

1. Mark what versions need, then condemn the rest in a transaction that first checks that nothing was published
   since the mark. A condemned block is out of force: a push that wants it writes it anew, and a push that had
   counted on it is told so when it publishes.
2. What has been condemned for the whole grace is forgotten; packs that are mostly dead are written anew; packs
   that nothing names, and whose lease is dead, are deleted.

Killed at any point, the next sweep finishes the work: every phase starts from what the catalog says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.limits import GRACE_S, INDEX_ROWS, MIB
from budwood.domain.manifest import BlockId
from budwood.domain.results import Swept
from budwood.errors import PackDamaged, RegistryBusy
from budwood.store.api import BlockRow, StoredObject
from budwood.store.marks import names_like
from budwood.store.packs import NewBlock, PackSet
from budwood.verbs.ballast import with_room
from budwood.verbs.house import House
from budwood.verbs.lease import BACKING_UP, REBUILDING, SWEEPING, is_held, leased, pack_lease
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_manifest,
    every_stored_file,
    file_blocks,
    listed_packs,
    named_blocks,
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
KEEPERS: Final = (REBUILDING, BACKING_UP)


@dataclass(frozen=True, slots=True)
class _Packs:
    """``mostly_dead`` are to be written anew; ``nameless`` to be deleted."""

    mostly_dead: tuple[str, ...]
    nameless: tuple[StoredObject, ...]


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
            due_blocks, due_bytes = due_blocks + len(condemned), due_bytes + _bytes(condemned)
        return Swept(True, len(condemned), _bytes(condemned), due_blocks, due_bytes, live_leases=leases)
    forgotten = _forget(house, before_ms, now)
    house.catalog.write(lambda transaction: transaction.drop_expired_leases(now_ms=now))
    forget_tokens(house)
    mostly_dead = _look(house, now).mostly_dead
    rewritten = sum(_rewrite_if_there(house, pack) for pack in mostly_dead)
    nameless = _delete_nameless(house, now)
    _delete_incoming(house, now)
    clear_scratch(house)
    if not leases:
        house.objects.clean(now - GRACE_S * 1000)
    return Swept(
        dry_run=False,
        condemned_blocks=len(condemned),
        condemned_bytes=_bytes(condemned),
        freed_blocks=len(forgotten),
        freed_bytes=_bytes(forgotten),
        deleted_packs=nameless,
        rewritten_packs=rewritten,
        waiting_blocks=_waiting(house),
        live_leases=leases,
    )


# Phase one


def _condemn(house: House, now: int, *, dry_run: bool) -> list[BlockRow]:
    """Rows in force that no version needs, condemned unless it is a dry run."""
    for _ in range(MARK_TRIES):
        needed, last = _mark(house)
        doomed = [row for row in _in_force(house) if row.id not in needed]
        if dry_run or not doomed:
            return doomed
        condemned = house.catalog.write(partial(_sentence, house=house, doomed=doomed, last=last, now=now))
        if condemned is not None:
            return condemned
    raise RegistryBusy("Versions kept arriving while the sweep looked; nothing was freed.")


@dataclass(frozen=True, slots=True)
class _Last:
    """The ids of the last version, evidence with files and stored file that were looked at."""

    version: int
    evidence: int
    file: int


def _mark(house: House) -> tuple[set[BlockId], _Last]:
    """The blocks every version, all evidence and every file of a run needs and every push has staged, with bases."""
    with house.catalog.read() as view:
        named = set(view.staged_blocks(now_ms=house.clock()))
    version_id = evidence_id = file_id = 0
    for version, manifest in every_manifest(house):
        named |= named_blocks(version, manifest)
        version_id = version.id
    for _, evidence in every_file_of_evidence(house):
        named |= attached_blocks(evidence)
        evidence_id = evidence.id
    for file in every_stored_file(house):
        named |= file_blocks(file)
        file_id = file.id
    return set(with_bases(house.index, named)), _Last(version_id, evidence_id, file_id)


def _in_force(house: House, pack: str = "") -> Iterator[BlockRow]:
    """Every row in force, or those of one pack."""
    after = b""
    while True:
        with house.catalog.read() as view:
            page = view.blocks(pack=pack, after=after, limit=PAGE)
        if not page:
            return
        yield from page
        after = page[-1].id


def _sentence(
    transaction: Transaction, house: House, doomed: Sequence[BlockRow], last: _Last, now: int
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
    going = {row.id for row in doomed}
    for at in range(0, len(doomed), PAGE):
        leaning = transaction.leaning_on([row.id for row in doomed[at : at + PAGE]])
        spared |= {row.id for row in leaning if row.id not in going}
    staged = with_bases(_Now(transaction), spared)
    rows = [row for row in doomed if row.id not in staged]
    if rows:
        transaction.condemn([row.id for row in rows], at_ms=now)
        body = {"blocks": len(rows), "bytes": _bytes(rows)}
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


def _forget(house: House, before_ms: int, now: int) -> list[BlockRow]:
    """Page by page: a catalog never gives more than ``INDEX_ROWS`` at once."""
    forgotten: list[BlockRow] = []
    while rows := _condemned(house, before_ms):
        house.catalog.write(partial(_strike, house=house, rows=rows, now=now))
        forgotten += rows
    return forgotten


def _strike(transaction: Transaction, house: House, rows: Sequence[BlockRow], now: int) -> None:
    transaction.forget_blocks([row.id for row in rows])
    body = {"blocks": len(rows), "bytes": _bytes(rows)}
    transaction.add_ledger(now, house.author, "blocks.forgotten", "registry", body)


def _look(house: House, now: int) -> _Packs:
    # The objects are listed before the rows are read: a pack that is published in between is then seen with
    # its rows, and one written under a lease that lives is left alone.
    infos = listed_packs(house)
    with house.catalog.read() as view:
        uses = {use.pack: use for use in view.packs()}
        living = {lease.id for lease in view.leases(now_ms=now)}
    mostly_dead, nameless = [], []
    for pack, info in infos.items():
        use = uses.get(pack)
        if use is None or not use.live_blocks + use.condemned_blocks:
            if pack_lease(pack) not in living:
                nameless.append(info)
            continue
        dead = info.size - use.live_bytes - use.condemned_bytes
        if use.live_blocks and dead > DEAD_BYTES and dead > DEAD_SHARE * info.size:
            mostly_dead.append(pack)
    return _Packs(tuple(mostly_dead), tuple(nameless))


def _waiting(house: House) -> int:
    with house.catalog.read() as view:
        return sum(use.condemned_blocks for use in view.packs())


def _delete_nameless(house: House, now: int) -> int:
    """How many packs were deleted. None while an index is made anew or a backup runs, which may yet name them."""
    with leased(house, SWEEPING, hold_s=DELETING_S) as lease:
        began_ms, deleted = house.clock(), 0
        for info in () if any(is_held(house, holder) for holder in KEEPERS) else _look(house, now).nameless:
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
    """False when another sweep has rewritten it, and deleted it, since it was looked at. Raises PackDamaged."""
    try:
        _rewrite(house, pack)
    except PackDamaged:
        if any(_in_force(house, pack)):
            raise
        return False
    return True


def _rewrite(house: House, pack: str) -> None:
    """Copy what is alive, still encoded, to a new pack and point the index there."""
    reader = house.reader()
    rows = list(_in_force(house, pack))
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


def _bytes(rows: Sequence[BlockRow]) -> int:
    return sum(row.length for row in rows)
