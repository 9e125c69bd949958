"""Controllers that move traffic themselves: Argo's Rollout with an AnalysisTemplate, and Flagger's Canary.

Both have a rollout of their own. What they are given are the registry's steps from where it stands now; the registry's
rollout should be ended before theirs begins, or two hands are on one wheel.
"""

from dataclasses import replace
from typing import Final

from budwood.delivery.emit.mesh import ROUTE, destination_rule, virtual_service
from budwood.delivery.emit.pieces import PORT, WORKLOAD_NOTE, deployment, meta, pod, pod_labels, selected, service
from budwood.delivery.emit.release import (
    ALL,
    NO_SHADOW,
    Document,
    File,
    Part,
    Release,
    at_most_two,
    label,
    not_sticky,
    percent,
)
from budwood.delivery.emit.watching import METRICS_NOTE, WEAKER, measured
from budwood.domain.canon import Json
from budwood.domain.rollout.plan import Step, Way

_ONE_WHEEL: Final = "End the registry's rollout before this one begins: budwood rollout abort ENDPOINT."
_STAGES: Final = "Apply 1-stable.yaml and wait until it is healthy; applying 2-canary.yaml begins the rollout."
_FLAGGER: Final = (
    "Flagger with Istio. It keeps a copy of the Deployment, NAME-primary, which answers; the Deployment itself is the "
    "canary."
)
_STEPS: Final = (Step(Way.CANARY, 500, 600), Step(Way.CANARY, 2_500, 600), Step(Way.CANARY, 5_000, 600))


def argo(release: Release) -> tuple[File, ...]:
    """Raises NotOffered, BadServing."""
    at_most_two(release, "argo-rollouts")
    metrics, left = measured(release, "{{args.canary}}", "{{args.stable}}")
    unmeasured = f"Not watched, because Istio's metrics do not know it: {', '.join(left)}." if left else ""
    said = (
        "Argo Rollouts with Istio.",
        *(not_sticky(release), NO_SHADOW, WEAKER, METRICS_NOTE, WORKLOAD_NOTE),
        *((unmeasured,) if unmeasured else ()),
    )
    template: Document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": meta(release, release.name),
        "spec": {"args": [{"name": "canary"}, {"name": "stable"}], "metrics": metrics},
    }
    subsets: list[Json] = [{"name": each, "labels": dict(selected(release))} for each in ("stable", "canary")]
    routes = _all_to_stable(release)
    around = (destination_rule(release, subsets), routes, service(release, release.name), template)
    other = release.other
    if other is None:
        return (
            File("rollout.yaml", said, (*around, _rollout(release, release.stable, release.stable, bool(metrics)))),
        )
    said = (*said, _STAGES, _ONE_WHEEL)
    return (
        File("1-stable.yaml", said, (*around, _rollout(release, release.stable, other, bool(metrics)))),
        File("2-canary.yaml", said, (_rollout(release, other, other, bool(metrics)),)),
    )


def flagger(release: Release) -> tuple[File, ...]:
    """Raises NotOffered, BadServing."""
    at_most_two(release, "flagger")
    head: tuple[str, ...] = (
        _FLAGGER,
        *(not_sticky(release), WEAKER, METRICS_NOTE, WORKLOAD_NOTE),
        "Of the plan's guardrails Flagger has its own two: successful requests, and the 99th percentile of latency.",
    )
    canary = _canary(release)
    other = release.other
    if other is None:
        return (File("canary.yaml", head, (_canary_pods(release, release.stable), canary)),)
    head = (*head, _STAGES, _ONE_WHEEL)
    return (
        File("1-stable.yaml", head, (_canary_pods(release, release.stable), canary)),
        File("2-canary.yaml", head, (_canary_pods(release, other),)),
    )


def _rollout(release: Release, part: Part, candidate: Part, watched: bool) -> Document:
    arguments: list[Json] = [
        {"name": "canary", "value": candidate.revision},
        {"name": "stable", "value": release.stable.revision},
    ]
    istio: Document = {
        "virtualService": {"name": release.name, "routes": [ROUTE]},
        "destinationRule": {"name": release.name, "stableSubsetName": "stable", "canarySubsetName": "canary"},
    }
    canary: Document = {"trafficRouting": {"istio": istio}, "steps": _argo_steps(release)}
    if watched:
        chosen = [{"templateName": release.name}]
        canary["analysis"] = {"templates": chosen, "startingStep": 1, "args": arguments}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": meta(release, release.name, part),
        "spec": {
            "replicas": max(1, part.serving.autoscaling.least),
            "selector": {"matchLabels": selected(release)},
            "template": pod(release, part, pod_labels(release, part)),
            "strategy": {"canary": canary},
        },
    }


def _argo_steps(release: Release) -> list[Json]:
    made: list[Json] = []
    for step in _left(release):
        made.append({"setWeight": percent(step.points, "argo-rollouts")})
        made.append({"pause": {"duration": f"{step.hold_s}s"} if step.hold_s else {}})
    return made


def _all_to_stable(release: Release) -> Document:
    """The route that Argo moves the weights of; it looks for both subsets by name."""
    plain = replace(release, shadow=None, rules=())
    return virtual_service(plain, {"stable": 100, "canary": 0})


def _canary_pods(release: Release, part: Part) -> Document:
    """Selected by ``app`` alone: Flagger gives its copy another one."""
    made = deployment(release, part, release.name)
    return {**made, "spec": {**made["spec"], "selector": {"matchLabels": selected(release)}}}


def _canary(release: Release) -> Document:
    steps = _left(release)
    runtime = release.stable.serving.runtime
    hold_s = max(30, min((step.hold_s for step in steps if step.hold_s), default=60))
    analysis: Document = {
        "interval": f"{hold_s}s",
        "threshold": 2,
        "stepWeights": sorted({percent(step.points, "flagger") for step in steps}),
        "metrics": [
            {"name": "request-success-rate", "thresholdRange": {"min": 98}, "interval": "1m"},
            {"name": "request-duration", "thresholdRange": {"max": release.timeout_s * 500}, "interval": "1m"},
        ],
    }
    shadow = next((step for step in (release.plan.steps if release.plan else ()) if step.way is Way.SHADOW), None)
    if shadow is not None:
        analysis |= {"mirror": True, "mirrorWeight": percent(shadow.points, "flagger")}
    exposed = release.stable.serving.exposed
    port: Document = {"port": PORT, "targetPort": runtime.port, "timeout": f"{release.timeout_s}s"}
    if exposed.hosts:
        port["hosts"] = list(exposed.hosts)
    if exposed.gateway:
        port["gateways"] = [exposed.gateway, "mesh"]
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": meta(release, label(release.title)),
        "spec": {
            "provider": "istio",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.name},
            "progressDeadlineSeconds": release.stable.serving.health.starts_s + 60,
            "service": port,
            "analysis": analysis,
        },
    }


def _left(release: Release) -> tuple[Step, ...]:
    """The steps that are still to do, from the one that is in force; those of a plain rollout where there is none."""
    steps = release.plan.steps[release.step :] if release.plan else _STEPS
    kept = [step for step in steps if step.way in (Way.CANARY, Way.COMPARE)]
    return tuple(kept) or (Step(Way.CANARY, ALL),)
