"""The last configuration that a gateway took, as one file that it can start from without a control plane.

What came over the wire is put in the places where a gateway looks when nobody tells it anything: routes within their
listener, filters within the chain, runtime values as a layer that stays. A table that many scopes lead to would be
written once for each, so each gets the routes that it can reach and no others.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from budwood.delivery.gateway.addresses import named
from budwood.delivery.gateway.addresses import scope as address_scope
from budwood.delivery.gateway.names import MODEL_HEADER
from budwood.delivery.xds.messages import plain

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
EXTENSIONS: Final = "envoy.config.core.v3.TypedExtensionConfig"
SCOPES: Final = "envoy.config.route.v3.ScopedRouteConfiguration"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
KINDS: Final = (RUNTIME, CLUSTER, LISTENER, EXTENSIONS, SCOPES, ROUTES)


def alone(live: bytes, took: Mapping[str, Sequence[bytes]]) -> bytes:
    """A boot file like ``live`` that needs nobody: ``took`` is what was taken, by type."""
    boot: dict[str, Any] = json.loads(live)
    routes = {each["name"]: each for each in (plain(ROUTES, body) for body in took[ROUTES])}
    scopes = [plain(SCOPES, body) for body in took[SCOPES]]
    chosen = {each["name"]: each["typed_config"] for each in (plain(EXTENSIONS, body) for body in took[EXTENSIONS])}
    layer = {key: value for body in took[RUNTIME] for key, value in plain(RUNTIME, body).get("layer", {}).items()}
    del boot["dynamic_resources"]
    boot["static_resources"] = {
        **boot["static_resources"],
        "listeners": [
            *boot["static_resources"].get("listeners", []),
            *(_listener(plain(LISTENER, body), scopes, routes, chosen) for body in took[LISTENER]),
        ],
        "clusters": [*boot["static_resources"]["clusters"], *(plain(CLUSTER, body) for body in took[CLUSTER])],
    }
    boot["layered_runtime"] = {
        "layers": [{"name": "kept", "static_layer": layer}, {"name": "admin", "admin_layer": {}}]
    }
    return json.dumps(boot, indent=1, sort_keys=True).encode()


def _listener(
    listener: dict[str, Any], scopes: Sequence[dict[str, Any]], routes: Mapping[str, Any], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    for chain in listener["filter_chains"]:
        for each in chain["filters"]:
            manager = each["typed_config"]
            if "rds" in manager:
                manager["route_config"] = routes[manager.pop("rds")["route_config_name"]]
            else:
                found = [_whole(scope, routes) for scope in scopes if scope["route_configuration_name"] in routes]
                del manager["scoped_routes"]["scoped_rds"]
                manager["scoped_routes"]["scoped_route_configurations_list"] = {"scoped_route_configurations": found}
            for one in manager["http_filters"]:
                if one.pop("config_discovery", None) is not None:
                    one["typed_config"] = chosen[one["name"]]
    return listener


def _whole(scope: Mapping[str, Any], routes: Mapping[str, Any]) -> dict[str, Any]:
    """A scope with the routes that it leads to."""
    table = routes[scope["route_configuration_name"]]
    steps = tuple(fragment.get("string_key", "") for fragment in scope["key"]["fragments"])
    (host,) = table["virtual_hosts"]
    reached = [route for route in host.get("routes", ()) if _reaches(steps, route["match"])]
    whole = {**table, "virtual_hosts": [{**host, "routes": reached}]}
    return {"name": scope["name"], "key": scope["key"], "route_configuration": whole}


def _reaches(steps: tuple[str, ...], match: Mapping[str, Any]) -> bool:
    if "path" in match:
        return address_scope(match["path"]) == steps
    names = (each["string_match"]["exact"] for each in match.get("headers", ()) if each["name"] == MODEL_HEADER)
    return all(address_scope(named(name)) == steps for name in names)
