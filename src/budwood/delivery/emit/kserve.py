"""KServe: an InferenceService, which keeps its last good revision and gives a new one part of the traffic."""

from typing import Final

from budwood.delivery.emit.pieces import container, file_format, meta, own_environment, resources
from budwood.delivery.emit.release import (
    NO_RULES,
    NO_SHADOW,
    NOT_TESTED,
    Document,
    File,
    Part,
    Release,
    at_most_two,
    not_sticky,
    percent,
)
from budwood.domain.serving.manifest import Engine, Logged, ScaleBy

_METRICS: Final = {ScaleBy.CONCURRENCY: "concurrency", ScaleBy.REQUESTS: "rps", ScaleBy.CPU: "cpu"}
_HEAD: Final = (
    "KServe InferenceService. It asks spec.storage of the serving manifest for the files, and checks no digest."
)
_STAGES: Final = (
    "A canary is the difference between two of its revisions: apply 1-baseline.yaml, wait until it is ready, then "
    "apply 2-candidate.yaml. canaryTrafficPercent works in KServe's serverless mode only (with Knative)."
)


def inference_service(release: Release) -> tuple[File, ...]:
    """One file for one version; two, to be applied in order, while two answer. Raises NotOffered, BadServing."""
    at_most_two(release, "kserve")
    other = release.other
    if other is None or (not other.points and release.shadow is None):
        return (File("inference-service.yaml", (_HEAD, NOT_TESTED), (_service(release, release.stable),)),)
    head = (_HEAD, _STAGES, not_sticky(release), NOT_TESTED, NO_RULES, NO_SHADOW)
    part = percent(other.points, "kserve")
    return (
        File("1-baseline.yaml", head, (_service(release, release.stable),)),
        File("2-candidate.yaml", head, (_service(release, other, part),)),
    )


def _service(release: Release, part: Part, traffic: int | None = None) -> Document:
    serving = part.serving
    predictor: Document = {} if traffic is None else {"canaryTrafficPercent": traffic}
    scaling = serving.autoscaling
    predictor |= {
        "minReplicas": scaling.least,
        "maxReplicas": scaling.most,
        "scaleMetric": _METRICS[scaling.by],
        "scaleTarget": scaling.target,
        "timeout": release.timeout_s,
    }
    if serving.batching:
        predictor["batcher"] = {"maxBatchSize": serving.batching.most, "maxLatency": serving.batching.wait_ms}
    if serving.logging.bodies is not Logged.NONE:
        predictor["logger"] = {"mode": serving.logging.bodies.value, "url": serving.logging.to}
    predictor |= _answers(release, part)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": meta(release, release.name, part),
        "spec": {"predictor": predictor},
    }


def _answers(release: Release, part: Part) -> Document:
    """A model that a runtime of the cluster reads, or a container of one's own."""
    runtime = part.serving.runtime
    if runtime.engine is Engine.OTHER:
        own = container(release, part, "kserve-container")
        return {"containers": [own | {"env": [*own.get("env", []), {"name": "STORAGE_URI", "value": part.storage}]}]}
    model: Document = {
        "modelFormat": {"name": file_format(part)},
        "storageUri": part.storage,
        "resources": resources(part),
    }
    if runtime.engine in (Engine.MLSERVER, Engine.TRITON):
        model["protocolVersion"] = "v2"
    if runtime.arguments:
        model["args"] = list(runtime.arguments)
    if runtime.environment:
        model["env"] = own_environment(part)
    return {"model": model}
