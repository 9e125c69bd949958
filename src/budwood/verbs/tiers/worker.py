"""The background work on tiers: one worker at a time, whoever starts it, that can be stopped, paused and killed.

A worker holds a lease, under which its packs are named, and every transaction of its confirms it. Whoever takes over
takes the lease away first: what the other had written and not pointed at is garbage then, and its next transaction
fails. So two never work at once, whichever of them slept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from budwood.catalog.api import Lease, Transaction
from budwood.domain.limits import TIER_LEASE_S
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.values import TIME_OVER, Brought, Placed, TierRun
from budwood.errors import Archived, BudwoodError, Damaged, LeaseLost, RegistryBusy
from budwood.store.api import Progress
from budwood.verbs.ballast import with_room
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.printing import left_unprinted, make_prints
from budwood.verbs.tiers.rewrite import Rewriter
from budwood.verbs.tiers.standing import block_levels, placed_now, placed_versions

TIERING: Final = "tier"
PAUSED: Final = "tiering-paused"
LEASE_MS: Final = TIER_LEASE_S * 1000


class WorkerLease(Held):
    """A lease that lives for minutes, so that a worker which died is soon followed by another."""

    def __init__(self, house: House, lease: Lease) -> None:
        self._keep(house, lease)

    def keep_alive(self) -> None:
        """Renew when a quarter of the time is gone. Raises LeaseLost."""
        now = self._house.clock()
        if now - self._renewed_ms > LEASE_MS // 4:
            self._house.catalog.write(lambda transaction: self.confirm(transaction, now))
            self._renewed_ms = now

    def confirm(self, transaction: Transaction, now_ms: int) -> None:
        """Raises LeaseLost unless it still is this worker's turn."""
        if not transaction.renew_lease(self.id, expires_ms=now_ms + LEASE_MS):
            raise LeaseLost("Another worker took over the work on tiers.", lease=self.id)


def worker_of(house: House) -> str:
    """Who works on tiers now: the author of its lease; empty for nobody."""
    now = house.clock()
    with house.catalog.read() as view:
        return next((lease.author for lease in view.leases(now_ms=now) if lease.holder == TIERING), "")


@contextmanager
def working(house: House, *, take_over: bool = False) -> Iterator[WorkerLease]:
    """Be the worker. Raises RegistryBusy while another is, unless its place is to be taken."""
    now = house.clock()
    lease = Lease(house.ids(), TIERING, now, now + LEASE_MS, "", house.author)

    def work(transaction: Transaction) -> None:
        for other in transaction.leases(now_ms=now):
            if other.holder == TIERING and not take_over:
                hint = "Wait for it, or take its place: budwood tier run --take-over"
                raise RegistryBusy(f"{other.author} works on tiers already.", hint=hint)
            if other.holder == TIERING:
                transaction.drop_lease(other.id)
        # One that has run out must not be renewed by a worker that wakes up.
        transaction.drop_expired_leases(now_ms=now)
        transaction.take_lease(lease)

    house.catalog.write(work)
    held = WorkerLease(house, lease)
    try:
        yield held
    finally:
        with suppress(BudwoodError):
            held.drop()


def pause(house: House, reason: str = "") -> str:
    """Let no worker begin anything more; who says so, and why."""
    return _say(house, f"{house.author}: {reason}" if reason else house.author, "tiering.paused")


def resume(house: House) -> str:
    """Let them go on."""
    return _say(house, "", "tiering.resumed")


def paused(house: House) -> str:
    """Who paused the work, and why; empty when nobody did."""
    with house.catalog.read() as view:
        return view.meta(PAUSED)


def _say(house: House, said: str, action: str) -> str:
    """What is in force then: who paused it first stays named."""
    now = house.clock()

    def work(transaction: Transaction) -> str:
        before = transaction.meta(PAUSED)
        if bool(before) == bool(said):
            return before
        transaction.set_meta(PAUSED, said)
        transaction.add_ledger(now, house.author, action, "registry", {"said": said})
        return said

    return house.catalog.write(work)


def run_tiers(
    house: House,
    pace: Pace | None = None,
    *,
    take_over: bool = False,
    prints: bool = False,
    progress: Progress = lambda _: None,
) -> TierRun:
    """Bring every version to where it belongs, hottest first: what serves must not wait. ``prints``: then make those
    that versions lack, if that was not stopped.

    A version that cannot be read, or not before an object store has restored it, is passed over. Raises RegistryBusy,
    LeaseLost, ManifestDamaged, LimitExceeded, StorageFull, StorageFailed.
    """
    pace, began_ms = pace or Pace(), house.clock()
    with working(house, take_over=take_over) as lease:
        if said := paused(house):
            return TierRun((), len(_moving(house)[1]), f"paused by {said}")
        done, left, stopped = with_room(house, lambda: _run(house, lease, pace, progress))
        printed = 0
        if prints and not stopped:
            stops = partial(_why_stop, house, pace)
            printed = with_room(house, lambda: make_prints(house, lease, pace, stops, progress))
            stopped = stops() if left_unprinted(house) else ""
    return TierRun(tuple(done), left, stopped, (house.clock() - began_ms) / 1000, printed)


def has_work(house: House) -> bool:
    """Whether anything is to move, and may. Reads no manifest."""
    with house.catalog.read() as view:
        if not view.tiering_anywhere() or view.meta(PAUSED):
            return False
    return any(each.moves for _, each in placed_versions(house))


def _moving(house: House) -> tuple[dict[int, Placed], list[tuple[VersionRecord, Placed]]]:
    placed = {version.id: (version, each) for version, each in placed_versions(house)}
    moving = [pair for pair in placed.values() if pair[1].moves]
    order = ("hot", "warm", "cold")
    moving.sort(key=lambda pair: (order.index(str(pair[1].to)), pair[0].id))
    return {version_id: each for version_id, (_, each) in placed.items()}, moving


def _run(house: House, lease: WorkerLease, pace: Pace, progress: Progress) -> tuple[Sequence[Brought], int, str]:
    placed, moving = _moving(house)
    if not moving:
        return (), 0, ""
    levels = block_levels(house, placed)
    done = list[Brought]()
    for number, (version, each) in enumerate(moving):
        if (why := _why_stop(house, pace)) or not _still(house, version, each):
            if why:
                return done, len(moving) - number, why
            continue
        assert each.to is not None
        with suppress(Damaged, Archived):
            brought = Rewriter(house, lease, levels, version, each.to).bring(each.is_in, pace)
            if brought is None:
                return done, len(moving) - number, _why_stop(house, pace) or "stopped"
            done.append(brought)
            progress(version.size_bytes)
    return done, len(moving) - len(done), ""


def _why_stop(house: House, pace: Pace) -> str:
    if said := paused(house):
        return f"paused by {said}"
    return "" if pace.goes_on else TIME_OVER


def _still(house: House, version: VersionRecord, each: Placed) -> bool:
    """Whether the version still belongs where it did when the levels were made."""
    with house.catalog.read() as view:
        there = view.version_by_id(version.id)
        return there is not None and placed_now(view, there, house.clock()).to is each.to
