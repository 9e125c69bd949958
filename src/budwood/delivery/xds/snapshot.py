"""What gateways should have: named resources by type, each as bytes, with a version for each type.

A version is the digest of the resources, so two control planes that say the same say it with the same version, and one
that starts again sends nothing that a gateway has already.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.delivery.gateway.config import ROUTES as ROUTE_TABLE
from budwood.delivery.gateway.config import Place, clusters, listener, runtime
from budwood.delivery.gateway.routes import routes_of
from budwood.delivery.shadow.listener import SHADOW_ROUTES, shadow_cluster, shadow_listener, shadow_routes
from budwood.delivery.xds.messages import TYPE, encoded
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import Routing

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
_HOST: Final = "envoy.config.route.v3.VirtualHost"
_ROUTE: Final = "envoy.config.route.v3.Route"
_HOSTS_OF_TABLE: Final = 2
_ROUTES_OF_HOST: Final = 3
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


def at_once(had: Snapshot, routings: Mapping[str, Routing]) -> Snapshot:
    """What a gateway has, with the kill switches as they should be now: the part that cannot wait for the rest."""
    return Snapshot({**had.resources, RUNTIME: Resources.of([encoded(RUNTIME, runtime(routings))])})


class Encoded:
    """The bytes of every endpoint, kept by generation: a change of one costs that one, however many there are.

    A table of routes is the bytes of its routes, one after another, behind a few bytes of its own.
    """

    def __init__(self) -> None:
        self._routes: dict[str, tuple[int, bytes]] = {}
        self._clusters: dict[str, tuple[int, tuple[bytes, ...]]] = {}

    def snapshot(self, place: Place, routings: Mapping[str, Routing]) -> Snapshot:
        """For a gateway at a place. Raises ValueError when a value is none that a gateway has."""
        for gone in self._routes.keys() - routings.keys():
            del self._routes[gone], self._clusters[gone]
        keys = sorted(routings)
        return Snapshot(
            {
                RUNTIME: Resources.of([encoded(RUNTIME, runtime(routings))]),
                CLUSTER: Resources.of(self._every_cluster(place, keys, routings)),
                LISTENER: Resources.of(
                    encoded(LISTENER, each) for each in (listener(place), shadow_listener(place.log))
                ),
                ROUTES: Resources.of([self._table(keys, routings), _copies(routings)]),
            }
        )

    def _every_cluster(self, place: Place, keys: Sequence[str], routings: Mapping[str, Routing]) -> Iterator[bytes]:
        yield encoded(CLUSTER, shadow_cluster(place.log))
        for key in keys:
            yield from self._clusters_of(key, routings[key])

    def _table(self, keys: Sequence[str], routings: Mapping[str, Routing]) -> bytes:
        host = encoded(_HOST, {"name": "all", "domains": ["*"]})
        host += b"".join(self._routes_of(key, routings[key]) for key in keys)
        return encoded(ROUTES, {"name": ROUTE_TABLE}) + _field(_HOSTS_OF_TABLE, host)

    def _routes_of(self, key: str, routing: Routing) -> bytes:
        known = self._routes.get(key)
        if known is None or known[0] != routing.generation:
            body = b"".join(_field(_ROUTES_OF_HOST, encoded(_ROUTE, each)) for each in routes_of(routing))
            known = self._routes[key] = (routing.generation, body)
        return known[1]

    def _clusters_of(self, key: str, routing: Routing) -> tuple[bytes, ...]:
        known = self._clusters.get(key)
        if known is None or known[0] != routing.generation:
            bodies = tuple(encoded(CLUSTER, each) for each in clusters({key: routing}))
            known = self._clusters[key] = (routing.generation, bodies)
        return known[1]


def snapshot(place: Place, routings: Mapping[str, Routing]) -> Snapshot:
    """All of it, made anew."""
    return Encoded().snapshot(place, routings)


def _copies(routings: Mapping[str, Routing]) -> bytes:
    host: dict[str, Json] = {"name": "all", "domains": ["*"], "routes": list(shadow_routes(routings))}
    return encoded(ROUTES, {"name": SHADOW_ROUTES, "virtual_hosts": [host]})


def type_url(kind: str) -> str:
    """As it is written on the wire."""
    return TYPE + kind


def _field(number: int, body: bytes) -> bytes:
    """A field of bytes as a message holds it: its number and kind, its length, itself."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
