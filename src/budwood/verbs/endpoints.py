"""Endpoints: make and change them, move their split, send everything back, and tell where they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_delivery import EndpointShown
from budwood.domain.limits import ENDPOINT_BYTES, ENDPOINTS_PER_NAMESPACE
from budwood.domain.rollout.records import RolloutState
from budwood.domain.traffic.endpoint import Arm, Endpoint
from budwood.domain.traffic.reading import Wanted, WantedArm, read_endpoint, resolved
from budwood.domain.traffic.records import EndpointRecord, RoutingRecord
from budwood.domain.traffic.segments import Split, Table, first_table, moved_to
from budwood.errors import BadEndpoint, BadName, LimitExceeded, RolloutRunning
from budwood.verbs.guard import pointer_named
from budwood.verbs.house import House
from budwood.verbs.manifests import check_bytes
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.observed import observed
from budwood.verbs.resolve import resolve
from budwood.verbs.routing import all_to_baseline, endpoint_named, in_force, reroute
from budwood.verbs.yaml_text import document_from


def put_endpoint(house: House, namespace: str, text: str, *, name: str = "", expected: str = "") -> EndpointShown:
    """Make or change an endpoint. Its split changes only where the document's is another than it was.

    Raises BadEndpoint, BadSplit, BadReference, NotFound, GateClosed, Retired, PreconditionFailed, RolloutRunning,
    LimitExceeded.
    """
    now = house.clock()

    def work(transaction: Transaction) -> EndpointShown:
        room = namespace_named(transaction, namespace).name
        wanted = wanted_from(text, room)
        if name and wanted.name != name:
            raise BadEndpoint(
                f"metadata.name is {wanted.name!r} and not {name[:80]!r}.", hint="Use one name.", field="metadata.name"
            )
        before = transaction.endpoint(room, wanted.name)
        if before is None and len(transaction.endpoints(room)) >= ENDPOINTS_PER_NAMESPACE:
            raise LimitExceeded(
                f"A namespace has at most {ENDPOINTS_PER_NAMESPACE} endpoints.", limit="ENDPOINTS_PER_NAMESPACE"
            )
        if before is not None:
            check_idle(transaction, before)
        record = before or transaction.add_endpoint(EndpointRecord(0, room, wanted.name, text, house.author, now))
        kept = in_force(transaction, record) if before else None
        salt = kept.body.sticky.salt if kept and kept.body.sticky else house.ids()
        body = resolved(wanted, {arm.name: _arm(transaction, wanted, arm) for arm in wanted.arms}, salt)
        routing = reroute(
            transaction,
            replace(record, text=text),
            body,
            _table(wanted, before, kept, room),
            at_ms=now,
            actor=house.author,
            reason="changed" if before else "made",
            expected=expected,
        )
        return shown(transaction, endpoint_named(transaction, room, wanted.name), routing)

    return house.catalog.write(work)


def set_split(
    house: House, namespace: str, name: str, split: Split, reason: str = "", *, expected: str = ""
) -> EndpointShown:
    """Move traffic between the arms there are; this also ends a roll-back.

    Raises BadSplit, RecordNotFound, GateClosed, Retired, PreconditionFailed, RolloutRunning.
    """

    def work(transaction: Transaction) -> EndpointShown:
        endpoint = endpoint_named(transaction, namespace, name)
        check_idle(transaction, endpoint)
        now = in_force(transaction, endpoint)
        known = {arm.name for arm in now.body.arms}
        for arm in split:
            if arm not in known:
                raise BadEndpoint(
                    f"{name} has no arm {arm[:80]!r}.", hint=f"It has {', '.join(sorted(known))}.", field="split"
                )
        routing = reroute(
            transaction,
            endpoint,
            now.body,
            moved_to(now.table, split),
            at_ms=house.clock(),
            actor=house.author,
            reason=reason,
            expected=expected,
        )
        return shown(transaction, endpoint, routing)

    return house.catalog.write(work)


def send_back(house: House, namespace: str, name: str, reason: str) -> EndpointShown:
    """Everything to the baseline, at once and whatever else holds; nobody is asked, and a rollout that runs ends.

    Raises RecordNotFound.
    """

    def work(transaction: Transaction) -> EndpointShown:
        endpoint, now = endpoint_named(transaction, namespace, name), house.clock()
        routing = turned_back(transaction, endpoint, at_ms=now, actor=house.author, reason=reason)
        for rollout in transaction.rollouts(endpoint.id, limit=1):
            if rollout.state is RolloutState.RUNNING:
                ended = replace(rollout, state=RolloutState.ROLLED_BACK, ended_ms=now, ended_why=reason)
                transaction.change_rollout(ended)
        return shown(transaction, endpoint, routing)

    return house.catalog.write(work)


def turned_back(
    transaction: Transaction, endpoint: EndpointRecord, *, at_ms: int, actor: str, reason: str, rollout_id: int = 0
) -> RoutingRecord:
    """The routing in which the baseline answers everything: the kill switch is set, and the table is its too."""
    now = in_force(transaction, endpoint)
    return reroute(
        transaction,
        endpoint,
        now.body,
        all_to_baseline(now.body),
        at_ms=at_ms,
        actor=actor,
        reason=reason,
        killed=True,
        rollout_id=rollout_id,
    )


def list_endpoints(house: House, namespace: str) -> tuple[EndpointShown, ...]:
    """By name. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        return tuple(shown(view, each, in_force(view, each)) for each in view.endpoints(room))


