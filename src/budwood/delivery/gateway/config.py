"""A gateway's whole configuration from the routings of its endpoints. Pure: values in, Envoy's values out.

One listener, one table of routes an endpoint, one cluster an arm, one runtime layer. What is set for one endpoint lies
in its own routes, so that adding an endpoint never touches another.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.delivery.gateway.addresses import STEPS
from budwood.delivery.gateway.guards import filters
from budwood.delivery.gateway.names import OWN_HEADERS, SCOPE_HEADER
from budwood.delivery.gateway.quotas import USAGE_METADATA, usage_filter
from budwood.delivery.gateway.routes import (
    METADATA,
    Plain,
    cluster_name,
    runtime_of,
)
from budwood.delivery.gateway.secured import backend_tls, roots, secured, which_tls
from budwood.delivery.shadow.capture import BASELINE_SIDE, captures_log, script
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import TENANT_HEADER, USER_HEADER, Arm, Backend, Endpoint, Routing

LISTENER: Final = "budwood.listener"
SCOPES: Final = "budwood.scopes"
RUNTIME: Final = "budwood.runtime"
CONTROL: Final = "budwood.control"
_HTTP: Final = "envoy.extensions.filters.http."
_MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_FROM_CONTROL: Final[Plain] = {"ads": {}, "resource_api_version": "V3"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one gateway listens and writes. ``log`` is the file of its access log."""

    host: str
    port: int
    log: str


def listener(place: Place) -> Plain:
    """What answers clients. Its routes come from the control plane."""
    manager: Plain = {
        "@type": TYPE + _MANAGER,
        "stat_prefix": "budwood",
        "codec_type": "AUTO",
        "scoped_routes": _scoped(),
        "http_filters": list(_filters()),
        "local_reply_config": _own_words(),
        "early_header_mutation_extensions": [_own_headers()],
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "access_log": [_log(place.log), captures_log(place.log, BASELINE_SIDE), *counted()],
    }
    named = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": LISTENER,
        "address": _address(place.host, place.port),
        "filter_chains": [{"filters": [named]}],
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def clusters(routings: Mapping[str, Routing]) -> Iterator[Plain]:
    """The backends of every arm."""
    for key in sorted(routings):
        endpoint = routings[key].endpoint
        for arm in endpoint.arms:
            yield _cluster(endpoint, arm)


def runtime(routings: Mapping[str, Routing]) -> Plain:
    """Kill switches and samples: what must change at once."""
    return {"name": RUNTIME, "layer": runtime_of(routings)}


@dataclass(frozen=True, slots=True)
class Shows:
    """What a gateway shows its control plane, and trusts: a token, and the file of the authorities that may vouch for
    it. A token is only ever sent to a control plane that was vouched for. ``sends``: somebody beside the gateway sends
    its logs; else they are read where they lie. ``roots`` is the file of the authorities that its machine has, for
    https backends; empty: it has none."""

    token: str = field(default="", repr=False)
    authorities: str = ""
    sends: bool = False
    roots: str = ""


