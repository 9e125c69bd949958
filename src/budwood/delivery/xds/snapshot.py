"""What gateways should have: named resources by type, each as bytes, with a version for each type.

A version is the digest of the resources, so two control planes that say the same say it with the same version, and one
that starts again sends nothing that a gateway has already.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from budwood.delivery.gateway.addresses import scope
from budwood.delivery.gateway.config import Place, clusters, listener, runtime
from budwood.delivery.gateway.guards import tokens
from budwood.delivery.gateway.quotas import quotas
from budwood.delivery.gateway.routes import UNREAD, addresses, table, table_name, unread_addresses, unread_table
from budwood.delivery.shadow.listener import SHADOW_ROUTES, shadow_cluster, shadow_listener, shadow_routes
from budwood.delivery.xds.messages import TYPE, encoded
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import KeyAuth, Routing

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
SCOPES: Final = "envoy.config.route.v3.ScopedRouteConfiguration"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
EXTENSIONS: Final = "envoy.config.core.v3.TypedExtensionConfig"
ORDER: Final = (RUNTIME, CLUSTER, LISTENER, EXTENSIONS, SCOPES, ROUTES)
"""Of sending: what is named must be there before what names it."""


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


def at_once(had: Snapshot, routings: Mapping[str, Routing]) -> Snapshot:
    """What a gateway has, with the kill switches as they should be now: the part that cannot wait for the rest."""
    return Snapshot({**had.resources, RUNTIME: _runtime(routings)})


@dataclass(frozen=True, slots=True)
class _Known:
    """What one endpoint comes to. Its clients' keys change without a new generation."""

    generation: int
    keys: KeyAuth | None
    sharers: int
    table: Resource
    scopes: tuple[tuple[tuple[str, ...], Resource], ...]
    clusters: tuple[Resource, ...]


class Encoded:
    """The bytes of every endpoint, kept by generation: a change of one costs that one, however many there are."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def snapshot(self, place: Place, routings: Mapping[str, Routing]) -> Snapshot:
        """For a gateway at a place. Raises ValueError when a value is none that a gateway has."""
        for gone in self._known.keys() - routings.keys():
            del self._known[gone]
        keys = sorted(routings)
        known = [self._of(key, routings[key]) for key in keys]
        shadow = _resource(CLUSTER, shadow_cluster(place.log))
        listeners = (listener(place), shadow_listener(place.log))
        ordered = [routings[key] for key in keys]
        return Snapshot(
            {
                RUNTIME: _runtime(routings),
                CLUSTER: Resources.of((shadow, *(body for each in known for body in each.clusters))),
                LISTENER: Resources.of(_resource(LISTENER, each) for each in listeners),
                EXTENSIONS: Resources.of(_resource(EXTENSIONS, made(ordered)) for made in (tokens, quotas)),
                SCOPES: Resources.of(_scopes(known, ordered)),
                ROUTES: Resources.of((_unread(), _copies(routings), *(each.table for each in known))),
            }
        )

    def _of(self, key: str, routing: Routing) -> "_Known":
        known = self._known.get(key)
        has = (routing.generation, routing.endpoint.keys, routing.sharers if routing.endpoint.is_rated else 1)
        if known is None or (known.generation, known.keys, known.sharers) != has:
            known = self._known[key] = _Known(
                *has,
                _resource(ROUTES, table(routing)),
                tuple(_leading(addresses(routing), table_name(routing))),
                tuple(_resource(CLUSTER, each) for each in clusters({key: routing})),
            )
        return known


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


@cache
def _unread() -> Resource:
    return _resource(ROUTES, unread_table())


def _scope(steps: tuple[str, ...], name: str) -> Resource:
    fragments: list[Json] = [{"string_key": step} for step in steps]
    plain: dict[str, Json] = {
        "name": "/".join(("", *steps)),
        "route_configuration_name": name,
        "key": {"fragments": fragments},
    }
    return _resource(SCOPES, plain)


def _runtime(routings: Mapping[str, Routing]) -> Resources:
    return Resources.of([_resource(RUNTIME, runtime(routings))])


def _copies(routings: Mapping[str, Routing]) -> Resource:
    host: dict[str, Json] = {"name": "all", "domains": ["*"], "routes": list(shadow_routes(routings))}
    return _resource(ROUTES, {"name": SHADOW_ROUTES, "virtual_hosts": [host]})


def _resource(kind: str, plain: Mapping[str, Json]) -> Resource:
    return Resource.of(str(plain["name"]), encoded(kind, plain))


def type_url(kind: str) -> str:
    """As it is written on the wire."""
    return TYPE + kind
