"""The routes of an endpoint, in the order a gateway tries them. Plain values in Envoy's form.

Pinned versions come first, then the kill switch (a runtime value, so that it costs one message however many models
there are), then rules, then the sampled shadow, then the split. Headers that say which version or tenant a request is
of are the gateway's to write: what a client sends in them is taken away before any route is chosen.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from budwood.delivery.gateway.addresses import open_paths, pinned_paths
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import Arm, Endpoint, Routing
from budwood.domain.traffic.hashing import BUCKETS

Plain = dict[str, Any]
VERSION_HEADER: Final = "x-budwood-version"
GENERATION_HEADER: Final = "x-budwood-generation"
TENANT_HEADER: Final = "x-budwood-tenant"
USER_HEADER: Final = "x-budwood-user"
SHADOW_HEADER: Final = "x-budwood-shadow"
OWN_HEADERS: Final = (VERSION_HEADER, GENERATION_HEADER, TENANT_HEADER, USER_HEADER, SHADOW_HEADER)
METADATA: Final = "budwood"
SHADOW_CLUSTER: Final = "shadow-in"
LUA: Final = "envoy.filters.http.lua"
_ENABLED: Final[Plain] = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "config": {}}


def routes_of(routing: Routing) -> Iterator[Plain]:
    """All of them, first match wins."""
    endpoint = routing.endpoint
    for arm in endpoint.arms:
        for path in pinned_paths(endpoint, arm):
            yield _route(routing, "pinned", {"path": path}, _to(routing, arm))
    baseline = endpoint.arm(endpoint.baseline)
    for path in open_paths(endpoint):
        killed = {"path": path, "runtime_fraction": _fraction(kill_key(routing), 0)}
        yield _route(routing, "killed", killed, _to(routing, baseline))
        for rule in endpoint.rules:
            where = {"path": path, "headers": [_header(rule.header, rule.value)]}
            yield _route(routing, "rule", where, _to(routing, endpoint.arm(rule.arm)))
        if routing.shadow is not None:
            sampled = {"path": path, "runtime_fraction": _fraction(shadow_key(routing), routing.shadow.points)}
            yield _route(routing, "shadow", sampled, {**_split(routing), **_mirror(routing)}, captured=True)
        yield _route(routing, "split", {"path": path}, _split(routing))


def shadow_route(routing: Routing) -> Plain | None:
    """Where a copy goes; None where nothing is copied."""
    if routing.shadow is None:
        return None
    arm = routing.endpoint.arm(routing.shadow.arm)
    return {
        "name": f"{routing.key}.copy",
        "match": {"prefix": "/", "headers": [_header(SHADOW_HEADER, routing.key)]},
        "metadata": _metadata(routing, "copy"),
        "route": {
            "weighted_clusters": {"clusters": [_weighted(routing.endpoint, arm, BUCKETS)]},
            "timeout": f"{routing.endpoint.timeout_s:g}s",
        },
        "request_headers_to_remove": [SHADOW_HEADER],
    }


def kill_key(routing: Routing) -> str:
    """The runtime value that sends everything to the baseline: 0 or 10,000."""
    return f"kill.{routing.key}"


def shadow_key(routing: Routing) -> str:
    """The runtime value of how much is copied, in basis points."""
    return f"shadow.{routing.key}"


def cluster_name(endpoint: Endpoint, arm: Arm) -> str:
    """An arm's backends, among all."""
    return f"{endpoint.namespace}.{endpoint.name}.{arm.name}"


def _route(routing: Routing, why: str, match: Plain, action: Plain, *, captured: bool = False) -> Plain:
    endpoint = routing.endpoint
    route: Plain = {
        "name": f"{routing.key}.{why}",
        "match": match,
        "metadata": _metadata(routing, why),
        "route": {
            **action,
            "timeout": f"{endpoint.timeout_s:g}s",
            **({"retry_policy": _retry(endpoint)} if endpoint.retry.times else {}),
        },
        "request_headers_to_add": [
            *(_added(name, value) for name, value in endpoint.add_request_headers.items()),
            # Under one name for all endpoints, so that one log can tell users apart.
            *([_added(USER_HEADER, f"%REQ({endpoint.sticky.header})%")] if endpoint.sticky else []),
        ],
        "response_headers_to_add": [
            _added(GENERATION_HEADER, str(routing.generation)),
            *(_added(name, value) for name, value in endpoint.add_response_headers.items()),
        ],
        "typed_per_filter_config": _filters(endpoint, captured=captured),
    }
    if captured:
        # What is packed cannot be compared.
        route["request_headers_to_remove"] = ["accept-encoding"]
    return route


