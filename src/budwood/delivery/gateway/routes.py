"""The routes of an endpoint, in the order a gateway tries them. Plain values in Envoy's form.

Each endpoint has a table of its own, so that a change of one is sent, read and built alone, however many there are. The
gateway finds the table by the scopes that lead to it: the endpoint's addresses, and the names that a body may say.

Pinned versions come first, then the kill switch (a runtime value, so that it costs one message however many models
there are), then rules, then the sampled shadow, then the split. Headers that say which version or tenant a request is
of are the gateway's to write: what a client sends in them is taken away before any route is chosen.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from budwood.delivery.gateway.addresses import named, names_open, names_pinned, open_paths, pinned_paths
from budwood.delivery.gateway.fields import maps_answers
from budwood.delivery.gateway.guards import MODEL_FILTER, guarded, unread
from budwood.delivery.gateway.models import PATHS
from budwood.delivery.gateway.names import (
    GENERATION_HEADER,
    MODEL_HEADER,
    OPEN_HEADER,
    SCOPE_HEADER,
    SHADOW_HEADER,
    VERSION_HEADER,
)
from budwood.delivery.gateway.quotas import counts_tokens
from budwood.delivery.xds.messages import TYPE
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.traffic.endpoint import USER_HEADER, Arm, Endpoint, Routing
from budwood.domain.traffic.hashing import BUCKETS

Plain = dict[str, Any]
METADATA: Final = "budwood"
SHADOW_CLUSTER: Final = "shadow-in"
LUA: Final = "envoy.filters.http.lua"
_ENABLED: Final[Plain] = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "config": {}}
UNREAD: Final = "budwood.unread"


def table(routing: Routing) -> Plain:
    """All routes of an endpoint."""
    return _table(table_name(routing), (*_by_path(routing), *_by_model(routing)))


def table_name(routing: Routing) -> str:
    """Among the tables of all endpoints."""
    return f"endpoint/{routing.key}"


def addresses(routing: Routing) -> Iterator[str]:
    """What leads to an endpoint's table: its addresses, and where what a body names is looked for."""
    endpoint = routing.endpoint
    yield from open_paths(endpoint)
    for arm in endpoint.arms:
        yield from pinned_paths(endpoint, arm)
    yield from names_by_model(endpoint)


def names_by_model(endpoint: Endpoint) -> Iterator[str]:
    """Where what a body names is looked for."""
    for name in (*names_open(endpoint), *(name for arm in endpoint.arms for name in names_pinned(endpoint, arm))):
        yield named(name)


def unread_table() -> Plain:
    """Of a request whose endpoint is in its body; and of one that names an endpoint which is not there."""
    nothing = {"status": 404, "body": {"inline_string": "no model here has this name"}}
    route = {
        "name": "unread",
        "match": {"prefix": "/"},
        "direct_response": nothing,
        "typed_per_filter_config": unread(),
    }
    return _table(UNREAD, [route])


def unread_addresses(namespaces: Iterable[str]) -> Iterator[str]:
    """Where a body says which endpoint is asked."""
    for at in ("", *(f"/ns/{each}" for each in sorted(set(namespaces) - {DEFAULT_NAMESPACE}))):
        yield from (f"{at}/v1/{path}" for path in PATHS)


def _table(name: str, routes: Iterable[Plain]) -> Plain:
    host: Plain = {"name": "all", "domains": ["*"], "routes": list(routes)}
    return {"name": name, "virtual_hosts": [host], "request_headers_to_remove": [SCOPE_HEADER]}


def _by_path(routing: Routing) -> Iterator[Plain]:
    endpoint = routing.endpoint
    for arm in endpoint.arms:
        for path in pinned_paths(endpoint, arm):
            yield _route(routing, "pinned", {"path": path}, _to(routing, arm))
    for path in open_paths(endpoint):
        yield from _open(routing, {"path": path})


def _by_model(routing: Routing) -> Iterator[Plain]:
    endpoint = routing.endpoint
    for name in names_open(endpoint):
        yield from _open(routing, _naming(name), by_model=True)
    for arm in endpoint.arms:
        for name in names_pinned(endpoint, arm):
            yield _route(routing, "pinned", _naming(name), _to(routing, arm, by_model=True), by_model=True)


def _naming(name: str) -> Plain:
    return {"prefix": "/v1/", "headers": [_header(MODEL_HEADER, name)]}


def _open(routing: Routing, match: Plain, *, by_model: bool = False) -> Iterator[Plain]:
    endpoint = routing.endpoint
    killed = {**match, "runtime_fraction": _fraction(kill_key(routing), 0)}
    baseline = endpoint.arm(endpoint.baseline)
    yield _route(routing, "killed", killed, _to(routing, baseline, by_model=by_model), by_model=by_model)
    for rule in endpoint.rules:
        where = {**match, "headers": [*match.get("headers", ()), _header(rule.header, rule.value)]}
        to = _to(routing, endpoint.arm(rule.arm), by_model=by_model)
        yield _route(routing, "rule", where, to, by_model=by_model)
    split = _split(routing, by_model=by_model)
    if routing.shadow is not None and not by_model:  # The capture cannot be woken so late.
        sampled = {**match, "runtime_fraction": _fraction(shadow_key(routing), routing.shadow.points)}
        yield _route(routing, "shadow", sampled, {**split, **_mirror(routing)}, captured=True)
    yield _route(routing, "split", match, split, by_model=by_model)


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


def _route(
    routing: Routing, why: str, match: Plain, action: Plain, *, captured: bool = False, by_model: bool = False
) -> Plain:
    endpoint = routing.endpoint
    route: Plain = {
        "name": f"{routing.key}.{why}",
        "match": match,
        "metadata": _metadata(routing, why, by_model=by_model),
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
        "typed_per_filter_config": {**guarded(routing, by_model=by_model), **({LUA: _ENABLED} if captured else {})},
    }
    # What is packed cannot be compared; and how a route was found is no business of the backend's.
    # Nor can it be counted.
    is_read = captured or counts_tokens(endpoint) or maps_answers(endpoint)
    removed = [*(["accept-encoding"] if is_read else []), *((MODEL_HEADER, OPEN_HEADER) if by_model else ())]
    if removed:
        route["request_headers_to_remove"] = removed
    return route


def _metadata(routing: Routing, why: str, *, by_model: bool = False) -> Plain:
    """For the log; for the script that looks for a model, that it is there; for the capture, how much it keeps."""
    told: Plain = {METADATA: {"endpoint": routing.key, "generation": routing.generation, "why": why}}
    if by_model:
        told[MODEL_FILTER] = {"known": True}
    if routing.shadow is not None and why in ("shadow", "copy"):
        told[LUA] = {"body_bytes": routing.shadow.body_bytes}
    return {"filter_metadata": told}


def _to(routing: Routing, arm: Arm, *, by_model: bool = False) -> Plain:
    """One arm: a split of its own, because only there can the answer be told its version."""
    return {
        "weighted_clusters": {"clusters": [_weighted(routing.endpoint, arm, BUCKETS)]},
        **({} if by_model else _rewrite(routing.endpoint)),
    }


def _split(routing: Routing, *, by_model: bool = False) -> Plain:
    """The table as it lies: buckets keep their place, and their sum is always the same."""
    endpoint = routing.endpoint
    weighted: Plain = {
        "clusters": [_weighted(endpoint, endpoint.arm(part.arm), part.width) for part in routing.table.segments]
    }
    action: Plain = {"weighted_clusters": weighted, **({} if by_model else _rewrite(endpoint))}
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
