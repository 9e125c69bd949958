"""Which version answered a request: from the request's id to the bytes, and to who sent traffic there."""

from budwood.domain.asks_delivery import Answered
from budwood.domain.records import model_path
from budwood.errors import RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.served_then import behind


def which(house: House, namespace: str, request: str) -> Answered:
    """Raises RecordNotFound, also for requests of other namespaces."""
    with house.catalog.read() as view:
        served = view.served(request)
        endpoint = view.endpoint_by_id(served.endpoint_id) if served else None
        if served is None or endpoint is None or endpoint.namespace != namespace:
            known = f"known for {house.requests_kept_s / 86_400:g} days"
            raise RecordNotFound(
                f"Nobody here knows of the request {request[:80]!r}.",
                hint=f"It is the answer's x-request-id, {known}; a gateway tells of it within a second.",
            )
        routing = view.routing(endpoint.id, served.generation)
        assert routing is not None, "a gateway only has generations that were made"
    arm = next((arm for arm in routing.body.arms if arm.number == served.number), None)
    return Answered(
        served.request,
        served.at_ms,
        endpoint.name,
        served.generation,
        f"{model_path(namespace, routing.body.model)}@v{arm.number}" if arm else "",
        arm.digest if arm else "",
        served.code,
        served.latency_us,
        routing.table.split,
        routing.actor,
        routing.reason,
        behind(house, routing, arm, served.at_ms) if arm else None,
    )
