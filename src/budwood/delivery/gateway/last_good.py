"""The last configuration that a gateway took, as one file that it can start from without a control plane.

What came over the wire is put in the places where a gateway looks when nobody tells it anything: routes within their
listener, filters within the chain, runtime values as a layer that stays.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from budwood.delivery.xds.messages import plain

CLUSTER: Final = "envoy.config.cluster.v3.Cluster"
LISTENER: Final = "envoy.config.listener.v3.Listener"
EXTENSIONS: Final = "envoy.config.core.v3.TypedExtensionConfig"
ROUTES: Final = "envoy.config.route.v3.RouteConfiguration"
RUNTIME: Final = "envoy.service.runtime.v3.Runtime"
KINDS: Final = (RUNTIME, CLUSTER, LISTENER, EXTENSIONS, ROUTES)


def alone(live: bytes, took: Mapping[str, Sequence[bytes]]) -> bytes:
    """A boot file like ``live`` that needs nobody: ``took`` is what was taken, by type."""
    boot: dict[str, Any] = json.loads(live)
    routes = {each["name"]: each for each in (plain(ROUTES, body) for body in took[ROUTES])}
    chosen = {each["name"]: each["typed_config"] for each in (plain(EXTENSIONS, body) for body in took[EXTENSIONS])}
    layer = {key: value for body in took[RUNTIME] for key, value in plain(RUNTIME, body).get("layer", {}).items()}
    del boot["dynamic_resources"]
    boot["static_resources"] = {
        **boot["static_resources"],
        "listeners": [
            *boot["static_resources"].get("listeners", []),
            *(_listener(plain(LISTENER, body), routes, chosen) for body in took[LISTENER]),
        ],
        "clusters": [*boot["static_resources"]["clusters"], *(plain(CLUSTER, body) for body in took[CLUSTER])],
    }
    boot["layered_runtime"] = {
        "layers": [{"name": "kept", "static_layer": layer}, {"name": "admin", "admin_layer": {}}]
    }
    return json.dumps(boot, indent=1, sort_keys=True).encode()


def _listener(listener: dict[str, Any], routes: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    for chain in listener["filter_chains"]:
        for each in chain["filters"]:
            manager = each["typed_config"]
            manager["route_config"] = routes[manager.pop("rds")["route_config_name"]]
            for one in manager["http_filters"]:
                if one.pop("config_discovery", None) is not None:
                    one["typed_config"] = chosen[one["name"]]
    return listener
