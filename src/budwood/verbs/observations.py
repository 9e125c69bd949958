"""What a business saw later: taken in, joined to the arm of a user or a request, and counted for the rollout that runs.

Taking in keeps what was said; counting reads on from where the tally stands and moves that place on in the same
transaction, so each observation counts once, whoever is killed when. A user's name is hashed with the endpoint's salt
before it is kept: the hash says which arm they are in, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_observations import TakenIn
from budwood.domain.limits import OBSERVATIONS_AT_ONCE, PAGE_ROWS
from budwood.domain.observations.folding import Joined, drifted, drifts_of, kinds_of, metrics_of, observed
from budwood.domain.observations.reading import Said, read_observations, unit_of
from budwood.domain.rollout.records import Counted, Rollout
from budwood.domain.rollout.tally import Users, packed, unpacked
from budwood.domain.traffic.endpoint import Sticky
from budwood.domain.traffic.hashing import BUCKETS
from budwood.domain.traffic.records import Observation
from budwood.errors import LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.routing import endpoint_named, in_force

WAIT_MS: Final = 5_000
"""So long an observation waits for the gateway to tell of its user or request: logs are read four times a second."""


def observe(house: House, namespace: str, endpoint: str, lines: Sequence[str]) -> TakenIn:
    """Keep observations, one JSON text each; what is none is counted. A user is known only where the split is sticky.

    Raises RecordNotFound, LimitExceeded.
    """
    if len(lines) > OBSERVATIONS_AT_ONCE:
        raise LimitExceeded(
            f"At most {OBSERVATIONS_AT_ONCE} observations at once.",
            hint="Send the rest in another call.",
            limit="OBSERVATIONS_AT_ONCE",
        )
    now = house.clock()
    heard = read_observations(lines, now)

    def work(transaction: Transaction) -> TakenIn:
        record = endpoint_named(transaction, namespace, endpoint)
        sticky = in_force(transaction, record).body.sticky
        kept = [kept for said in heard.said if (kept := _kept(said, sticky, now)) is not None]
        transaction.add_observations(record.id, kept)
        return TakenIn(len(kept), heard.garbled + len(heard.said) - len(kept))

    return house.catalog.write(work)


def count_observations(house: House, rollout_id: int) -> int:
    """Fold what came since into the tally of a rollout that runs; how many were read."""
    with house.catalog.read() as view:
        rollout = view.rollout(rollout_id)
        if rollout is None or rollout.ended_ms or not metrics_of(plan_from(rollout.plan_text)):
            return 0
        if not view.observations(rollout.endpoint_id, after=view.counted(rollout_id).seen_to, limit=1):
            return 0

    def work(transaction: Transaction) -> int:
        now = house.clock()
        rollout = transaction.rollout(rollout_id)
        if rollout is None or rollout.ended_ms:
            return 0
        counted = transaction.counted(rollout_id)
        users = unpacked(counted.users)
        found = transaction.observations(rollout.endpoint_id, after=counted.seen_to, limit=PAGE_ROWS)
        read = _read_on(transaction, rollout, found, users, now)
        if not read.count:
            return 0
        plan = plan_from(rollout.plan_text)
        tally = observed(counted.tally, read.joined, users, kinds_of(plan))
        tally = drifted(tally, read.joined, users, drifts_of(plan))
        tally = replace(tally, lost=tally.lost + read.lost)
        transaction.put_counted(rollout_id, Counted(tally, packed(users), read.to))
        return read.count

    return house.catalog.write(work)


@dataclass(slots=True)
class _Read:
    joined: list[Joined]
    to: int = 0
    count: int = 0
    lost: int = 0


def _read_on(
    view: View, rollout: Rollout, found: Sequence[tuple[int, Observation]], users: Users, now_ms: int
) -> _Read:
    """In order, up to the first that may still be waiting for its user or request to be told of."""
    read = _Read([])
    metrics = metrics_of(plan_from(rollout.plan_text))
    for number, each in found:
        if each.metric in metrics and each.at_ms >= rollout.progress.since_ms:
            joined = joined_to(view, rollout, each, users)
            if joined is None and now_ms - each.received_ms < WAIT_MS:
                break
            if joined is None:
                read.lost += 1
            else:
                read.joined.append(joined)
        read.to, read.count = number, read.count + 1
    return read


def joined_to(view: View, rollout: Rollout, each: Observation, users: Users | None) -> Joined | None:
    """With the arm of its user or request; None where neither came, or another arm answered."""
    if each.by_request:
        served = view.served(each.unit)
        if served is None or served.endpoint_id != rollout.endpoint_id or served.at_ms < rollout.progress.since_ms:
            return None
        if served.number not in (rollout.candidate_number, rollout.baseline_number):
            return None
        is_candidate, unit = served.number == rollout.candidate_number, served.unit
        if not unit:
            routing = view.routing(rollout.endpoint_id, served.generation)
            sticky = routing is not None and routing.body.sticky is not None
            return None if sticky else Joined(each.metric, each.unit, is_candidate, each.value)
    else:
        routing = view.routing_at(rollout.endpoint_id, each.at_ms)
        arm = routing.table.arm_at(int(each.unit, 16) % BUCKETS) if routing else ""
        if arm not in (rollout.candidate, rollout.baseline):
            return None
        is_candidate, unit = arm == rollout.candidate, each.unit
    if users is not None and not users.exposed.has(unit):
        return None
    return Joined(each.metric, unit, is_candidate, each.value)


def _kept(said: Said, sticky: Sticky | None, now_ms: int) -> Observation | None:
    if said.request:
        return Observation(said.metric, said.request, said.at_ms, said.value, True, now_ms, said.fields)
    if sticky is None:
        return None
    unit = unit_of(sticky.salt, said.user)
    return Observation(said.metric, unit, said.at_ms, said.value, False, now_ms, said.fields)
