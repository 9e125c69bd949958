"""Which versions endpoints send traffic to, and until when they last did: retention and deletion ask.

An arm counts whatever its share is: a split is moved in a moment, and a shadow hears requests too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from budwood.catalog.api import View
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.records import VersionRecord
from budwood.domain.traffic.records import EndpointRecord, RoutingRecord


@dataclass(frozen=True, slots=True)
class Answering:
    """``endpoints`` that have the version as an arm now; ``left_ms`` is when one last took it away, 0 for never."""

    endpoints: tuple[str, ...] = ()
    left_ms: int = 0


NOWHERE = Answering()
Arms = Mapping[tuple[str, int], Answering]


def answering_in(view: View, namespace: str) -> Arms:
    """For each (model, number) that an endpoint of the namespace has, or had, as an arm. Removed endpoints are out."""
    found: dict[tuple[str, int], Answering] = {}
    for endpoint in view.endpoints(namespace):
        for version, left_ms in _last(view, endpoint).items():
            before = found.get(version, NOWHERE)
            names = before.endpoints if left_ms else (*before.endpoints, endpoint.name)
            found[version] = Answering(names, max(before.left_ms, left_ms))
    return found


def answers(view: View, version: VersionRecord) -> Answering:
    """Of one version."""
    return answering_in(view, version.namespace).get((version.model, version.number), NOWHERE)


def _last(view: View, endpoint: EndpointRecord) -> dict[tuple[str, int], int]:
    """When each version that was ever an arm stopped to be one; 0 for those that are."""
    last: dict[tuple[str, int], int] = {}
    ended_ms, before = 0, 0
    while page := view.routings(endpoint.id, before=before, limit=PAGE_ROWS):
        for routing in page:
            for version in _arms(routing):
                last.setdefault(version, ended_ms)
            ended_ms = routing.at_ms
        before = page[-1].generation
    return last


def _arms(routing: RoutingRecord) -> frozenset[tuple[str, int]]:
    model = routing.body.model.rpartition("/")[2]
    return frozenset((model, arm.number) for arm in routing.body.arms)