def show_endpoint(house: House, namespace: str, name: str, *, at_ms: int = 0) -> EndpointShown:
    """Where it stands, or what was in force at a moment. Raises RecordNotFound."""
    with house.catalog.read() as view:
        endpoint = endpoint_named(view, namespace, name)
        routing = view.routing_at(endpoint.id, at_ms) if at_ms else in_force(view, endpoint)
        if routing is None:
            raise BadEndpoint(f"{name} was made later than that.", hint="Give a later time, or none.", field="at")
        seen = () if at_ms else observed(view, endpoint, house.clock())
        return replace(shown(view, endpoint, routing), observed=seen)


def remove_endpoint(house: House, namespace: str, name: str) -> EndpointShown:
    """Its history stays. Raises RecordNotFound, RolloutRunning."""
    now = house.clock()

    def work(transaction: Transaction) -> EndpointShown:
        endpoint = endpoint_named(transaction, namespace, name)
        check_idle(transaction, endpoint)
        gone = replace(endpoint, removed_ms=now)
        transaction.change_endpoint(gone)
        body = {"generation": endpoint.generation}
        transaction.add_ledger(now, house.author, "endpoint.removed", name, body, namespace)
        return shown(transaction, gone, in_force(transaction, endpoint))

    return house.catalog.write(work)


def check_idle(view: View, endpoint: EndpointRecord) -> None:
    """Raises RolloutRunning."""
    for rollout in view.rollouts(endpoint.id, limit=1):
        if rollout.state is RolloutState.RUNNING:
            raise RolloutRunning(
                f"The rollout {rollout.name} moves the traffic of {endpoint.name}.",
                hint=f"Let it end, or: budwood rollout abort {endpoint.name}",
                rollout=rollout.id,
            )


def shown(view: View, endpoint: EndpointRecord, routing: RoutingRecord) -> EndpointShown:
    """As people see it: without the salt."""
    running = [each for each in view.rollouts(endpoint.id, limit=1) if each.state is RolloutState.RUNNING]
    return EndpointShown(
        endpoint.namespace,
        endpoint.name,
        routing.generation,
        routing.at_ms,
        routing.actor,
        routing.reason,
        unsalted(routing.body),
        routing.table.split,
        routing.killed,
        routing.shadow,
        (),
        running[0].id if running else 0,
        endpoint.text,
        endpoint.removed_ms,
    )


def unsalted(body: Endpoint) -> Endpoint:
    """Nobody who reads it can choose an arm."""
    return replace(body, sticky=replace(body.sticky, salt="") if body.sticky else None)


def wanted_from(text: str, namespace: str) -> Wanted:
    """Raises BadEndpoint, BadSplit, LimitExceeded."""
    document = document_from(text, BadEndpoint, most=ENDPOINT_BYTES, limit="ENDPOINT_BYTES")
    wanted = read_endpoint(document, namespace)
    try:
        pointer_named(wanted.body.guarded_by)
    except BadName as error:
        raise BadEndpoint(
            f"spec.guardedBy is {wanted.body.guarded_by[:80]!r}.",
            hint="A stage or an alias: production.",
            field="spec.guardedBy",
        ) from error
    return wanted


def arm_of(view: View, namespace: str, model: str, arm: WantedArm) -> Arm:
    """An arm with the version that its reference stands for now. Raises BadReference, VersionNotFound, BytesGone."""
    version = resolve(view, f"{namespace}/{model}@{arm.version}")
    check_bytes(version)
    names: Sequence[str] = (*([version.label] if version.label else []), arm.name)
    names = tuple(dict.fromkeys(names))
    return Arm(arm.name, version.number, version.digest, arm.backends, names, arm.health, trust=arm.trust)


def _arm(view: View, wanted: Wanted, arm: WantedArm) -> Arm:
    return arm_of(view, wanted.body.namespace, wanted.model, arm)


def _table(wanted: Wanted, before: EndpointRecord | None, kept: RoutingRecord | None, room: str) -> Table:
    """As it lies, unless the document says another split than the one before did."""
    if before is None or kept is None:
        return first_table(wanted.split)
    known: Mapping[str, int] = wanted_from(before.text, room).split
    arms = {arm.name for arm in wanted.arms}
    if known == wanted.split and set(kept.table.split) <= arms and not kept.killed:
        return kept.table
    return moved_to(kept.table, wanted.split)
