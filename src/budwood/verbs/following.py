"""Traffic follows a pointer that goes back: endpoints whose baseline came by it return to the version it returns to.

A baseline came by a pointer when the endpoint's document names it so, or when a rollout that was to move the pointer
made it the baseline. Where the earlier version has no arm any more, the arm it had is taken from the endpoint's own
history; where it never had one, or the endpoint's own policies shut it out, the endpoint is named as left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.records import ModelRecord, VersionRecord
from budwood.domain.rollout.records import Rollout, RolloutState
from budwood.domain.traffic.endpoint import Arm
from budwood.domain.traffic.records import EndpointRecord, RoutingRecord
from budwood.errors import BytesGone, GateClosed, Retired
from budwood.verbs.endpoints import wanted_from
from budwood.verbs.routing import all_to_baseline, in_force, reroute

_LOOKED_BACK: Final = 100


@dataclass(frozen=True, slots=True)
class Followed:
    """Endpoints whose traffic was moved, and those that have nobody to answer with the earlier version."""

    moved: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def follow_back(
    transaction: Transaction,
    model: ModelRecord,
    pointer: str,
    before: VersionRecord,
    after: VersionRecord,
    *,
    at_ms: int,
    actor: str,
) -> Followed:
    """Everything of these endpoints to the earlier version, at once; rollouts that run on them end."""
    moved, left = [], []
    for endpoint in transaction.endpoints(model.namespace):
        now = in_force(transaction, endpoint)
        baseline = now.body.arm(now.body.baseline)
        if now.body.model != model.name or baseline.digest != before.digest:
            continue
        rollouts = transaction.rollouts(endpoint.id, limit=_LOOKED_BACK)
        if not _came_by(endpoint, now, rollouts, pointer):
            continue
        arm = _arm_with(transaction, now, after)
        if arm is None:
            left.append(endpoint.name)
            continue
        others = tuple(each for each in now.body.arms if each.name != arm.name)
        body = replace(now.body, baseline=arm.name, arms=(*others, arm))
        reason = f"{pointer} went back to v{after.number}"
        try:
            reroute(
                transaction, endpoint, body, all_to_baseline(body), at_ms=at_ms, actor=actor, reason=reason, killed=True
            )
        except (GateClosed, Retired, BytesGone):
            left.append(endpoint.name)  # Another policy's business; the pointer goes back whatever it says.
            continue
        for rollout in rollouts:
            if rollout.state is RolloutState.RUNNING:
                ended = replace(rollout, state=RolloutState.ROLLED_BACK, ended_ms=at_ms, ended_why=reason)
                transaction.change_rollout(ended)
        moved.append(endpoint.name)
    return Followed(tuple(moved), tuple(left))


def _came_by(endpoint: EndpointRecord, now: RoutingRecord, rollouts: Sequence[Rollout], pointer: str) -> bool:
    written = {arm.name: arm.version for arm in wanted_from(endpoint.text, endpoint.namespace).arms}
    if written.get(now.body.baseline) == pointer:
        return True
    promoted = (each for each in rollouts if each.state is RolloutState.PROMOTED)
    newest = next(promoted, None)
    return newest is not None and newest.alias == pointer and newest.candidate == now.body.baseline


def _arm_with(view: View, now: RoutingRecord, version: VersionRecord) -> Arm | None:
    """The arm that answers with this version, now or the last time one did."""
    routings = (now, *view.routings(now.endpoint_id, before=now.generation, limit=_LOOKED_BACK))
    for routing in routings:
        for arm in routing.body.arms:
            if arm.digest == version.digest and arm.number == version.number:
                return arm
    return None
