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
from budwood.delivery.gateway.guards import tokens
from budwood.delivery.gateway.quotas import quotas
from budwood.delivery.gateway.routes import entries_by_model, entries_by_path
from budwood.delivery.shadow.listener import SHADOW_ROUTES, shadow_cluster, shadow_listener, shadow_routes
from budwood.delivery.xds.messages import TYPE, encoded
from budwood.delivery.xds.tree import on_match, table
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import KeyAuth, Routing

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
EXTENSIONS: Final = "envoy.config.core.v3.TypedExtensionConfig"
ORDER: Final = (RUNTIME, CLUSTER, LISTENER, EXTENSIONS, ROUTES)
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


@dataclass(frozen=True, slots=True)
class _Known:
    """The entries of one endpoint. Its clients' keys change without a new generation."""

    generation: int
    keys: KeyAuth | None
    sharers: int
    by_path: tuple[tuple[str, bytes], ...]
    by_model: tuple[tuple[str, bytes], ...]


class Encoded:
    """The bytes of every endpoint, kept by generation: a change of one costs that one, however many there are.

    A table of routes is the bytes of its entries, one after another, behind a few bytes of its own.
    """

    def __init__(self) -> None:
        self._routes: dict[str, _Known] = {}
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
                EXTENSIONS: Resources.of(
                    encoded(EXTENSIONS, made(routings[key] for key in keys)) for made in (tokens, quotas)
                ),
                ROUTES: Resources.of([self._table(keys, routings), _copies(routings)]),
            }
        )

    def _every_cluster(self, place: Place, keys: Sequence[str], routings: Mapping[str, Routing]) -> Iterator[bytes]:
        yield encoded(CLUSTER, shadow_cluster(place.log))
        for key in keys:
            yield from self._clusters_of(key, routings[key])

    def _table(self, keys: Sequence[str], routings: Mapping[str, Routing]) -> bytes:
        known = [self._routes_of(key, routings[key]) for key in keys]
        # Where two endpoints claim a name, it is the first one's.
        by_model = {name: body for each in reversed(known) for name, body in each.by_model}
        return table(ROUTE_TABLE, (entry for each in known for entry in each.by_path), by_model)

    def _routes_of(self, key: str, routing: Routing) -> "_Known":
        known = self._routes.get(key)
        sharers = routing.sharers if routing.endpoint.is_rated else 1
        has = (routing.generation, routing.endpoint.keys, sharers)
        if known is None or (known.generation, known.keys, known.sharers) != has:
            known = self._routes[key] = _Known(
                *has,
                tuple((entry.key, on_match(entry)) for entry in entries_by_path(routing)),
                tuple((entry.key, on_match(entry)) for entry in entries_by_model(routing)),
            )
        return known

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
