"""What gateways do with an endpoint's traffic now, beside what is wanted of them."""

from typing import Final

from budwood.catalog.api import View
from budwood.domain.asks_delivery import Observed
from budwood.domain.traffic.records import EndpointRecord
from budwood.verbs.gateways import is_heard

REFUSED: Final = "It refused something: budwood gateway list"
"""A gateway's own words may name endpoints of others, so they are for those who keep it."""


def observed(view: View, endpoint: EndpointRecord, now_ms: int) -> tuple[Observed, ...]:
    """Of each gateway that has taken the endpoint, by name."""
    found = []
    for name, generation in sorted(view.takers(endpoint.id).items()):
        gateway, routing = view.gateway(name), view.routing(endpoint.id, generation)
        if gateway is not None and routing is not None:
            refused = REFUSED if gateway.refused else ""
            found.append(Observed(name, is_heard(gateway, now_ms), generation, routing.table.split, refused))
    return tuple(found)
