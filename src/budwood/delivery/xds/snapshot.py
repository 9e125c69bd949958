"""What gateways should have: named resources by type, each as bytes, with a version for each type.

A version is the digest of the resources, so two control planes that say the same say it with the same version, and one
that starts again sends nothing that a gateway has already.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from budwood.delivery.gateway.addresses import scope
from budwood.delivery.gateway.config import Place, clusters, listener, runtime
from budwood.delivery.gateway.guards import tokens
from budwood.delivery.gateway.quotas import quotas
from budwood.delivery.gateway.routes import UNREAD, addresses, table, table_name, unread_addresses, unread_table
from budwood.delivery.shadow.listener import SHADOW_ROUTES, shadow_cluster, shadow_listener, shadow_routes
from budwood.delivery.xds.messages import TYPE, encoded, kind_of
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import Endpoint, KeyAuth, Routing

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
SCOPES: Final = "envoy.config.route.v3.ScopedRouteConfiguration"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
EXTENSIONS: Final = "envoy.config.core.v3.TypedExtensionConfig"
ORDER: Final = (RUNTIME, CLUSTER, LISTENER, EXTENSIONS, SCOPES, ROUTES)
"""Of sending: what is named must be there before what names it."""
_PLACES: Final = 256


@dataclass(frozen=True, slots=True)
class Resource:
    """One, by the name that a gateway asks for it by."""

    name: str
    body: bytes
    digest: bytes

    @classmethod
    def of(cls, name: str, body: bytes) -> "Resource":
        """With its digest."""
        return cls(name, body, hashlib.sha256(body).digest())


@dataclass(frozen=True, slots=True)
class Resources:
    """All of one type."""

    version: str
    every: tuple[Resource, ...]

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> "Resources":
        """With the version that they have."""
        every = tuple(resources)
        return cls(hashlib.sha256(b"".join(each.digest for each in every)).hexdigest()[:16], every)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``resources`` by the full name of their type."""

    resources: Mapping[str, Resources]

    def version(self, kind: str) -> str:
        """Of one type; empty where there is none."""
        found = self.resources.get(kind)
        return found.version if found else ""


def kill_switches(routings: Mapping[str, Routing]) -> Resources:
    """The part that cannot wait for the rest; what a gateway has of the other types may stay beside it."""
    return Resources.of([_resource(RUNTIME, runtime(routings))])


@dataclass(frozen=True, slots=True)
class _Known:
    """What one endpoint comes to. Its clients' keys and its part of a rate change without a new generation."""

    has: tuple[int, KeyAuth | None, int]
    endpoint: Endpoint
    table: Resource
    scopes: tuple[tuple[tuple[str, ...], Resource], ...]
    clusters: tuple[Resource, ...]


class Encoded:
    """The bytes of every endpoint, kept by generation: a change of one costs that one, however many there are."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._routings: Mapping[str, Routing] = {}
        self._shared: dict[str, Resources] = {}
        self._led: tuple[list[object], Resources] = ([], Resources.of(()))

    def snapshot(self, place: Place, routings: Mapping[str, Routing]) -> Snapshot:
        """For a gateway at a place. Raises ValueError when a value is none that a gateway has."""
        if not self._shared or routings != self._routings:
            self._shared, self._routings = self._made(routings), routings
        shadow, clusters_too = _shadow_cluster(place.log), self._shared[CLUSTER].every
        return Snapshot({**self._shared, CLUSTER: Resources.of((shadow, *clusters_too)), LISTENER: _listeners(place)})

    def _made(self, routings: Mapping[str, Routing]) -> dict[str, Resources]:
        """What is the same for all gateways."""
        for gone in self._known.keys() - routings.keys():
            del self._known[gone]
        ordered = [routings[key] for key in sorted(routings)]
        known = [self._of(routing) for routing in ordered]
        return {
            RUNTIME: kill_switches(routings),
            CLUSTER: Resources.of(body for each in known for body in each.clusters),
            EXTENSIONS: Resources.of(_resource(EXTENSIONS, made(ordered)) for made in (tokens, quotas)),
            SCOPES: self._scopes(known, ordered),
            ROUTES: Resources.of((_unread(), _copies(routings), *(each.table for each in known))),
        }

    def _of(self, routing: Routing) -> _Known:
        endpoint, known = routing.endpoint, self._known.get(routing.key)
        has = (routing.generation, endpoint.keys, routing.sharers if endpoint.is_rated else 1)
        if known is not None and known.has == has:
            return known
        if known is not None and known.endpoint == endpoint:
            scopes, backends = known.scopes, known.clusters
        else:
            scopes = tuple(_leading(addresses(routing), table_name(routing)))
            backends = tuple(_resource(CLUSTER, each) for each in clusters({routing.key: routing}))
        self._known[routing.key] = _Known(has, endpoint, _resource(ROUTES, table(routing)), scopes, backends)
        return self._known[routing.key]

    def _scopes(self, known: Sequence[_Known], ordered: Sequence[Routing]) -> Resources:
        """They change only when an endpoint does, not when its traffic moves."""
        led: list[object] = [each.scopes for each in known]
        if led != self._led[0] or not led:
            self._led = led, Resources.of(_scopes(known, ordered))
        return self._led[1]


def snapshot(place: Place, routings: Mapping[str, Routing]) -> Snapshot:
    """All of it, made anew."""
    return Encoded().snapshot(place, routings)


def _scopes(known: Sequence[_Known], routings: Sequence[Routing]) -> Iterator[Resource]:
    """Where two endpoints claim a name, it is the first one's."""
    unread = _leading(unread_addresses(each.endpoint.namespace for each in routings), UNREAD)
    taken: set[tuple[str, ...]] = set()
    for steps, resource in (*unread, *(each for one in known for each in one.scopes)):
        if steps not in taken:
            taken.add(steps)
            yield resource


def _leading(every: Iterable[str], name: str) -> Iterator[tuple[tuple[str, ...], Resource]]:
    """The scopes of addresses, each once: what a gateway looks at, and where it leads."""
    for steps in dict.fromkeys(scope(address) for address in every):
        yield steps, _scope(steps, name)


@lru_cache(_PLACES)
def _listeners(place: Place) -> Resources:
    return Resources.of(_resource(LISTENER, each) for each in (listener(place), shadow_listener(place.log)))


@lru_cache(_PLACES)
def _shadow_cluster(log: str) -> Resource:
    return _resource(CLUSTER, shadow_cluster(log))


@cache
def _unread() -> Resource:
    return _resource(ROUTES, unread_table())


def _scope(steps: tuple[str, ...], name: str) -> Resource:
    """Field by field: there are a dozen for each endpoint."""
    message: Any = kind_of(SCOPES)()
    message.name, message.route_configuration_name = "/".join(("", *steps)), name
    for step in steps:
        message.key.fragments.add().string_key = step
    return Resource.of(message.name, message.SerializeToString(deterministic=True))


def _copies(routings: Mapping[str, Routing]) -> Resource:
    host: dict[str, Json] = {"name": "all", "domains": ["*"], "routes": list(shadow_routes(routings))}
    return _resource(ROUTES, {"name": SHADOW_ROUTES, "virtual_hosts": [host]})


def _resource(kind: str, plain: Mapping[str, Json]) -> Resource:
    return Resource.of(str(plain["name"]), encoded(kind, plain))


def type_url(kind: str) -> str:
    """As it is written on the wire."""
    return TYPE + kind