def _metadata(routing: Routing, why: str) -> Plain:
    """For the log, and for the capture: how many bytes of a body it keeps."""
    told: Plain = {METADATA: {"endpoint": routing.key, "generation": routing.generation, "why": why}}
    if routing.shadow is not None and why in ("shadow", "copy"):
        told[LUA] = {"body_bytes": routing.shadow.body_bytes}
    return {"filter_metadata": told}


def _to(routing: Routing, arm: Arm) -> Plain:
    """One arm: a split of its own, because only there can the answer be told its version."""
    return {
        "weighted_clusters": {"clusters": [_weighted(routing.endpoint, arm, BUCKETS)]},
        **_rewrite(routing.endpoint),
    }


def _split(routing: Routing) -> Plain:
    """The table as it lies: buckets keep their place, and their sum is always the same."""
    endpoint = routing.endpoint
    weighted: Plain = {
        "clusters": [_weighted(endpoint, endpoint.arm(part.arm), part.width) for part in routing.table.segments]
    }
    action: Plain = {"weighted_clusters": weighted, **_rewrite(endpoint)}
    if endpoint.sticky is not None:
        weighted["use_hash_policy"] = True
        rewrite = {"pattern": {"regex": "^(.*)$"}, "substitution": f"{endpoint.sticky.salt}:\\1"}
        action["hash_policy"] = [{"header": {"header_name": endpoint.sticky.header, "regex_rewrite": rewrite}}]
    return action


def _weighted(endpoint: Endpoint, arm: Arm, weight: int) -> Plain:
    version = f"{endpoint.model}@v{arm.number}"
    return {
        "name": cluster_name(endpoint, arm),
        "weight": weight,
        "response_headers_to_add": [_added(VERSION_HEADER, version)],
        "request_headers_to_add": [_added(VERSION_HEADER, version)],
    }


def _rewrite(endpoint: Endpoint) -> Plain:
    return {"prefix_rewrite": endpoint.asks_at} if endpoint.asks_at else {}


def _mirror(routing: Routing) -> Plain:
    """The copy is marked with its endpoint, so that the gateway's other listener knows where it belongs."""
    policy = {
        "cluster": SHADOW_CLUSTER,
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": _added(SHADOW_HEADER, routing.key)}],
    }
    return {"request_mirror_policies": [policy]}


def _retry(endpoint: Endpoint) -> Plain:
    causes = "connect-failure,refused-stream,reset" + (",5xx" if endpoint.retry.on_server_errors else "")
    other = TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": causes,
        "num_retries": endpoint.retry.times,
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": other}}
        ],
        "host_selection_retry_max_attempts": 3,
    }


def _filters(endpoint: Endpoint, *, captured: bool) -> Plain:
    """What of the chain runs here: capture only where it is asked for."""
    filters: Plain = {}
    if captured:
        filters[LUA] = _ENABLED
    return filters


def _header(name: str, value: str) -> Plain:
    return {"name": name, "string_match": {"exact": value}} if value else {"name": name, "present_match": True}


def _fraction(key: str, points: int) -> Plain:
    return {"runtime_key": key, "default_value": {"numerator": points, "denominator": "TEN_THOUSAND"}}


def _added(name: str, value: str) -> Plain:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def runtime_of(routings: Mapping[str, Routing]) -> Plain:
    """The runtime layer of all endpoints: kill switches that are set, and shadows' shares."""
    values: Plain = {}
    for routing in routings.values():
        if routing.killed:
            values[kill_key(routing)] = _share(BUCKETS)
        if routing.shadow is not None:
            values[shadow_key(routing)] = _share(routing.shadow.points)
    return values


def _share(points: int) -> Plain:
    return {"numerator": points, "denominator": "TEN_THOUSAND"}
