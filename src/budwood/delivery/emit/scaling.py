"""How many replicas: Kubernetes' own HorizontalPodAutoscaler, and KEDA's ScaledObject."""

from typing import Final

from budwood.delivery.emit.pieces import meta, served
from budwood.delivery.emit.release import Document, File, Part, Release
from budwood.delivery.emit.watching import METRICS_NOTE, PROMETHEUS, a_second, at_once
from budwood.domain.serving.manifest import ScaleBy

_CPU: Final = 80
_WRITTEN: Final = "the Deployments that 'budwood export manifests deployment' writes. It moves no traffic."
_HPA: Final = f"HorizontalPodAutoscaler for {_WRITTEN}"
_KEDA: Final = f"KEDA ScaledObject for {_WRITTEN}"
_BY_CPU: Final = (
    "It cannot count requests without an adapter for metrics, and scales by CPU at 80 % instead; keda counts them."
)
_NEVER_NONE: Final = "It keeps one replica at least; keda and kserve go down to none."
_ASLEEP: Final = (
    "From no replica, the first requests fail until one is ready, unless something holds them (KEDA's HTTP add-on)."
)


def hpa(release: Release) -> tuple[File, ...]:
    """One for each version."""
    parts = served(release)
    scaling = [part.serving.autoscaling for part in parts]
    head = (
        _HPA,
        *((_BY_CPU,) if any(each.by is not ScaleBy.CPU for each in scaling) else ()),
        *((_NEVER_NONE,) if any(each.least == 0 for each in scaling) else ()),
    )
    return (File("hpa.yaml", head, tuple(_autoscaler(release, part) for part in parts)),)


def keda(release: Release) -> tuple[File, ...]:
    """One for each version."""
    parts = served(release)
    asleep = any(part.serving.autoscaling.least == 0 for part in parts)
    said = f"Prometheus is asked at {PROMETHEUS}; put yours there."
    head = (_KEDA, METRICS_NOTE, said, *((_ASLEEP,) if asleep else ()))
    return (File("scaled-objects.yaml", head, tuple(_scaled(release, part) for part in parts)),)


def _autoscaler(release: Release, part: Part) -> Document:
    scaling = part.serving.autoscaling
    target = scaling.target if scaling.by is ScaleBy.CPU else _CPU
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(release, release.named(part), part),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.named(part)},
            "minReplicas": max(1, scaling.least),
            "maxReplicas": scaling.most,
            "metrics": [{"type": "Resource", "resource": metric}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": scaling.calm_s}},
        },
    }


def _scaled(release: Release, part: Part) -> Document:
    scaling = part.serving.autoscaling
    by_cpu = scaling.by is ScaleBy.CPU
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(release, release.named(part), part),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.named(part)},
            # What is measured by its own CPU cannot be woken by it.
            "minReplicaCount": max(1, scaling.least) if by_cpu else scaling.least,
            "maxReplicaCount": scaling.most,
            "cooldownPeriod": scaling.calm_s,
            "triggers": [_trigger(release, part)],
        },
    }


def _trigger(release: Release, part: Part) -> Document:
    scaling = part.serving.autoscaling
    if scaling.by is ScaleBy.CPU:
        return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(scaling.target)}}
    query = (at_once if scaling.by is ScaleBy.CONCURRENCY else a_second)(release, part.revision)
    asked: Document = {"serverAddress": PROMETHEUS, "query": query, "threshold": str(scaling.target)}
    return {"type": "prometheus", "metricType": "AverageValue", "metadata": asked}
