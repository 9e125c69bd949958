"""What gateways should have: named resources by type, each as bytes, with a version for each type.

A version is the digest of the resources, so two control planes that say the same say it with the same version, and one
that starts again sends nothing that a gateway has already.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from budwood.delivery.gateway.config import Place, clusters, listener, route_table, runtime
from budwood.delivery.xds.messages import TYPE, encoded
from budwood.domain.traffic.endpoint import Routing

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
ORDER: Final = (RUNTIME, CLUSTER, LISTENER, ROUTES)
"""Of sending: what is named must be there before what names it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """All of one type."""

    version: str
    bodies: tuple[bytes, ...]

    @classmethod
    def of(cls, bodies: Iterable[bytes]) -> "Resources":
        """With the version that they have."""
        every = tuple(bodies)
        digest = hashlib.sha256()
        for body in every:
            digest.update(len(body).to_bytes(8, "big") + body)
        return cls(digest.hexdigest()[:16], every)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``resources`` by the full name of their type."""

    resources: Mapping[str, Resources]

    def version(self, kind: str) -> str:
        """Of one type; empty where there is none."""
        found = self.resources.get(kind)
        return found.version if found else ""


def snapshot(place: Place, routings: Mapping[str, Routing]) -> Snapshot:
    """For a gateway at a place. Raises ValueError when a value is none that a gateway has."""
    return Snapshot(
        {
            LISTENER: Resources.of([encoded(LISTENER, listener(place))]),
            CLUSTER: Resources.of(encoded(CLUSTER, each) for each in clusters(routings)),
            ROUTES: Resources.of([encoded(ROUTES, route_table(routings))]),
            RUNTIME: Resources.of([encoded(RUNTIME, runtime(routings))]),
        }
    )


def type_url(kind: str) -> str:
    """As it is written on the wire."""
    return TYPE + kind
