"""Leases: while one lives, sweep leaves alone what its holder wrote but has not published.

A pack is named after the lease it was written under, so that a pack nobody names is garbage exactly when its
lease is dead.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from budwood.catalog.api import Lease, Transaction
from budwood.domain.limits import LEASE_S
from budwood.errors import BudwoodError, LeaseLost
from budwood.store.api import BlockIndex
from budwood.verbs.house import House

LEASE_MS: Final = LEASE_S * 1000
RENEW_MS: Final = LEASE_MS // 4
SWEEPING: Final = "sweep"
REBUILDING: Final = "rebuild-index"
BACKING_UP: Final = "backup"
"""Holders that keep out of each other's way: one deletes packs that nothing names, the others name them again or
copy what was named a moment ago. Each takes its lease before it looks for the others', so that at least one of two
at once sees the other."""
PUSHING: Final = "push "
"""How the holders begin that push; behind it the model."""


class Held:
    """A lease in force. ``new_pack_name`` renews it when a quarter of its time is gone."""

    def __init__(self, house: House, holder: str, hold_s: int = LEASE_S, namespace: str = "") -> None:
        now = house.clock()
        lease = Lease(house.ids(), holder, now, now + hold_s * 1000, namespace, house.author)
        self._keep(house, lease)
        house.catalog.write(lambda transaction: transaction.take_lease(lease))

    @classmethod
    def again(cls, house: House, lease: Lease) -> Self:
        """A lease that was taken before, by another request."""
        held = cls.__new__(cls)
        held._keep(house, lease)
        return held

    def _keep(self, house: House, lease: Lease) -> None:
        self._house = house
        self._renewed_ms = lease.taken_ms
        self._packs = 0
        self.id = lease.id

    @property
    def index(self) -> BlockIndex:
        """On one's own machine a version may share whatever is there."""
        return self._house.index

    def new_pack_name(self) -> str:
        """A fresh name for a pack. Raises LeaseLost when the lease ran out meanwhile."""
        self.keep_alive()
        self._packs += 1
        return f"{self.id}-{self._packs:04d}"

    def keep_alive(self) -> None:
        """Renew when a quarter of the time is gone; to be called now and then. Raises LeaseLost."""
        now = self._house.clock()
        if now - self._renewed_ms > RENEW_MS:
            self._house.catalog.write(lambda transaction: self.confirm(transaction, now))
            self._renewed_ms = now

    def confirm(self, transaction: Transaction, now_ms: int) -> None:
        """Raises LeaseLost unless the lease still lives; every publishing transaction asks."""
        if not transaction.renew_lease(self.id, expires_ms=now_ms + LEASE_MS):
            raise LeaseLost("The lease of this operation ran out while it slept.", lease=self.id)

    def drop(self) -> None:
        """For those who publish nothing; a publishing transaction drops its lease itself."""
        self._house.catalog.write(lambda transaction: transaction.drop_lease(self.id))


@contextmanager
def leased(house: House, holder: str, hold_s: int = LEASE_S) -> Iterator[Held]:
    """Hold a lease for the length of the block, which drops it when all went well; otherwise this does."""
    held = Held(house, holder, hold_s)
    try:
        yield held
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            held.drop()
        raise


def is_held(house: House, holder: str) -> bool:
    """Whether a lease of that holder lives."""
    now = house.clock()
    with house.catalog.read() as view:
        return any(lease.holder == holder for lease in view.leases(now_ms=now))


def is_pushed_to(house: House) -> bool:
    """Whether somebody pushes now, or died of it within the hour."""
    now = house.clock()
    with house.catalog.read() as view:
        return any(lease.holder.startswith(PUSHING) for lease in view.leases(now_ms=now))


def pack_lease(pack: str) -> str:
    """The lease a pack was written under."""
    return pack.rpartition("-")[0]
