"""What gateways say goes to the catalog: who is here, what each took and what it refused.

It may be written late and is written seldom: while it is, a roll-back waits. Of many words that come at once the last
of each gateway is kept, all in one transaction, and of the endpoints it has only those that changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction
from budwood.delivery.gateway.config import Place
from budwood.delivery.xds.service import Node
from budwood.domain.traffic.records import GatewayRecord
from budwood.verbs.house import House


@dataclass(frozen=True, slots=True)
class Word:
    """What a gateway said last. ``generations`` of the endpoints that it has; None: it took nothing new."""

    name: str
    address: str
    connected: bool
    has: Mapping[str, str]
    refused: Mapping[str, str]
    generations: Mapping[int, int] | None

    @classmethod
    def of(cls, node: Node, generations: Mapping[int, int] | None) -> "Word":
        """As it is now."""
        place = place_of(node)
        address = f"{place.host}:{place.port}" if place else ""
        return cls(node.name, address, node.is_connected, dict(node.has), dict(node.refused), generations)

    def added_to(self, before: GatewayRecord, now_ms: int) -> GatewayRecord:
        """The gateway's record with it."""
        return replace(
            before,
            address=self.address or before.address,
            seen_ms=now_ms,
            connected=self.connected,
            took=self.has,
            refused=self.refused,
        )


def keep_words(house: House, words: Sequence[Word]) -> None:
    """Each in its gateway's record, unless that was forgotten meanwhile. Raises BudwoodError."""
    now = house.clock()
    with house.catalog.read() as view:
        # Read before anybody has to wait for it.
        had = {each.name: view.taken(each.name) for each in words if each.generations is not None}

    def work(transaction: Transaction) -> None:
        for each in words:
            before = transaction.gateway(each.name)
            if before is None or before.is_free:
                continue
            transaction.put_gateway(each.added_to(before, now))
            if each.generations is not None:
                _put_taken(transaction, each.name, had[each.name], each.generations)

    house.catalog.write_behind(work)


def keep_who_is_here(house: House, names: Collection[str]) -> None:
    """Said again and again: who is killed does not say that its gateways are gone. Raises BudwoodError."""
    now = house.clock()

    def work(transaction: Transaction) -> None:
        for each in transaction.gateways():
            if each.name in names:
                transaction.put_gateway(replace(each, seen_ms=now, connected=True))

    if names:
        house.catalog.write_behind(work)


def place_of(node: Node) -> Place | None:
    """Where it said it is; None when it said nothing that could be."""
    host, port, log = (node.place.get(name) for name in ("host", "port", "log"))
    if not isinstance(host, str) or not isinstance(port, int | float) or not isinstance(log, str):
        return None
    return Place(host, int(port), log)


def _put_taken(transaction: Transaction, name: str, had: Mapping[int, int], has: Mapping[int, int]) -> None:
    transaction.put_taken(name, {id_: number for id_, number in has.items() if had.get(id_) != number})
    transaction.drop_taken(name, [id_ for id_ in had if id_ not in has])
