"""Reading about traffic, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from sqlalchemy import and_, bindparam, or_, select

from budwood.catalog.sql.delivery_tables import (
    counted,
    disagreement,
    endpoint,
    endpoint_client,
    gateway,
    observation,
    rollout,
    rollout_event,
    routing,
    served_run,
    served_slot,
    taken,
    waiting,
)
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.quota_view import QuotaReads
from budwood.catalog.sql.session import Statement
from budwood.domain.canon import unpack
from budwood.domain.compared.captures import Capture, Disagreement
from budwood.domain.limits import ENDPOINT_CLIENTS, GATEWAYS, PAGE_ROWS
from budwood.domain.rollout.records import Counted, Rollout, RolloutEvent
from budwood.domain.traffic.records import (
    ClientRecord,
    EndpointRecord,
    GatewayRecord,
    Observation,
    RoutingRecord,
    Served,
)
from budwood.domain.traffic.runs import Run, found, hash_of
from budwood.errors import CatalogDamaged

T = TypeVar("T")
_HIGHEST: Final = (1 << 63) - 1
_endpoints: Final = select(
    endpoint.c.id,
    namespace.c.name,
    endpoint.c.name,
    endpoint.c.text,
    endpoint.c.author,
    endpoint.c.created_ms,
    endpoint.c.generation,
    endpoint.c.removed_ms,
).join_from(endpoint, namespace, namespace.c.id == endpoint.c.namespace_id)
_there: Final = and_(namespace.c.name == bindparam("namespace"), endpoint.c.gone == 0)
_ENDPOINT: Final = Statement(_endpoints.where(_there, endpoint.c.name == bindparam("name")))
_ENDPOINT_BY_ID: Final = Statement(_endpoints.where(endpoint.c.id == bindparam("endpoint_id")))
_ENDPOINTS: Final = Statement(_endpoints.where(_there).order_by(endpoint.c.name).limit(bindparam("limit")))
_of_endpoint: Final = routing.c.endpoint_id == bindparam("endpoint_id")
_GENERATIONS: Final = Statement(
    select(endpoint.c.id, endpoint.c.generation)
    .where(endpoint.c.gone == 0, endpoint.c.id > bindparam("after"))
    .order_by(endpoint.c.id)
    .limit(bindparam("limit"))
)
_ROUTING: Final = Statement(select(routing.c.body).where(_of_endpoint, routing.c.generation == bindparam("generation")))
_ROUTING_AT: Final = Statement(
    select(routing.c.body)
    .where(_of_endpoint, routing.c.at_ms <= bindparam("at_ms"))
    .order_by(routing.c.at_ms.desc(), routing.c.generation.desc())
    .limit(1)
)
_ROUTINGS: Final = Statement(
    select(routing.c.body)
    .where(_of_endpoint, routing.c.generation < bindparam("before"))
    .order_by(routing.c.generation.desc())
    .limit(bindparam("limit"))
)
_client: Final = endpoint_client.c
_CLIENTS: Final = Statement(
    select(_client.endpoint_id, _client.name, _client.author, _client.created_ms)
    .where(_client.endpoint_id == bindparam("endpoint_id"))
    .order_by(_client.name)
    .limit(bindparam("limit"))
)
_CLIENT_KEYS: Final = Statement(
    select(_client.endpoint_id, _client.name, _client.key)
    .where(
        or_(
            _client.endpoint_id > bindparam("after"),
            and_(_client.endpoint_id == bindparam("after"), _client.name > bindparam("after_name")),
        )
    )
    .order_by(_client.endpoint_id, _client.name)
    .limit(bindparam("limit"))
)
_GATEWAYS: Final = Statement(select(gateway.c.body).order_by(gateway.c.name).limit(bindparam("limit")))
_GATEWAY: Final = Statement(select(gateway.c.body).where(gateway.c.name == bindparam("name")))
_TAKEN: Final = Statement(
    select(taken.c.endpoint_id, taken.c.generation)
    .where(taken.c.gateway == bindparam("gateway"), taken.c.endpoint_id > bindparam("after"))
    .order_by(taken.c.endpoint_id)
    .limit(bindparam("limit"))
)
_TAKERS: Final = Statement(
    select(taken.c.gateway, taken.c.generation)
    .where(taken.c.endpoint_id == bindparam("endpoint_id"))
    .order_by(taken.c.gateway)
    .limit(bindparam("limit"))
)
_rollouts: Final = select(rollout.c.id, rollout.c.fence, rollout.c.body)
_ROLLOUT: Final = Statement(_rollouts.where(rollout.c.id == bindparam("rollout_id")))
_RUNNING: Final = Statement(_rollouts.where(rollout.c.running == 1).order_by(rollout.c.id).limit(bindparam("limit")))
_ROLLOUTS: Final = Statement(
    _rollouts.where(rollout.c.endpoint_id == bindparam("endpoint_id"), rollout.c.id < bindparam("before"))
    .order_by(rollout.c.id.desc())
    .limit(bindparam("limit"))
)
_EVENTS: Final = Statement(
    select(rollout_event.c.body)
    .where(rollout_event.c.rollout_id == bindparam("rollout_id"))
    .order_by(rollout_event.c.number)
    .limit(bindparam("limit"))
)
_COUNTED: Final = Statement(
    select(counted.c.body, counted.c.users).where(counted.c.rollout_id == bindparam("rollout_id"))
)
_RUNS_AT_ONCE: Final = 64
_SERVED_SLOTS: Final = Statement(
    select(served_run.c.id, served_slot.c.body)
    .join_from(
        served_run,
        served_slot,
        and_(served_slot.c.run_id == served_run.c.id, served_slot.c.slot == bindparam("hash") % served_run.c.slots),
    )
    .where(served_run.c.id > bindparam("after"))
    .order_by(served_run.c.id)
    .limit(_RUNS_AT_ONCE)
)
_SERVED_RUNS: Final = Statement(
    select(served_run.c.id, served_run.c.from_ms, served_run.c.until_ms, served_run.c.requests)
    .order_by(served_run.c.id.desc())
    .limit(bindparam("limit"))
)
_SLOTS_OF_RUN: Final = Statement(
    select(served_slot.c.body).where(served_slot.c.run_id == bindparam("run_id")).order_by(served_slot.c.slot)
)
_OBSERVATIONS: Final = Statement(
    select(*observation.c)
    .where(observation.c.endpoint_id == bindparam("endpoint_id"), observation.c.id > bindparam("after"))
    .order_by(observation.c.id)
    .limit(bindparam("limit"))
)


_WAITING: Final = Statement(
    select(waiting.c.body).where(
        waiting.c.endpoint_id == bindparam("endpoint_id"), waiting.c.request == bindparam("request")
    )
)
_DISAGREEMENTS: Final = Statement(
    select(disagreement.c.body)
    .where(disagreement.c.rollout_id == bindparam("rollout_id"), disagreement.c.number > bindparam("after"))
    .order_by(disagreement.c.number)
    .limit(bindparam("limit"))
)


class DeliveryReads(QuotaReads):
    """``catalog.delivery_api.DeliveryView`` over one session."""

    __slots__ = ()

    def endpoint(self, namespace: str, name: str) -> EndpointRecord | None:
        row = self._session.one(_ENDPOINT, namespace=namespace, name=name)
        return EndpointRecord(*row) if row else None

    def endpoint_by_id(self, endpoint_id: int) -> EndpointRecord | None:
        row = self._session.one(_ENDPOINT_BY_ID, endpoint_id=endpoint_id)
        return EndpointRecord(*row) if row else None

    def endpoints(self, namespace: str) -> Sequence[EndpointRecord]:
        return [EndpointRecord(*row) for row in self._session.all(_ENDPOINTS, namespace=namespace, limit=PAGE_ROWS)]

    def generations(self) -> Mapping[int, int]:
        found: dict[int, int] = {}
        after = 0
        while rows := self._session.all(_GENERATIONS, after=after, limit=PAGE_ROWS):
            found.update((row[0], row[1]) for row in rows)
            after = rows[-1][0]
        return found

    def routing(self, endpoint_id: int, generation: int) -> RoutingRecord | None:
        row = self._session.one(_ROUTING, endpoint_id=endpoint_id, generation=generation)
        return _unpacked(RoutingRecord, row[0]) if row else None

    def routing_at(self, endpoint_id: int, at_ms: int) -> RoutingRecord | None:
        row = self._session.one(_ROUTING_AT, endpoint_id=endpoint_id, at_ms=at_ms)
        return _unpacked(RoutingRecord, row[0]) if row else None

    def routings(self, endpoint_id: int, *, before: int = 0, limit: int = 100) -> Sequence[RoutingRecord]:
        rows = self._session.all(
            _ROUTINGS, endpoint_id=endpoint_id, before=before or _HIGHEST, limit=max(0, min(limit, PAGE_ROWS))
        )
        return [_unpacked(RoutingRecord, body) for (body,) in rows]

    def clients(self, endpoint_id: int) -> Sequence[ClientRecord]:
        rows = self._session.all(_CLIENTS, endpoint_id=endpoint_id, limit=ENDPOINT_CLIENTS)
        return [ClientRecord(*row) for row in rows]

    def client_keys(self) -> Mapping[int, Mapping[str, str]]:
        found: dict[int, dict[str, str]] = {}
        after, name = 0, ""
        while rows := self._session.all(_CLIENT_KEYS, after=after, after_name=name, limit=PAGE_ROWS):
            for after, name, key in rows:
                found.setdefault(after, {})[key] = name
        return found

    def gateways(self) -> Sequence[GatewayRecord]:
        return [_unpacked(GatewayRecord, body) for (body,) in self._session.all(_GATEWAYS, limit=PAGE_ROWS)]

    def gateway(self, name: str) -> GatewayRecord | None:
        row = self._session.one(_GATEWAY, name=name)
        return _unpacked(GatewayRecord, row[0]) if row else None

    def taken(self, gateway: str) -> Mapping[int, int]:
        found: dict[int, int] = {}
        after = 0
        while rows := self._session.all(_TAKEN, gateway=gateway, after=after, limit=PAGE_ROWS):
            found.update((row[0], row[1]) for row in rows)
            after = rows[-1][0]
        return found

    def takers(self, endpoint_id: int) -> Mapping[str, int]:
        rows = self._session.all(_TAKERS, endpoint_id=endpoint_id, limit=GATEWAYS)
        return {row[0]: row[1] for row in rows}

    def rollout(self, rollout_id: int) -> Rollout | None:
        row = self._session.one(_ROLLOUT, rollout_id=rollout_id)
        return _rollout(*row) if row else None

    def running_rollouts(self) -> Sequence[Rollout]:
        return [_rollout(*row) for row in self._session.all(_RUNNING, limit=PAGE_ROWS)]

    def rollouts(self, endpoint_id: int, *, before: int = 0, limit: int = 100) -> Sequence[Rollout]:
        rows = self._session.all(
            _ROLLOUTS, endpoint_id=endpoint_id, before=before or _HIGHEST, limit=max(0, min(limit, PAGE_ROWS))
        )
        return [_rollout(*row) for row in rows]

    def rollout_events(self, rollout_id: int) -> Sequence[RolloutEvent]:
        rows = self._session.all(_EVENTS, rollout_id=rollout_id, limit=PAGE_ROWS)
        return [_unpacked(RolloutEvent, body) for (body,) in rows]

    def counted(self, rollout_id: int) -> Counted:
        row = self._session.one(_COUNTED, rollout_id=rollout_id)
        return replace(_unpacked(Counted, row[0]), users=bytes(row[1])) if row else Counted()

    def served(self, request: str) -> Served | None:
        rows = self._session.all(_SERVED_SLOTS, hash=hash_of(request), after=0)
        while rows:
            for _, body in rows:
                if (served := _found(bytes(body), request)) is not None:
                    return served
            rows = self._session.all(_SERVED_SLOTS, hash=hash_of(request), after=rows[-1][0])
        return None

    def served_runs(self, *, limit: int) -> Sequence[Run]:
        return [Run(*row) for row in self._session.all(_SERVED_RUNS, limit=max(0, min(limit, PAGE_ROWS)))]

    def served_slots(self, run_id: int) -> Sequence[bytes]:
        return [bytes(body) for (body,) in self._session.all(_SLOTS_OF_RUN, run_id=run_id)]

    def observations(self, endpoint_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, Observation]]:
        rows = self._session.all(
            _OBSERVATIONS, endpoint_id=endpoint_id, after=after, limit=max(0, min(limit, PAGE_ROWS))
        )
        return [(row[0], _observation(*row[2:])) for row in rows]

    def waiting(self, endpoint_id: int, request: str) -> Capture | None:
        row = self._session.one(_WAITING, endpoint_id=endpoint_id, request=request)
        return _unpacked(Capture, row[0]) if row else None

    def disagreements(self, rollout_id: int, *, after: int = 0, limit: int = 100) -> Sequence[Disagreement]:
        rows = self._session.all(
            _DISAGREEMENTS, rollout_id=rollout_id, after=after, limit=max(0, min(limit, PAGE_ROWS))
        )
        return [_unpacked(Disagreement, body) for (body,) in rows]


def _found(slot: bytes, request: str) -> Served | None:
    try:
        return found(slot, request)
    except ValueError as error:
        raise CatalogDamaged(f"Who answered what cannot be read: {error}") from error


def _observation(
    metric: str, unit: str, at_ms: int, value: float, by_request: int, received_ms: int, fields: str
) -> Observation:
    return Observation(metric, unit, at_ms, value, bool(by_request), received_ms, json.loads(fields))


def _rollout(id_: int, fence: int, body: str) -> Rollout:
    return replace(_unpacked(Rollout, body, id=0), id=id_, fence=fence)


def _unpacked(kind: type[T], body: str, **more: Any) -> T:
    try:
        return unpack(kind, {**json.loads(body), **more})
    except ValueError as error:
        raise CatalogDamaged(f"A {kind.__name__} in the catalog cannot be read: {error}") from error
