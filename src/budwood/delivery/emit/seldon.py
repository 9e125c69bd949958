"""Seldon: Core 2's Models with an Experiment between them, and the older SeldonDeployment."""

from typing import Final

from budwood.delivery.emit.pieces import container, file_format, meta, own_environment, resources, served
from budwood.delivery.emit.release import (
    NO_RULES,
    NOT_TESTED,
    Document,
    File,
    Part,
    Release,
    cannot,
    not_sticky,
    percent,
    weights,
)
from budwood.domain.canon import Json
from budwood.domain.serving.manifest import Engine, Logged

_SERVERS: Final = {
    "sklearn": "SKLEARN_SERVER",
    "xgboost": "XGBOOST_SERVER",
    "mlflow": "MLFLOW_SERVER",
    "huggingface": "HUGGINGFACE_SERVER",
    "onnx": "TRITON_SERVER",
}
_CORE_2: Final = "Seldon Core 2. Its servers must offer the capability that a Model asks for in 'requirements'."
_STICKY_HEADER: Final = (
    "A client keeps its version only if it sends back the header x-seldon-route of the first answer; Seldon tells "
    "users apart by nothing else."
)
_CORE_1: Final = "SeldonDeployment, of Seldon Core 1; its own licence forbids some uses in production since 2024."


def models(release: Release) -> tuple[File, ...]:
    """A Model for each version. Raises BadServing."""
    documents = tuple(_model(release, part) for part in served(release))
    return (File("models.yaml", (_CORE_2, NOT_TESTED), documents),)


def experiment(release: Release) -> tuple[File, ...]:
    """The Models, and what is between them. Raises NotOffered, BadServing."""
    if len(served(release)) < 2:
        cannot("seldon-experiment", "divides traffic, and one version answers", "Emit seldon-model.")
    share = weights(release.answering)
    candidates: list[Json] = [{"name": release.named(part), "weight": share[part.arm]} for part in release.answering]
    spec: Document = {"default": release.named(release.stable), "candidates": candidates}
    if release.shadow:
        heard = release.named(release.part(release.shadow.arm))
        spec["mirror"] = {"name": heard, "percent": percent(release.shadow.points, "seldon-experiment")}
    head = (_CORE_2, not_sticky(release), _STICKY_HEADER, NOT_TESTED, NO_RULES)
    made: Document = {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": "Experiment",
        "metadata": meta(release, release.name),
        "spec": spec,
    }
    return (*models(release), File("experiment.yaml", head, (made,)))


def seldon_deployment(release: Release) -> tuple[File, ...]:
    """All versions in one object. Raises NotOffered, BadServing."""
    heard = release.shadow.arm if release.shadow else ""
    predictors: list[Json] = [_predictor(release, part, shadow=part.arm == heard) for part in served(release)]
    spec: Document = {"name": release.name, "protocol": "v2", "predictors": predictors}
    made: Document = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": meta(release, release.name),
        "spec": spec,
    }
    head = (_CORE_1, not_sticky(release), NOT_TESTED, NO_RULES, "Batching is not in it: it is the server's to set.")
    return (File("seldon-deployment.yaml", head, (made,)),)


def _model(release: Release, part: Part) -> Document:
    serving = part.serving
    spec: Document = {
        "storageUri": part.storage,
        "requirements": [file_format(part)],
        "memory": serving.resources.memory,
        "minReplicas": max(1, serving.autoscaling.least),
        "maxReplicas": serving.autoscaling.most,
    }
    if serving.logging.bodies is not Logged.NONE:
        spec["logger"] = {"percent": percent(serving.logging.points, "seldon-model")}
    return {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": "Model",
        "metadata": meta(release, release.named(part), part),
        "spec": spec,
    }


def _predictor(release: Release, part: Part, *, shadow: bool) -> Document:
    serving, scaling = part.serving, part.serving.autoscaling
    assert release.shadow is not None or not shadow, "only a shadow hears copies"
    points = release.shadow.points if shadow and release.shadow else part.points
    graph: Document = {"name": "model", "type": "MODEL", "modelUri": part.storage}
    inner: Document = {"name": "model", "resources": resources(part)}
    if serving.runtime.engine is Engine.OTHER:
        inner = container(release, part)
    else:
        graph["implementation"] = _server(part)
        if serving.runtime.environment:
            inner["env"] = own_environment(part)
    if serving.logging.bodies is not Logged.NONE:
        graph["logger"] = {"mode": serving.logging.bodies.value, "url": serving.logging.to}
    made: Document = {
        "name": part.arm,
        "annotations": {"budwood.dev/version": part.reference, "budwood.dev/digest": part.digest},
        "replicas": max(1, scaling.least),
        "traffic": percent(points, "seldon-deployment"),
        "graph": graph,
        "componentSpecs": [{"spec": {"containers": [inner]}}],
    }
    return made | {"shadow": True} if shadow else made


def _server(part: Part) -> str:
    word = file_format(part)
    if word not in _SERVERS:
        cannot("seldon-deployment", f"has no server for {word}", "Emit seldon-model, or use an image of your own.")
    return _SERVERS[word]
