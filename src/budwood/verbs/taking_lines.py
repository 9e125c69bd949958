"""Taking in what a gateway wrote of the requests it answered: who answered what, and what running rollouts count.

One transaction takes a piece of a log, adds it to every tally it concerns and moves the gateway's position on, so that
each line counts once, whoever is killed when. A gateway that is not where we think is told where we are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import LOG_BATCH_BYTES
from budwood.domain.observations.folding import Came, exposed, metrics_of
from budwood.domain.observations.reading import unit_of
from budwood.domain.rollout.fixed import held_to_limits
from budwood.domain.rollout.records import Counted, Rollout
from budwood.domain.rollout.tally import Request, fold, packed, unpacked
from budwood.domain.traffic.lines import SPLIT, Line, in_order, read_lines
from budwood.domain.traffic.records import GatewayRecord, RoutingRecord, Served
from budwood.domain.traffic.runs import gathered, how_many_to_gather, pressed
from budwood.errors import LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.logs_sent import ANY, Sent, moved_on
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.token_quotas import count_tokens

_LOOKED_AT: Final = 64
"""So many of the newest runs may be gathered into one."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How far the log was taken in, and how much of this piece was readable."""

    log: str
    read: int
    lines: int = 0
    garbled: int = 0


def take_lines(house: House, gateway: str, log: str, start: int, content: bytes, sent: Sent = ANY) -> Taken:
    """Whole lines of a gateway's log, from a position on. Where that is not the next one, nothing is taken.

    Raises LimitExceeded.
    """
    if len(content) > LOG_BATCH_BYTES:
        raise LimitExceeded(f"A piece of a log has at most {LOG_BATCH_BYTES} bytes.", limit="LOG_BATCH_BYTES")
    read = read_lines(content)
    lines, now = in_order(line for line in read.lines if sent.is_about(line.endpoint)), house.clock()
    with house.catalog.read() as view:
        record = view.gateway(gateway) or GatewayRecord(gateway)
        if not content or record.positions.get(log, 0) != start:
            return Taken(log, record.positions.get(log, 0))
        routings = _routings(view, lines)
    answered = [served for line in lines if (served := _served(line, routings))]
    run = pressed(answered) if answered else None

    def work(transaction: Transaction) -> Taken:
        record = transaction.gateway(gateway) or GatewayRecord(gateway)
        begins = record.positions.get(log, 0)
        if start != begins:
            return Taken(log, begins)
        count_tokens(transaction, lines, routings, now)
        for rollout in transaction.running_rollouts():
            if sent.is_about(f"{rollout.namespace}.{rollout.endpoint}"):
                _count(transaction, rollout, lines, routings, read.garbled)
        if run is not None:
            transaction.add_served(run)
            transaction.forget_served(before_ms=now - round(house.requests_kept_s * 1_000))
        end = start + len(content)
        transaction.put_gateway(moved_on(record, log, end, sent, now))
        return Taken(log, end, len(lines), read.garbled)

    taken = house.catalog.write_behind(work)
    _gather(house)
    return taken


Routings = dict[tuple[str, int], RoutingRecord | None]


def _routings(view: View, lines: Sequence[Line]) -> Routings:
    """Those the lines speak of, by endpoint and generation. They never change, so they are read before anybody
    waits."""
    ids: dict[str, int] = {}
    for key in {line.endpoint for line in lines}:
        namespace, _, name = key.rpartition(".")
        if (found := view.endpoint(namespace, name)) is not None:
            ids[key] = found.id
    wanted = {(line.endpoint, line.generation) for line in lines}
    return {
        (endpoint, generation): view.routing(ids[endpoint], generation) if endpoint in ids else None
        for endpoint, generation in wanted
    }


def _gather(house: House) -> None:
    """Small runs of who answered what, when there are many. All but the writing is done before anybody waits."""
    with house.catalog.read() as view:
        newest = view.served_runs(limit=_LOOKED_AT)
        runs = newest[: how_many_to_gather(newest)][::-1]
        if not runs:
            return
        slots = [slot for run in runs for slot in view.served_slots(run.id)]
    whole = gathered(runs, slots)
    house.catalog.write_behind(lambda transaction: transaction.gather_served(runs, whole))


def _served(line: Line, routings: Routings) -> Served | None:
    routing = routings[line.endpoint, line.generation]
    if routing is None:
        return None
    number = next((arm.number for arm in routing.body.arms if arm.name == line.arm), 0)
    return Served(
        *(line.request, line.at_ms, routing.endpoint_id, line.generation, number, line.code, max(0, line.latency_us)),
        _unit(line, routing),
    )


def _unit(line: Line, routing: RoutingRecord) -> str:
    """What stands for the user; empty where nobody said who asked, or the split does not keep users."""
    sticky = routing.body.sticky
    return unit_of(sticky.salt, line.user) if sticky and line.user else ""


def _count(transaction: Transaction, rollout: Rollout, lines: Sequence[Line], routings: Routings, garbled: int) -> None:
    key = f"{rollout.namespace}.{rollout.endpoint}"
    requests = [request for line in lines if line.endpoint == key and (request := _request(line, rollout, routings))]
    if not requests and not garbled:
        return
    counted = transaction.counted(rollout.id)
    users = unpacked(counted.users)
    plan = plan_from(rollout.plan_text)
    tally = fold(counted.tally, requests, users, plan.slack)
    tally = held_to_limits(tally, plan, requests)
    if metrics_of(plan):
        mine = (line for line in lines if line.endpoint == key)
        tally = exposed(tally, (came for line in mine if (came := _came(line, rollout, routings))), users)
    tally = replace(tally, garbled=tally.garbled + garbled)
    transaction.put_counted(rollout.id, Counted(tally, packed(users), counted.seen_to))


def _came(line: Line, rollout: Rollout, routings: Routings) -> Came | None:
    """A unit of the step that runs now. Where users are kept, a request without one is nobody's."""
    if line.at_ms < rollout.progress.since_ms or _request(line, rollout, routings) is None:
        return None
    routing = routings[line.endpoint, line.generation]
    assert routing is not None, "a request that counts was routed"
    unit = _unit(line, routing)
    if routing.body.sticky and not unit:
        return None
    return Came(unit, line.arm == rollout.candidate)


def _request(line: Line, rollout: Rollout, routings: Routings) -> Request | None:
    """What counts: the split sent it to one of the two, since the rollout began."""
    routing = routings[line.endpoint, line.generation]
    if routing is None or line.why not in SPLIT or line.arm not in (rollout.candidate, rollout.baseline):
        return None
    if line.code == 0 or line.latency_us < 0 or line.at_ms < rollout.started_ms:
        return None
    split = routing.table.split
    mine, others = split.get(rollout.candidate, 0), split.get(rollout.baseline, 0)
    if not mine + others:
        return None
    user = line.user if routing.body.sticky else ""
    return Request(
        line.at_ms, line.arm == rollout.candidate, line.failed, line.latency_us, mine / (mine + others), user
    )
