"""The routes of an endpoint, in the order a gateway tries them. Plain values in Envoy's form.

A gateway finds an endpoint's routes by the beginning of the path, or by the model that a body names, in one step
however many endpoints there are (``Entry``); what follows is about the few routes of one endpoint.

Pinned versions come first, then the kill switch (a runtime value, so that it costs one message however many models
there are), then rules, then the sampled shadow, then the split. Headers that say which version or tenant a request is
of are the gateway's to write: what a client sends in them is taken away before any route is chosen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from budwood.delivery.gateway.addresses import begins, names_open, names_pinned, open_paths, pinned_paths
from budwood.delivery.gateway.fields import maps_answers
from budwood.delivery.gateway.guards import guarded, unread
from budwood.delivery.gateway.names import GENERATION_HEADER, MODEL_HEADER, OPEN_HEADER, SHADOW_HEADER, VERSION_HEADER
from budwood.delivery.gateway.quotas import counts_tokens
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import USER_HEADER, Arm, Endpoint, Routing
from budwood.domain.traffic.hashing import BUCKETS

Plain = dict[str, Any]
METADATA: Final = "budwood"
SHADOW_CLUSTER: Final = "shadow-in"
LUA: Final = "envoy.filters.http.lua"
_ENABLED: Final[Plain] = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "config": {}}


@dataclass(frozen=True, slots=True)
class Entry:
    """``routes`` are tried, first match wins, when a path begins with ``key``, or a body names it."""

    key: str
    routes: tuple[Plain, ...]


def entries_by_path(routing: Routing) -> Iterator[Entry]:
    """One for each beginning of an endpoint's addresses."""
    routes = sorted(_by_path(routing), key=lambda route: begins(routing.endpoint, route["match"]["path"]))
    for key, every in groupby(routes, lambda route: begins(routing.endpoint, route["match"]["path"])):
        yield Entry(key, tuple(every))


def entries_by_model(routing: Routing) -> Iterator[Entry]:
    """One for each name that the body of a request may say."""
    endpoint, match = routing.endpoint, {"prefix": "/v1/"}
    every = tuple(_open(routing, match, by_model=True))
    for name in names_open(endpoint):
        yield Entry(name, every)
    for arm in endpoint.arms:
        pinned = (_route(routing, "pinned", match, _to(routing, arm, by_model=True), by_model=True),)
        for name in names_pinned(endpoint, arm):
            yield Entry(name, pinned)


def unread_routes() -> list[Plain]:
    """Of a request whose endpoint is in its body; and of one that names an endpoint which is not there."""
    nothing = {"status": 404, "body": {"inline_string": "no model here has this name"}}
    return [
        {
            "name": "unread",
            "match": match,
            "direct_response": nothing,
            "typed_per_filter_config": unread(),
        }
        for match in ({"prefix": "/v1/"}, {"safe_regex": {"regex": "/ns/[^/]+/v1/.*"}})
    ]


def _by_path(routing: Routing) -> Iterator[Plain]:
    endpoint = routing.endpoint
    for arm in endpoint.arms:
        for path in pinned_paths(endpoint, arm):
            yield _route(routing, "pinned", {"path": path}, _to(routing, arm))
    for path in open_paths(endpoint):
        yield from _open(routing, {"path": path})


def _open(routing: Routing, match: Plain, *, by_model: bool = False) -> Iterator[Plain]:
    endpoint = routing.endpoint
    killed = {**match, "runtime_fraction": _fraction(kill_key(routing), 0)}
    baseline = endpoint.arm(endpoint.baseline)
    yield _route(routing, "killed", killed, _to(routing, baseline, by_model=by_model), by_model=by_model)
    for rule in endpoint.rules:
        where = {**match, "headers": [_header(rule.header, rule.value)]}
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
        "typed_per_filter_config": {**guarded(routing, by_model=by_model), **({LUA: _ENABLED} if captured else {})},
    }
    # What is packed cannot be compared; and how a route was found is no business of the backend's.
    # Nor can it be counted.
    is_read = captured or counts_tokens(endpoint) or maps_answers(endpoint)
    removed = [*(["accept-encoding"] if is_read else []), *((MODEL_HEADER, OPEN_HEADER) if by_model else ())]
    if removed:
        route["request_headers_to_remove"] = removed
    return route


def _metadata(routing: Routing, why: str) -> Plain:
    """For the log, and for the capture: how many bytes of a body it keeps."""
    told: Plain = {METADATA: {"endpoint": routing.key, "generation": routing.generation, "why": why}}
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