def boot(node: str, place: Place, control: Backend, admin: str, shows: Shows | None = None) -> Plain:
    """What a gateway starts with: where it is told everything else. ``admin`` is the path of a socket. It tells where
    it is itself, because its listener is made there."""
    shows = shows or Shows()
    assert control.tls or not shows.token, "a token is not sent in the clear"
    told = {"host": place.host, "port": place.port, "log": place.log, "sends": shows.sends}
    # By itself Envoy waits up to half a minute before it asks again whether the control plane is back.
    again = {"retry_back_off": {"base_interval": "0.25s", "max_interval": "3s"}}
    service: Plain = {"envoy_grpc": {"cluster_name": CONTROL}, "retry_policy": again}
    if shows.token:
        service["initial_metadata"] = [{"key": "authorization", "value": f"Bearer {shows.token}"}]
    return {
        "node": {"id": node, "cluster": "budwood", "metadata": told},
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [service],
            },
            "cds_config": _FROM_CONTROL,
            "lds_config": _FROM_CONTROL,
        },
        "static_resources": {"clusters": [_control(control, shows.authorities)], **roots(shows.roots)},
        "layered_runtime": {
            "layers": [
                {"name": RUNTIME, "rtds_layer": {"name": RUNTIME, "rtds_config": _FROM_CONTROL}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "stats_config": {"stats_matcher": {"exclusion_list": {"patterns": list(_uncounted())}}},
    }


def _uncounted() -> Iterator[Plain]:
    """Figures that Envoy would keep for each arm and each table: of a thousand endpoints that is a page of 55 MB. While
    it merges them, every five seconds, and while a scraper reads them, it hears no kill switch."""
    of_arm = "assignment_|bind_|circuit_breakers[.]|default[.]|external[.]|http[123][.]|internal[.]|lb_|max_|original_"
    too = "outlier_detection[.]ejections_[bcdefos]|retry_|update_|upstream_|version|warming_"
    of_table = "config_reload|init_fetch_|update_[adefst]|version"
    yield {"safe_regex": {"regex": f"cluster[.].*[.]({of_arm}|{too}).*"}}
    yield {"safe_regex": {"regex": f"http[.].*[.]rds[.]endpoint/.*[.]({of_table}).*"}}


def _filters() -> Iterator[Plain]:
    """What is kept for comparing has passed the guards; what is counted is what the backend said."""
    *guards, router = filters()
    yield from guards
    yield script()
    yield usage_filter()
    yield router


def _own_words() -> Plain:
    """What the gateway answers by itself is JSON, too."""
    said = {"error": {"code": "%RESPONSE_CODE%", "message": "%LOCAL_REPLY_BODY%"}}
    return {"body_format": {"json_format": said}}


def _scoped() -> Plain:
    """A request finds its endpoint's table by the first steps of its path."""
    steps = (
        {"header_value_extractor": {"name": SCOPE_HEADER, "element_separator": "/", "index": step}}
        for step in range(1, STEPS + 1)
    )
    return {
        "name": SCOPES,
        "scope_key_builder": {"fragments": list(steps)},
        "rds_config_source": _FROM_CONTROL,
        "scoped_rds": {"scoped_rds_config_source": _FROM_CONTROL},
    }


def _own_headers() -> Plain:
    """What clients send in our own headers is gone before a route is chosen; where it is looked for is written down."""
    kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    scope = {"key": SCOPE_HEADER, "value": "%PATH(NQ)%" + "/" * STEPS}
    mutations: list[Plain] = [
        *({"remove": name} for name in OWN_HEADERS),
        {"append": {"header": scope, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
    ]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": TYPE + kind, "mutations": mutations},
    }


def counted() -> Iterator[Plain]:
    """What a scraper reads: one series a version, and no more however strange the requests and answers are."""
    kind = "envoy.extensions.access_loggers.stats.v3.Config"
    tags: list[Plain] = [
        {"name": "endpoint", "value_format": f"%METADATA(ROUTE:{METADATA}:endpoint)%"},
        {"name": "version", "value_format": f"%METADATA(CLUSTER:{METADATA}:version)%"},
    ]

    logger: Plain = {"name": "envoy.access_loggers.stats"}
    took = "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%"
    every: Plain = {
        "histograms": [{"stat": {"name": "latency_us", "tags": tags}, "value_format": took}],
        "counters": [{"stat": {"name": "requests", "tags": tags}, "value_fixed": 1}],
    }
    yield {**logger, "typed_config": {"@type": TYPE + kind, "stat_prefix": "budwood", **every}}
    failed: Plain = {"counters": [{"stat": {"name": "errors", "tags": tags}, "value_fixed": 1}]}
    server_errors = {"op": "GE", "value": {"default_value": 500, "runtime_key": "budwood.errors_from"}}
    yield {
        **logger,
        "filter": {"status_code_filter": {"comparison": server_errors}},
        "typed_config": {"@type": TYPE + kind, "stat_prefix": "budwood", **failed},
    }


def _log(path: str) -> Plain:
    """One line of JSON for each request, by the names that ``delivery/logs`` reads."""
    fields = {
        "at": "%START_TIME(%s.%6f)%",
        "request": "%REQ(X-REQUEST-ID)%",
        "endpoint": f"%METADATA(ROUTE:{METADATA}:endpoint)%",
        "generation": f"%METADATA(ROUTE:{METADATA}:generation)%",
        "why": f"%METADATA(ROUTE:{METADATA}:why)%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "tenant": f"%REQ({TENANT_HEADER})%",
        "user": f"%REQ({USER_HEADER})%",
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "backend_us": "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
        "sent": "%BYTES_SENT%",
        "asked": "%BYTES_RECEIVED%",
        **{name: f"%DYNAMIC_METADATA({USAGE_METADATA}:{name})%" for name in ("prompt_tokens", "completion_tokens")},
    }
    kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    typed = {"@type": TYPE + kind, "path": path, "log_format": {"json_format": fields}}
    return {"name": "envoy.access_loggers.file", "typed_config": typed}


def _cluster(endpoint: Endpoint, arm: Arm) -> Plain:
    name, breaker = cluster_name(endpoint, arm), endpoint.breaker
    hosts = [
        {"endpoint": {"address": _address(each.host, each.port), **_hostname(each)}, **which_tls(each)}
        for each in arm.backends
    ]
    cluster: Plain = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]},
        "metadata": {"filter_metadata": {METADATA: {"version": f"{endpoint.model}@v{arm.number}"}}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": breaker.connections,
                    "max_pending_requests": breaker.pending,
                    "max_requests": breaker.requests,
                }
            ]
        },
        # Only when none is well are all of them asked; by itself it would ask all as soon as half are not.
        # And it would take a second to hear of it.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}, "update_merge_window": "0.1s"},
        "outlier_detection": {
            "consecutive_5xx": breaker.ejects_after,
            "base_ejection_time": "5s",
            "max_ejection_percent": 50,
        },
    }
    if arm.health:
        cluster["health_checks"] = [_health(arm.health)]
    cluster.update(backend_tls(arm))
    return cluster


def _health(path: str) -> Plain:
    return {
        "timeout": "1s",
        "interval": "2s",
        "no_traffic_interval": "2s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": path},
    }


def _hostname(backend: Backend) -> Plain:
    return {"hostname": backend.host} if backend.tls else {}


def _control(control: Backend, authorities: str) -> Plain:
    over = {"transport_socket": secured(control.host, {"filename": authorities}, alpn="h2")} if control.tls else {}
    options = TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        **over,
        "name": CONTROL,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": CONTROL,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(control.host, control.port)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
                },
            }
        },
    }


def _address(host: str, port: int) -> Plain:
    return {"socket_address": {"address": host, "port_value": port}}


def written(plain: Plain) -> bytes:
    """A configuration as a file."""
    return json.dumps(plain, indent=1, sort_keys=True).encode()
