"""The one place where traffic is moved: a new routing of an endpoint, in the transaction that asks for it.

Whoever moves traffic comes through ``reroute``: people, rollouts, a roll-back. It refuses an arm that policies did not
let through to the pointer the endpoint is guarded by, unless it only hears copies. What takes nothing that it did not
have before is not asked again, so going back never waits for anybody.
"""

from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import Arm, Endpoint, Shadow
from budwood.domain.traffic.hashing import BUCKETS
from budwood.domain.traffic.records import EndpointRecord, RoutingRecord
from budwood.domain.traffic.segments import Table, first_table
from budwood.errors import GateClosed, PreconditionFailed, RecordNotFound, Retired
from budwood.verbs.guard import check_gates, pointer_named
from budwood.verbs.manifests import check_bytes


def endpoint_named(view: View, namespace: str, name: str) -> EndpointRecord:
    """Raises RecordNotFound."""
    found = view.endpoint(namespace, name)
    if found is None:
        raise RecordNotFound(f"There is no endpoint {name!r} in {namespace}.", hint="See: budwood endpoint list")
    return found


def in_force(view: View, endpoint: EndpointRecord) -> RoutingRecord:
    """The newest routing."""
    found = view.routing(endpoint.id, endpoint.generation)
    assert found is not None, "an endpoint has a routing from its first moment"
    return found


def reroute(
    transaction: Transaction,
    endpoint: EndpointRecord,
    body: Endpoint,
    table: Table,
    *,
    at_ms: int,
    actor: str,
    reason: str,
    killed: bool = False,
    shadow: Shadow | None = None,
    rollout_id: int = 0,
    expected: str = "",
) -> RoutingRecord:
    """Put a routing in force. ``expected`` is the generation that the caller looked at; empty asks nothing.

    Raises GateClosed, Retired, BytesGone, PreconditionFailed.
    """
    if expected and expected != str(endpoint.generation):
        raise PreconditionFailed(
            f"Traffic of {endpoint.name} was moved meanwhile: generation {endpoint.generation} is in force.",
            hint="Look at it again, then decide.",
        )
    answering = {*table.split, *(rule.arm for rule in body.rules), body.baseline}
    had = _had(transaction, endpoint)
    arms = tuple(
        arm
        if had.get(arm, -1) >= _part(table, body, arm)
        else _judged(transaction, body, arm, answers=arm.name in answering)
        for arm in body.arms
    )
    routing = RoutingRecord(
        endpoint.id,
        endpoint.generation + 1,
        at_ms,
        actor,
        reason,
        replace(body, arms=arms),
        table,
        killed,
        shadow,
        rollout_id,
    )
    transaction.add_routing(routing)
    transaction.change_endpoint(replace(endpoint, generation=routing.generation))
    said: dict[str, Json] = {
        "generation": routing.generation,
        "split": dict(table.split),
        "versions": {arm.name: arm.digest for arm in arms},
        "killed": killed,
        "reason": reason,
    }
    if unverified := [arm.name for arm in arms if not arm.trust.is_checked]:
        said["unverified"] = list(unverified)
    if rollout_id:
        said["rollout"] = rollout_id
    transaction.add_ledger(at_ms, actor, "endpoint.routed", endpoint.name, said, endpoint.namespace)
    return routing


def all_to_baseline(body: Endpoint) -> Table:
    """The table in which nobody else answers."""
    return first_table({body.baseline: BUCKETS})


def _had(view: View, endpoint: EndpointRecord) -> dict[Arm, int]:
    """What each arm may answer now, in basis points."""
    if not endpoint.generation:
        return {}
    now = in_force(view, endpoint)
    return {arm: _part(now.table, now.body, arm) for arm in now.body.arms}


def _part(table: Table, body: Endpoint, arm: Arm) -> int:
    """The baseline answers everything when it must; an arm that a rule names, whoever the rule is for."""
    if arm.name == body.baseline:
        return BUCKETS
    ruled = any(rule.arm == arm.name for rule in body.rules)
    return BUCKETS if ruled else table.split.get(arm.name, 0)


def _judged(view: View, body: Endpoint, arm: Arm, *, answers: bool) -> Arm:
    """The arm as it may be used. What answers must have been let through; what does not, may still hear copies."""
    version = view.version_by_number(body.namespace, body.model, arm.number)
    if version is None or version.digest != arm.digest:
        raise RecordNotFound(f"{body.model}@v{arm.number} is not there any more.", hint="Give the arm another version.")
    if version.retired_ms and answers:
        raise Retired(f"{version.reference} is retired: {version.retired_reason or 'no reason given'}.")
    check_bytes(version)
    try:
        check_gates(view, version, pointer_named(body.guarded_by))
    except GateClosed:
        if answers:
            raise
        return replace(arm, shadow_only=True)
    return replace(arm, shadow_only=False)
