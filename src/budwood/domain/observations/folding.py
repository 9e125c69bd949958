"""Units and what was observed of them, arm by arm, into a tally: each unit once, each observation once.

A unit is a user where the split is sticky, else a request. Everything here begins anew with each step of a rollout: a
mean over a ramp would mix what the hour did with what the version did. Only units that came since the step began
count, on both sides of a ratio alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from budwood.domain.rollout.drift import Drift
from budwood.domain.rollout.interval import Mean
from budwood.domain.rollout.plan import Metric, Plan, Watched
from budwood.domain.rollout.tally import Tally, Users


@dataclass(frozen=True, slots=True)
class Came:
    """A unit that was answered by one of the two arms; empty where the unit is the request itself."""

    unit: str
    is_candidate: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """An observation with the arm of its unit."""

    metric: str
    unit: str
    is_candidate: bool
    value: float


def kinds_of(plan: Plan) -> dict[str, Metric]:
    """The metrics a plan watches, and how each is made."""
    return {rail.metric: rail.kind for rail in plan.guardrails if rail.watched is Watched.METRIC}


def drifts_of(plan: Plan) -> dict[str, Drift]:
    """The metrics of which a plan watches where their values fall, before any was counted."""
    return {rail.metric: Drift(rail.edges) for rail in plan.guardrails if rail.watched is Watched.DRIFT}


def metrics_of(plan: Plan) -> frozenset[str]:
    """All of which a plan needs what was observed."""
    return frozenset(kinds_of(plan)) | frozenset(drifts_of(plan))


def begun_anew(tally: Tally, users: Users, *, alone: bool = False) -> Tally:
    """For a new step; ``alone``: one in which the candidate answers everything."""
    users.exposed.clear()
    users.observed.clear()
    drifts = {metric: drift.begun_anew(alone=alone) for metric, drift in tally.drifts.items()}
    return replace(tally, metrics={}, exposed=(), drifts=drifts)


def exposed(tally: Tally, came: Iterable[Came], users: Users) -> Tally:
    """The tally with the units that came; ``users`` learns who did."""
    counts = list(tally.exposed or (0, 0))
    for each in came:
        if not each.unit or users.exposed.is_new(each.unit):
            counts[0 if each.is_candidate else 1] += 1
    return replace(tally, exposed=tuple(counts))


def observed(tally: Tally, joined: Iterable[Joined], users: Users, kinds: Mapping[str, Metric]) -> Tally:
    """The tally with the first observation of each unit and metric; later ones of the same unit say nothing more."""
    metrics = dict(tally.metrics)
    for each in joined:
        kind = kinds.get(each.metric)
        if kind is None or (kind is Metric.RATIO and each.value <= 0):
            continue
        if not users.observed.is_new(f"{each.metric}\n{each.unit}"):
            continue
        value = 1.0 if kind is Metric.RATIO else each.value
        pair = list(metrics.get(each.metric, (Mean(), Mean())))
        side = 0 if each.is_candidate else 1
        pair[side] = pair[side].after(1, value, value * value)
        metrics[each.metric] = (pair[0], pair[1])
    return replace(tally, metrics=metrics)


def drifted(tally: Tally, joined: Iterable[Joined], users: Users, watched: Mapping[str, Drift]) -> Tally:
    """The tally with the first value of each unit, where it falls; ``watched`` are ``drifts_of`` the plan. A metric may
    be watched in both ways: that a unit was counted for the one says nothing for the other."""
    values: dict[str, list[tuple[bool, float]]] = {}
    for each in joined:
        if each.metric in watched and users.observed.is_new(f"drift\n{each.metric}\n{each.unit}"):
            values.setdefault(each.metric, []).append((each.is_candidate, each.value))
    counted = {metric: tally.drifts.get(metric, watched[metric]).after(found) for metric, found in values.items()}
    return replace(tally, drifts={**tally.drifts, **counted})
