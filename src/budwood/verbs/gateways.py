"""The gateways that a registry knows: told apart by name, and forgotten when they are gone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
        newest = view.generations()
        return tuple(_shown(view, each, newest, now) for each in view.gateways() if not each.is_free)


def forget_gateway(house: House, name: str) -> GatewayShown:
    """Free the name. How far its logs were taken in is kept for a while, so that none counts twice.

    Raises RecordNotFound, StillInUse.
    """
    now = house.clock()

    def work(transaction: Transaction) -> GatewayShown:
        known = _known(transaction, name)
        shown = _shown(transaction, known, {}, now)
        if shown.connected:
            raise StillInUse(f"The gateway {name} is connected.", hint="Stop it first: budwood gateway stop")
        for each in transaction.gateways():
            if each.is_free and each.seen_ms < now - SERVED_KEPT_S * 1_000:
                transaction.remove_gateway(each.name)
        freed = GatewayRecord(name, seen_ms=now, positions=known.positions, lost=known.lost, is_free=True)
        transaction.put_gateway(freed)
        transaction.drop_taken(name)
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


def _behind(view: View, taken: Mapping[int, int], newest: Mapping[int, int]) -> Iterator[str]:
    """The endpoints of which it has an older generation."""
    for id_, generation in taken.items():
        if generation < newest.get(id_, 0) and (found := view.endpoint_by_id(id_)) is not None:
            yield f"{found.namespace}.{found.name}"


def is_heard(record: GatewayRecord, now_ms: int) -> bool:
    """Whether it is connected, as far as anybody knows: a control plane that was killed did not say goodbye for it."""
    return record.connected and now_ms - record.seen_ms < SILENT_MS


def _shown(view: View, record: GatewayRecord, newest: Mapping[int, int], now_ms: int) -> GatewayShown:
    taken = view.taken(record.name)
    return GatewayShown(
        record.name,
        record.account,
        record.address,
        is_heard(record, now_ms),
        record.seen_ms,
        len(taken),
        tuple(sorted(_behind(view, taken, newest))),
        record.refused,
        record.lost,
    )
