"""What an endpoint served at a moment, and what stood behind a version that answered: bytes, lineage, approvals."""

from budwood.domain.asks_serving import Approval, Behind, Serving
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.trace import Direction
from budwood.domain.traffic.endpoint import Arm
from budwood.domain.traffic.records import RoutingRecord
from budwood.errors import BadEndpoint
from budwood.verbs.guard import pointer_named
from budwood.verbs.house import House
from budwood.verbs.routing import endpoint_named, in_force
from budwood.verbs.trace import trace


def serving(house: House, namespace: str, endpoint: str, at_ms: int = 0) -> Serving:
    """What was in force then; now where no moment is given. Raises RecordNotFound, BadEndpoint."""
    moment = at_ms or house.clock()
    with house.catalog.read() as view:
        record = endpoint_named(view, namespace, endpoint)
        routing = view.routing_at(record.id, moment) if at_ms else in_force(view, record)
    if routing is None:
        raise BadEndpoint(f"{endpoint} was made later than that.", hint="Give a later time, or none.", field="at")
    split = routing.table.split
    answering = [arm for arm in routing.body.arms if split.get(arm.name, 0) or arm.name == routing.body.baseline]
    return Serving(
        endpoint,
        moment,
        routing.generation,
        routing.at_ms,
        routing.actor,
        routing.reason,
        split,
        routing.killed,
        tuple(behind(house, routing, arm, moment) for arm in answering),
    )


def behind(house: House, routing: RoutingRecord, arm: Arm, at_ms: int) -> Behind:
    """What is known of an arm's version, as it was at a moment. A version that is gone leaves its name and digest."""
    namespace, model = routing.body.namespace, routing.body.model
    said = Behind(
        arm.name, f"{model_path(namespace, model)}@v{arm.number}", arm.digest, routing.table.split.get(arm.name, 0)
    )
    with house.catalog.read() as view:
        version = view.version_by_number(namespace, model, arm.number)
    if version is None or version.digest != arm.digest:
        return said
    found = trace(house, f"{namespace}/{model}@v{arm.number}", Direction.UP)
    approvals, past = _approvals(house, version, routing.body.guarded_by, at_ms)
    return Behind(
        *(said.arm, said.version, said.digest, said.points, version.author, version.created_ms),
        tuple(each.version.reference for each in found.versions[1:]),
        found.versions[0].datasets if found.versions else (),
        approvals,
        past,
    )


def _approvals(house: House, version: VersionRecord, guarded_by: str, at_ms: int) -> tuple[tuple[Approval, ...], str]:
    """Until then, for what the endpoint is guarded by; and who took it past the gates, if anybody did."""
    said: list[Approval] = []
    past = ""
    with house.catalog.read() as view:
        for promotion in view.promotions_of(version.id, pointer_named(guarded_by)):
            if promotion.broke_glass and promotion.decided_ms <= at_ms:
                past = past or promotion.requester
            said += [
                Approval(each.person, each.approves, each.at_ms, guarded_by, each.reason)
                for each in view.reviews(promotion.id)
                if each.at_ms <= at_ms
            ]
    return tuple(sorted(said, key=lambda each: each.at_ms)), past
