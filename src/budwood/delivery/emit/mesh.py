"""Where a mesh or a Gateway divides traffic: Istio's VirtualService, the Gateway API's HTTPRoute, InferencePools."""

from collections.abc import Mapping
from typing import Final

from budwood.delivery.emit.pieces import ARM, PORT, WORKLOAD_NOTE, deployment, meta, selected, served, service
from budwood.delivery.emit.release import ALL, NOT_TESTED, Document, File, Part, Release, label, not_sticky, weights
from budwood.domain.canon import Json
from budwood.domain.traffic.endpoint import Rule

ROUTE: Final = "primary"
_GATEWAY: Final = "gateway"
_ISTIO: Final = "Istio: weights lie between subsets of one Service."
_API: Final = "Gateway API, standard channel: one Service for each version, weights between them."
_NO_RETRY: Final = "Retries are not in it: the standard channel has none."
_PICKER: Final = (
    "The endpoint picker of each pool is a Deployment of its own (Helm chart inferencepool); it is not in it. "
    "A picker chooses among the pods of one version, never between versions."
)


def workload(release: Release) -> tuple[File, ...]:
    """Deployments and Services, and nothing between them. Raises BadServing."""
    head = ("Deployments and Services, one for each version.", WORKLOAD_NOTE, "Nothing here divides traffic.")
    return (File("workload.yaml", head, _pods(release, each=True)),)


def istio(release: Release) -> tuple[File, ...]:
    """Raises BadServing."""
    pods = File("1-workload.yaml", (_ISTIO, WORKLOAD_NOTE), _pods(release, each=False))
    head = (_ISTIO, not_sticky(release), NOT_TESTED, "Of a shadow's answers nothing is compared; they are thrown away.")
    subsets: list[Json] = [{"name": part.arm, "labels": {ARM: part.arm}} for part in served(release)]
    return (
        pods,
        File(
            "2-routes.yaml",
            head,
            (destination_rule(release, subsets), virtual_service(release, weights(release.answering))),
        ),
    )


def virtual_service(release: Release, split: Mapping[str, int]) -> Document:
    """The split, as proportions by subset, after the rules that come before it."""
    exposed = release.stable.serving.exposed
    spec: Document = {"hosts": [release.name, *exposed.hosts]}
    if exposed.gateway:
        spec["gateways"] = [exposed.gateway, "mesh"]
    ways = [{"destination": _subset(release, name), "weight": weight} for name, weight in split.items()]
    last: Document = {"name": ROUTE, "route": ways, **_limits(release)}
    if release.shadow:
        part = {"value": release.shadow.points / 100}
        last["mirrors"] = [{"destination": _subset(release, release.shadow.arm), "percentage": part}]
    ruled: list[Json] = [
        {
            "match": [{"headers": {rule.header: {"exact": rule.value} if rule.value else {}}}],
            "route": [{"destination": _subset(release, rule.arm)}],
            **_limits(release),
        }
        for rule in release.rules
    ]
    spec["http"] = [*ruled, last]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": meta(release, release.name),
        "spec": spec,
    }


def destination_rule(release: Release, subsets: list[Json]) -> Document:
    """What the subsets are, and when a pod rests."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": meta(release, release.name),
        "spec": {
            "host": release.name,
            "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s"}},
            "subsets": subsets,
        },
    }


def http_route(release: Release) -> tuple[File, ...]:
    """Raises BadServing."""
    pods = File("1-workload.yaml", (_API, WORKLOAD_NOTE), _pods(release, each=True))
    head = (_API, _which_gateway(release), not_sticky(release), NOT_TESTED, _NO_RETRY)
    return (pods, File("2-route.yaml", head, (_route(release, pool=False),)))


def inference_pool(release: Release) -> tuple[File, ...]:
    """A pool of pods for each version, which a picker chooses in, and a route between them. Raises BadServing."""
    pods = File("1-workload.yaml", (WORKLOAD_NOTE,), tuple(deployment(release, part) for part in served(release)))
    pools = tuple(_pool(release, part) for part in served(release))
    head = ("InferencePool of the Gateway API's inference extension.", _PICKER)
    said = (*head, _which_gateway(release), not_sticky(release), NOT_TESTED, _NO_RETRY)
    return (pods, File("2-pools.yaml", head, pools), File("3-route.yaml", said, (_route(release, pool=True),)))


def _pods(release: Release, *, each: bool) -> tuple[Document, ...]:
    """The pods, with a Service for each version or one for all of them."""
    made: list[Document] = []
    for part in served(release):
        made.append(deployment(release, part))
        if each:
            made.append(service(release, release.named(part), part))
    return tuple(made) if each else (*made, service(release, release.name))


def _subset(release: Release, arm: str) -> Document:
    return {"host": release.name, "subset": arm, "port": {"number": PORT}}


def _limits(release: Release) -> Document:
    tries: Document = {"attempts": release.retries}
    if release.retries:
        tries["retryOn"] = "connect-failure,refused-stream,reset"
    return {"timeout": f"{release.timeout_s}s", "retries": tries}


def _pool(release: Release, part: Part) -> Document:
    picker: Document = {"name": f"{release.named(part)}-epp", "port": {"number": 9_002}}
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": meta(release, release.named(part), part),
        "spec": {
            "selector": {"matchLabels": {**selected(release), ARM: part.arm}},
            "targetPorts": [{"number": part.serving.runtime.port}],
            "endpointPickerRef": {**picker, "failureMode": "FailOpen"},
        },
    }


def _which_gateway(release: Release) -> str:
    named = release.stable.serving.exposed.gateway
    said = f"It hangs on the Gateway {named or _GATEWAY}"
    return f"{said}." if named else f"{said}, because spec.exposed.gateway of the serving manifest names none."


def _route(release: Release, *, pool: bool) -> Document:
    exposed = release.stable.serving.exposed
    room, _, gateway = (exposed.gateway or _GATEWAY).rpartition("/")
    parent: Document = {"name": gateway, "namespace": room} if room else {"name": gateway}
    share = weights(release.answering)
    last: Document = {
        "backendRefs": [
            _backend(release, part.arm, pool=pool) | {"weight": share[part.arm]} for part in release.answering
        ]
    }
    if release.shadow:
        copies = {"numerator": release.shadow.points, "denominator": ALL}
        mirror: Document = {"backendRef": _backend(release, release.shadow.arm, pool=pool), "fraction": copies}
        last["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    times: Document = {"timeouts": {"request": f"{release.timeout_s}s"}}
    ruled: list[Json] = [
        {"matches": [_match(rule)], "backendRefs": [_backend(release, rule.arm, pool=pool)], **times}
        for rule in release.rules
    ]
    spec: Document = {"parentRefs": [parent]}
    if exposed.hosts:
        spec["hostnames"] = list(exposed.hosts)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": meta(release, label(release.title)),
        "spec": {**spec, "rules": [*ruled, {**last, **times}]},
    }


def _match(rule: Rule) -> Document:
    kind = {"type": "Exact", "value": rule.value} if rule.value else {"type": "RegularExpression", "value": ".+"}
    return {"headers": [{"name": rule.header, **kind}]}


def _backend(release: Release, arm: str, *, pool: bool) -> Document:
    name = release.named(release.part(arm))
    if not pool:
        return {"name": name, "port": PORT}
    return {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": name}
