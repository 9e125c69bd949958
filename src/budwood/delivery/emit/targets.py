"""Every target by its name: what it is, and how a release is said in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from budwood.delivery.emit.kserve import inference_service
from budwood.delivery.emit.mesh import http_route, inference_pool, istio, workload
from budwood.delivery.emit.release import File, Release
from budwood.delivery.emit.repositories import mlserver, triton, vllm
from budwood.delivery.emit.scaling import hpa, keda
from budwood.delivery.emit.seldon import experiment, models, seldon_deployment
from budwood.delivery.emit.stepping import argo, flagger
from budwood.delivery.emit.watching import prometheus_rule
from budwood.domain.document import near
from budwood.errors import BadValue


@dataclass(frozen=True, slots=True)
class Target:
    """``what`` is said of it in one line."""

    what: str
    emit: Callable[[Release], tuple[File, ...]]


TARGETS: Final[Mapping[str, Target]] = {
    "kserve": Target("KServe InferenceService, with canaryTrafficPercent", inference_service),
    "seldon-model": Target("Seldon Core 2 Models", models),
    "seldon-experiment": Target("Seldon Core 2 Models and the Experiment between them", experiment),
    "seldon-deployment": Target("SeldonDeployment of Seldon Core 1", seldon_deployment),
    "deployment": Target("Kubernetes Deployments and Services", workload),
    "istio": Target("Istio VirtualService and DestinationRule, with their Deployments", istio),
    "gateway-api": Target("Gateway API HTTPRoute, with its Deployments", http_route),
    "inference-pool": Target("InferencePools and the HTTPRoute between them", inference_pool),
    "argo-rollouts": Target("Argo Rollout and AnalysisTemplate", argo),
    "flagger": Target("Flagger Canary", flagger),
    "prometheus": Target("PrometheusRule with alerts", prometheus_rule),
    "hpa": Target("HorizontalPodAutoscaler", hpa),
    "keda": Target("KEDA ScaledObject", keda),
    "triton": Target("Triton model repository", triton),
    "mlserver": Target("MLServer model repository", mlserver),
    "vllm": Target("vLLM's command, with adapters", vllm),
}


def emitted(target: str, release: Release) -> tuple[File, ...]:
    """The files. Raises BadValue, BadServing, NotOffered."""
    if target not in TARGETS:
        close = near(target, list(TARGETS)) or f"One of {', '.join(TARGETS)}."
        raise BadValue(f"{target[:80]!r} is no target.", hint=close, target=target[:80])
    return TARGETS[target].emit(release)
