"""What is in force, as the catalog says it: the control plane's copy, with what joins it only there.

``look`` sees everything, and reads anew what changed. ``glance`` sees those endpoints alone whose traffic was moved, so
that a roll-back among a thousand does not wait for the others. Of each endpoint the newest generation that either saw
is kept: a look that began before a glance takes nothing back.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import View
from budwood.domain.traffic.endpoint import Routing
from budwood.domain.traffic.records import RoutingRecord
from budwood.verbs.house import House
from budwood.verbs.rate_sharing import sharers
from budwood.verbs.token_quotas import refused_now

_COUNTING_MS: Final = 1_000


class InForce:
    """``routings`` by endpoint, replaced as a whole whenever one changes. Any thread may glance; one may look."""

    def __init__(self, house: House) -> None:
        self.routings: Mapping[int, Routing] = {}
        self._house = house
        self._made: Mapping[int, _Made] = {}
        self._seen: _Seen | None = None
        self._lock = threading.Lock()
        self._counted_ms, self._shared = 0, 1

    def look(self) -> None:
        """At everything. Raises BudwoodError."""
        with self._house.catalog.read() as view:
            newest = view.generations()
            records: Mapping[int, RoutingRecord]
            if self._seen is not None and newest == self._seen.newest:
                records = self._seen.records
            else:
                records = {id_: self._record(view, id_, generation) for id_, generation in newest.items()}
            keys = view.client_keys() if any(each.body.keys for each in records.values()) else {}
            refused = refused_now(view, records.values(), self._house.clock())
            seen = _Seen(newest, records, keys, refused, self._sharers(view, records))
        if seen != self._seen:
            self._take(seen)

    def glance(self, endpoints: Collection[int]) -> bool:
        """At these alone; whether that was all there is to see. Raises BudwoodError."""
        with self._house.catalog.read() as view:
            found = {id_: record for id_ in endpoints for record in view.routings(id_, limit=1)}
        with self._lock:
            moved = {
                id_: _made(before, record, before.clients, before.refused, before.shared)
                for id_, record in found.items()
                if (before := self._made.get(id_)) is not None
                # Without the keys of its clients an endpoint would let nobody in.
                and before.record.body.keys == record.body.keys
                and before.record.generation < record.generation
            }
            if moved:
                self._put({**self._made, **moved})
            return all(map(self._has, found.values()))

    def _has(self, record: RoutingRecord) -> bool:
        made = self._made.get(record.endpoint_id)
        return made is not None and made.record.generation >= record.generation

    def _record(self, view: View, id_: int, generation: int) -> RoutingRecord:
        before = self._made.get(id_)
        if before is not None and before.record.generation == generation:
            return before.record
        record = view.routing(id_, generation)
        assert record is not None, "the newest generation was made with its endpoint"
        return record

    def _sharers(self, view: View, records: Mapping[int, RoutingRecord]) -> int:
        """Looked up now and then, and only where somebody may only ask so often."""
        now_ms = self._house.clock()
        if now_ms >= self._counted_ms + _COUNTING_MS and any(each.body.is_rated for each in records.values()):
            self._counted_ms, self._shared = now_ms, sharers(view, now_ms)
        return self._shared

    def _take(self, seen: "_Seen") -> None:
        with self._lock:
            made: dict[int, _Made] = {}
            for id_, record in seen.records.items():
                before = self._made.get(id_)
                newer = before.record if before and before.record.generation > record.generation else record
                made[id_] = _made(before, newer, seen.keys.get(id_, {}), seen.refused.get(id_, {}), seen.shared)
            self._seen = seen
            self._put(made)

    def _put(self, made: Mapping[int, "_Made"]) -> None:
        self._made = made
        self.routings = {id_: each.routing for id_, each in made.items()}


@dataclass(frozen=True, slots=True)
class _Seen:
    """By one look."""

    newest: Mapping[int, int]
    records: Mapping[int, RoutingRecord]
    keys: Mapping[int, Mapping[str, str]]
    refused: Mapping[int, Mapping[str, int]]
    shared: int


@dataclass(frozen=True, slots=True)
class _Made:
    """A routing with what joins it here, and what it was made of."""

    record: RoutingRecord
    clients: Mapping[str, str]
    refused: Mapping[str, int]
    shared: int
    routing: Routing


def _made(
    before: _Made | None, record: RoutingRecord, clients: Mapping[str, str], refused: Mapping[str, int], shared: int
) -> _Made:
    """The very same one while nothing of it changed: of a thousand endpoints that is nearly every one."""
    if (
        before is not None
        and before.record is record
        and (before.clients, before.refused, before.shared) == (clients, refused, shared)
    ):
        return before
    routing = replace(_with_clients(record.routing, clients), refused=refused, sharers=shared)
    return _Made(record, clients, refused, shared, routing)


def _with_clients(routing: Routing, clients: Mapping[str, str]) -> Routing:
    """Clients' keys are in no routing that is kept; they join it here."""
    body = routing.endpoint
    if body.keys is None:
        return routing
    return replace(routing, endpoint=replace(body, keys=replace(body.keys, clients=clients)))
