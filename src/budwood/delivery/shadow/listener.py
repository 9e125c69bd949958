"""Where a gateway hears copies of requests: a socket in its own folder, which nobody else may open. Pure values."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from budwood.delivery.gateway.routes import SHADOW_CLUSTER, Plain, shadow_route
from budwood.delivery.shadow.capture import SHADOW_SIDE, captures_log, script
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import Routing

SHADOW_LISTENER: Final = "budwood.shadow"
SHADOW_ROUTES: Final = "budwood.copies"
_MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER: Final = "envoy.extensions.filters.http.router.v3.Router"


def shadow_listener(log: str) -> Plain:
    """It keeps the id that the request came with: that is what the two answers are joined by."""
    manager: Plain = {
        "@type": TYPE + _MANAGER,
        "stat_prefix": "budwood_shadow",
        "rds": {"route_config_name": SHADOW_ROUTES, "config_source": {"ads": {}, "resource_api_version": "V3"}},
        "http_filters": [
            script(everywhere=True),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + _ROUTER}},
        ],
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "access_log": [captures_log(log, SHADOW_SIDE)],
    }
    named = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {"name": SHADOW_LISTENER, "address": _socket(log), "filter_chains": [{"filters": [named]}]}


def shadow_cluster(log: str) -> Plain:
    """The way there. What it cannot take at once is not copied."""
    return {
        "name": SHADOW_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": SHADOW_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(log)}}]}],
        },
    }


def shadow_routes(routings: Mapping[str, Routing]) -> Iterator[Plain]:
    """One for each endpoint that copies."""
    for key in sorted(routings):
        if (route := shadow_route(routings[key])) is not None:
            yield route


def _socket(log: str) -> Plain:
    return {"pipe": {"path": str(PurePosixPath(log).parent / "shadow.sock"), "mode": 0o600}}
