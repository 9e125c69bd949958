"""The gateways that a registry knows: told apart by name, and forgotten when they are gone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_gateways import GatewayShown
from budwood.domain.limits import SERVED_KEPT_S
from budwood.domain.traffic.records import GatewayRecord
from budwood.errors import RecordNotFound, StillInUse
from budwood.verbs.house import House

SILENT_MS: Final = 30_000
"""A control plane says every few seconds which gateways it has; after this long it was killed, or they were."""


def list_gateways(house: House) -> tuple[GatewayShown, ...]:
    """By name, without those whose names are free."""
    now = house.clock()
    with house.catalog.read() as view:

        @cache
        def newest(key: str) -> int:
            namespace, _, name = key.rpartition(".")
            found = view.endpoint(namespace, name)
            return found.generation if found else 0

        return tuple(_shown(each, now, tuple(_behind(each, newest))) for each in view.gateways() if not each.is_free)


def forget_gateway(house: House, name: str) -> GatewayShown:
    """Free the name. How far its logs were taken in is kept for a while, so that none counts twice.

    Raises RecordNotFound, StillInUse.
    """
    now = house.clock()

    def work(transaction: Transaction) -> GatewayShown:
        known = _known(transaction, name)
        shown = _shown(known, now, ())
        if shown.connected:
            raise StillInUse(f"The gateway {name} is connected.", hint="Stop it first: budwood gateway stop")
        for each in transaction.gateways():
            if each.is_free and each.seen_ms < now - SERVED_KEPT_S * 1_000:
                transaction.remove_gateway(each.name)
        freed = GatewayRecord(name, seen_ms=now, positions=known.positions, lost=known.lost, is_free=True)
        transaction.put_gateway(freed)
        transaction.add_ledger(now, house.author, "gateway.forgotten", name, {"account": known.account})
        return shown

    return house.catalog.write(work)


def claimed(record: GatewayRecord | None, name: str, account: str) -> GatewayRecord | None:
    """The gateway's record when an account comes with its name; None when that is somebody else's."""
    if record is None or record.is_free:
        return replace(record or GatewayRecord(name), account=account, is_free=False)
    return record if record.account == account else None


def _known(view: View, name: str) -> GatewayRecord:
    found = view.gateway(name)
    if found is None or found.is_free:
        raise RecordNotFound(f"There is no gateway {name[:80]!r}.", hint="See: budwood gateway list")
    return found


def _behind(record: GatewayRecord, newest: Callable[[str], int]) -> Iterator[str]:
    return (key for key, generation in sorted(record.generations.items()) if generation < newest(key))


def _shown(record: GatewayRecord, now_ms: int, behind: tuple[str, ...]) -> GatewayShown:
    return GatewayShown(
        record.name,
        record.account,
        record.address,
        record.connected and now_ms - record.seen_ms < SILENT_MS,
        record.seen_ms,
        len(record.generations),
        behind,
        record.refused,
        record.lost,
    )
