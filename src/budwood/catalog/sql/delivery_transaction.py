"""Changing what is known about traffic, for every SQL database. ``transaction.py`` joins it with the rest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, replace
from typing import Final

from sqlalchemy import bindparam, delete, func, select, tuple_, update

from budwood.catalog.sql.changes import insert_numbered, insert_row, upsert
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
from budwood.catalog.sql.delivery_view import DeliveryReads
from budwood.catalog.sql.quota_transaction import QuotaWrites
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import ANYTHING, Statement
from budwood.domain.canon import dumps, pack
from budwood.domain.compared.captures import Capture, Disagreement
from budwood.domain.rollout.records import Counted, Rollout, RolloutEvent, RolloutState
from budwood.domain.traffic.records import (
    ClientRecord,
    EndpointRecord,
    GatewayRecord,
    Observation,
    RoutingRecord,
)
from budwood.domain.traffic.runs import Pressed, Run

_ADD_ENDPOINT: Final = insert_numbered(endpoint)
_CHANGED: Final = ("text", "generation", "gone", "removed_ms")
_CHANGE_ENDPOINT: Final = Statement(
    update(endpoint)
    .where(endpoint.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in _CHANGED})
)
_ADD_ROUTING: Final = insert_row(routing)
_ADD_CLIENT: Final = insert_row(endpoint_client)
_REMOVE_CLIENT: Final = Statement(
    delete(endpoint_client).where(
        endpoint_client.c.endpoint_id == bindparam("of_id"), endpoint_client.c.name == bindparam("of_name")
    )
)
_PUT_GATEWAY: Final = upsert(gateway, "name")
_REMOVE_GATEWAY: Final = Statement(delete(gateway).where(gateway.c.name == bindparam("of_name")))
_PUT_TAKEN: Final = upsert(taken, "gateway", "endpoint_id")
_DROP_TAKEN: Final = Statement(
    delete(taken).where(taken.c.gateway == bindparam("of_gateway"), taken.c.endpoint_id == bindparam("of_endpoint"))
)
_DROP_ALL_TAKEN: Final = Statement(delete(taken).where(taken.c.gateway == bindparam("of_gateway")))
_ADD_ROLLOUT: Final = insert_numbered(rollout)
_CHANGE_ROLLOUT: Final = Statement(
    update(rollout)
    .where(rollout.c.id == bindparam("of_id"), rollout.c.fence <= bindparam("to_fence"))
    .values(running=bindparam("to_running"), fence=bindparam("to_fence"), body=bindparam("to_body"))
)
_LAST_EVENT: Final = Statement(
    select(func.coalesce(func.max(rollout_event.c.number), 0)).where(
        rollout_event.c.rollout_id == bindparam("rollout_id")
    )
)
_ADD_EVENT: Final = insert_row(rollout_event)
_PUT_COUNTED: Final = upsert(counted, "rollout_id")
_ADD_RUN: Final = insert_numbered(served_run)
_PUT_RUN: Final = insert_row(served_run)
_ADD_SLOT: Final = insert_row(served_slot)
_RUN: Final = Statement(
    select(served_run.c.id, served_run.c.from_ms, served_run.c.until_ms, served_run.c.requests).where(
        served_run.c.id == bindparam("id")
    )
)
_OLD_RUNS: Final = Statement(
    select(served_run.c.id)
    .where(served_run.c.until_ms < bindparam("before_ms"))
    .order_by(served_run.c.until_ms)
    .limit(bindparam("limit"))
)
_DROP_RUN: Final = Statement(delete(served_run).where(served_run.c.id == bindparam("of_id")))
_DROP_SLOTS: Final = Statement(delete(served_slot).where(served_slot.c.run_id == bindparam("of_id")))
_ADD_OBSERVATION: Final = insert_numbered(observation)
_PUT_WAITING: Final = upsert(waiting, "endpoint_id", "request")
_DROP_WAITING: Final = Statement(
    delete(waiting).where(
        waiting.c.endpoint_id == bindparam("of_endpoint"), waiting.c.request == bindparam("of_request")
    )
)
_FORGET_WAITING: Final = Statement(
    delete(waiting).where(
        tuple_(waiting.c.endpoint_id, waiting.c.request).in_(
            select(waiting.c.endpoint_id, waiting.c.request)
            .where(waiting.c.at_ms < bindparam("before_ms"))
            .order_by(waiting.c.at_ms)
            .limit(bindparam("limit"))
        )
    )
)
_ADD_DISAGREEMENT: Final = insert_row(disagreement)


class DeliveryWrites(QuotaWrites, DeliveryReads):
    """``catalog.delivery_api.DeliveryTransaction`` over one session."""

    __slots__ = ()

    def add_endpoint(self, endpoint: EndpointRecord) -> EndpointRecord:
        room = known_room(self._session, endpoint.namespace)
        id_ = self._session.add(
            _ADD_ENDPOINT,
            namespace_id=room,
            name=endpoint.name,
            text=endpoint.text,
            author=endpoint.author,
            created_ms=endpoint.created_ms,
            generation=endpoint.generation,
            gone=0,
            removed_ms=0,
        )
        return replace(endpoint, id=id_)

    def change_endpoint(self, endpoint: EndpointRecord) -> None:
        self._session.ring(ANYTHING if endpoint.removed_ms else endpoint.id)
        self._session.change(
            _CHANGE_ENDPOINT,
            of_id=endpoint.id,
            to_text=endpoint.text,
            to_generation=endpoint.generation,
            to_gone=endpoint.id if endpoint.removed_ms else 0,
            to_removed_ms=endpoint.removed_ms,
        )

    def add_routing(self, routing: RoutingRecord) -> None:
        self._session.ring(routing.endpoint_id)
        assert self.routing(routing.endpoint_id, routing.generation) is None, "a generation is given once"
        self._session.change(
            _ADD_ROUTING,
            endpoint_id=routing.endpoint_id,
            generation=routing.generation,
            at_ms=routing.at_ms,
            body=dumps(pack(routing)).decode(),
        )

    def add_client(self, client: ClientRecord, key: str) -> None:
        self._session.ring()
        assert all(each.name != client.name for each in self.clients(client.endpoint_id)), "a client has one key"
        self._session.change(
            _ADD_CLIENT,
            endpoint_id=client.endpoint_id,
            name=client.name,
            key=key,
            author=client.author,
            created_ms=client.created_ms,
        )

    def remove_client(self, endpoint_id: int, name: str) -> bool:
        self._session.ring()
        return self._session.change(_REMOVE_CLIENT, of_id=endpoint_id, of_name=name) > 0

    def put_gateway(self, gateway: GatewayRecord) -> None:
        self._session.change(_PUT_GATEWAY, name=gateway.name, body=dumps(pack(gateway)).decode())

    def remove_gateway(self, name: str) -> None:
        self.drop_taken(name)
        self._session.change(_REMOVE_GATEWAY, of_name=name)

    def put_taken(self, gateway: str, generations: Mapping[int, int]) -> None:
        self._session.change_many(
            _PUT_TAKEN,
            (
                {"gateway": gateway, "endpoint_id": endpoint_id, "generation": generation}
                for endpoint_id, generation in generations.items()
            ),
        )

    def drop_taken(self, gateway: str, endpoint_ids: Collection[int] | None = None) -> None:
        if endpoint_ids is None:
            self._session.change(_DROP_ALL_TAKEN, of_gateway=gateway)
        for each in endpoint_ids or ():
            self._session.change(_DROP_TAKEN, of_gateway=gateway, of_endpoint=each)

    def add_rollout(self, rollout: Rollout) -> Rollout:
        id_ = self._session.add(_ADD_ROLLOUT, endpoint_id=rollout.endpoint_id, **_row(rollout))
        return replace(rollout, id=id_)

    def change_rollout(self, rollout: Rollout) -> bool:
        values = {f"to_{name}": value for name, value in _row(rollout).items()}
        return self._session.change(_CHANGE_ROLLOUT, of_id=rollout.id, **values) > 0

    def add_rollout_event(self, event: RolloutEvent) -> RolloutEvent:
        last = self._session.all(_LAST_EVENT, rollout_id=event.rollout_id)[0][0]
        numbered = replace(event, number=last + 1)
        self._session.change(
            _ADD_EVENT, rollout_id=event.rollout_id, number=numbered.number, body=dumps(pack(numbered)).decode()
        )
        return numbered

    def put_counted(self, rollout_id: int, counted: Counted) -> None:
        body = dumps(pack(replace(counted, users=b""))).decode()
        self._session.change(_PUT_COUNTED, rollout_id=rollout_id, body=body, users=counted.users)

    def add_served(self, served: Pressed) -> None:
        id_ = self._session.add(_ADD_RUN, **_of_run(served))
        self._add_slots(id_, served)

    def gather_served(self, runs: Sequence[Run], whole: Pressed) -> bool:
        if any(self._session.one(_RUN, id=run.id) != astuple(run) for run in runs):
            return False
        for run in runs:
            self._drop_run(run.id)
        id_ = min(run.id for run in runs)
        self._session.change(_PUT_RUN, id=id_, **_of_run(whole))
        self._add_slots(id_, whole)
        return True

    def forget_served(self, *, before_ms: int, limit: int = 100) -> int:
        old = self._session.all(_OLD_RUNS, before_ms=before_ms, limit=limit)
        for (id_,) in old:
            self._drop_run(id_)
        return len(old)

    def _add_slots(self, run_id: int, served: Pressed) -> None:
        slots = ({"run_id": run_id, "slot": slot, "body": body} for slot, body in enumerate(served.slots))
        self._session.change_many(_ADD_SLOT, slots)

    def _drop_run(self, run_id: int) -> None:
        self._session.change(_DROP_SLOTS, of_id=run_id)
        self._session.change(_DROP_RUN, of_id=run_id)

    def add_observations(self, endpoint_id: int, observations: Sequence[Observation]) -> None:
        for each in observations:
            self._session.add(
                _ADD_OBSERVATION,
                endpoint_id=endpoint_id,
                metric=each.metric,
                unit=each.unit,
                at_ms=each.at_ms,
                value=each.value,
                by_request=int(each.by_request),
                received_ms=each.received_ms,
                fields=dumps(pack(each.fields)).decode(),
            )

    def put_waiting(self, endpoint_id: int, captures: Sequence[Capture]) -> None:
        for each in captures:
            body = dumps(pack(each)).decode()
            self._session.change(
                _PUT_WAITING, endpoint_id=endpoint_id, request=each.request, at_ms=each.at_ms, body=body
            )

    def drop_waiting(self, endpoint_id: int, requests: Sequence[str]) -> None:
        for request in requests:
            self._session.change(_DROP_WAITING, of_endpoint=endpoint_id, of_request=request)

    def forget_waiting(self, *, before_ms: int, limit: int = 10_000) -> int:
        return self._session.change(_FORGET_WAITING, before_ms=before_ms, limit=limit)

    def add_disagreements(self, rollout_id: int, disagreements: Sequence[Disagreement]) -> None:
        for each in disagreements:
            body = dumps(pack(each)).decode()
            self._session.change(_ADD_DISAGREEMENT, rollout_id=rollout_id, number=each.number, body=body)


def _of_run(served: Pressed) -> dict[str, int]:
    return {
        "from_ms": served.from_ms,
        "until_ms": served.until_ms,
        "requests": served.requests,
        "slots": len(served.slots),
    }


def _row(rollout: Rollout) -> dict[str, str | int]:
    return {
        "running": int(rollout.state is RolloutState.RUNNING),
        "fence": rollout.fence,
        "body": dumps(pack(replace(rollout, id=0))).decode(),
    }
