"""What several targets are made of: names and labels, a container with its probes, Deployments and Services."""

from collections.abc import Mapping
from typing import Final

from budwood.delivery.emit.release import Document, Part, Release
from budwood.domain.canon import Json
from budwood.domain.serving.defaults import mlserver_word
from budwood.domain.serving.manifest import Engine, Runtime
from budwood.errors import BadServing

ARM: Final = "budwood.dev/arm"
MODELS: Final = "/mnt/models"
LOADER: Final = "kserve/storage-initializer:v0.15.2"
PORT: Final = 80
WORKLOAD_NOTE: Final = (
    "A pod's files are brought by KServe's storage initializer, from spec.storage of the serving manifest, before the "
    "model is loaded; nothing in the cluster checks them against the version's digest."
)


def meta(release: Release, name: str, part: Part | None = None) -> Document:
    """An object's metadata: who it belongs to as labels, and what stands behind it as annotations."""
    about: Document = {}
    if release.generation:
        about["budwood.dev/generation"] = str(release.generation)
    if release.reason:
        about["budwood.dev/reason"] = release.reason
    if part is not None:
        about["budwood.dev/version"] = part.reference
        about["budwood.dev/digest"] = part.digest
    if part is not None and part.message:
        about["budwood.dev/message"] = part.message
    made: Document = {"name": name, "labels": _owned(release, part)}
    return {**made, "annotations": about} if about else made


def selected(release: Release) -> dict[str, str]:
    """The labels that all pods of a release have."""
    return {"app": release.name}


def pod_labels(release: Release, part: Part) -> dict[str, str]:
    """``app`` and ``version`` are what Istio's metrics call a pod by."""
    return {"app": release.name, "version": part.revision, ARM: part.arm}


def port_name(runtime: Runtime) -> str:
    """Meshes read the protocol from it."""
    return f"http-{runtime.engine}"[:15]


def resources(part: Part) -> Document:
    """What a replica asks for, and may not exceed."""
    need = part.serving.resources
    asked: Document = {"cpu": need.cpu, "memory": need.memory}
    most: Document = {"memory": need.memory}
    if need.gpus:
        asked[need.gpu_kind] = most[need.gpu_kind] = str(need.gpus)
    return {"requests": asked, "limits": most}


def environment(part: Part, release: Release) -> list[Json]:
    """Of the container: the engine's own settings first, then the document's, which win."""
    variables = {**_engine_variables(part, release), **part.serving.runtime.environment}
    return [{"name": name, "value": value} for name, value in variables.items()]


def own_environment(part: Part) -> list[Json]:
    """Only what the document says, for targets that set up the engine themselves."""
    return [{"name": name, "value": value} for name, value in part.serving.runtime.environment.items()]


def container(release: Release, part: Part, name: str = "model") -> Document:
    """The one that answers. Raises BadServing."""
    runtime = part.serving.runtime
    if not runtime.image:
        raise BadServing(
            f"Nobody says which image runs {part.reference}: spec.runtime.image is missing.",
            hint="Write spec.runtime.image: registry.example.com/serving/model:1.0.",
            field="spec.runtime.image",
        )
    made: Document = {"name": name, "image": runtime.image}
    arguments = [*_engine_arguments(release, runtime), *runtime.arguments]
    if arguments:
        made["args"] = arguments
    variables = environment(part, release)
    if variables:
        made["env"] = variables
    made["ports"] = [{"name": port_name(runtime), "containerPort": runtime.port}]
    return {**made, "resources": resources(part), **probes(part)}


def probes(part: Part) -> Document:
    """Loading may take its time; after that, silence is an illness."""
    health, port = part.serving.health, part.serving.runtime.port
    ready: Document = {"httpGet": {"path": health.ready, "port": port}, "periodSeconds": health.every_s}
    tries = max(1, -(-health.starts_s // health.every_s))
    return {
        "startupProbe": {**ready, "failureThreshold": tries},
        "readinessProbe": {**ready, "failureThreshold": 2},
        "livenessProbe": {
            "httpGet": {"path": health.live, "port": port},
            "periodSeconds": health.every_s,
            "failureThreshold": 5,
        },
    }


def pod(release: Release, part: Part, labels: Mapping[str, str] | None = None) -> Document:
    """A pod's template. Raises BadServing."""
    mounted: Document = {"name": "files", "mountPath": MODELS}
    loads: Document = {
        "name": "files",
        "image": LOADER,
        "args": [part.storage, MODELS],
        "volumeMounts": [mounted],
    }
    answers = container(release, part)
    answers["volumeMounts"] = [{**mounted, "readOnly": True}]
    about = meta(release, "", part).get("annotations", {})
    return {
        "metadata": {"labels": dict(labels or pod_labels(release, part)), "annotations": about},
        "spec": {
            "terminationGracePeriodSeconds": 30 + release.timeout_s,
            "initContainers": [loads],
            "containers": [answers],
            "volumes": [{"name": "files", "emptyDir": {}}],
        },
    }


def deployment(release: Release, part: Part, name: str = "") -> Document:
    """One version's pods. Without a number of replicas, so that applying it again undoes no scaling."""
    own = pod_labels(release, part)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(release, name or release.named(part), part),
        "spec": {
            "selector": {"matchLabels": {"app": own["app"], ARM: own[ARM]}},
            "template": pod(release, part),
        },
    }


def service(release: Release, name: str, part: Part | None = None) -> Document:
    """An address for one version's pods, or for all of them."""
    first = part or release.stable
    chosen = selected(release) if part is None else {**selected(release), ARM: part.arm}
    port: Document = {"name": "http", "port": PORT, "targetPort": first.serving.runtime.port}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(release, name, part),
        "spec": {"selector": chosen, "ports": [port]},
    }


def served(release: Release) -> tuple[Part, ...]:
    """The versions that need pods: those that answer or hear copies, and the one everything goes back to."""
    heard = {release.shadow.arm} if release.shadow else set()
    wanted = heard | {release.baseline, release.candidate}
    return tuple(part for part in release.parts if part.points or part.arm in wanted)


def _owned(release: Release, part: Part | None) -> Document:
    own: Document = {"app.kubernetes.io/name": release.name, "app.kubernetes.io/managed-by": "budwood"}
    return {**own, ARM: part.arm, "app.kubernetes.io/version": part.revision} if part else own


def _engine_variables(part: Part, release: Release) -> dict[str, str]:
    runtime = part.serving.runtime
    if runtime.engine is not Engine.MLSERVER:
        return {}
    return {
        "MLSERVER_MODEL_NAME": release.name,
        "MLSERVER_MODEL_IMPLEMENTATION": implementation(part),
        "MLSERVER_MODEL_URI": MODELS,
        "MLSERVER_HTTP_PORT": str(runtime.port),
        **_gathered(part),
    }


def _gathered(part: Part) -> dict[str, str]:
    batching = part.serving.batching
    if batching is None:
        return {}
    return {
        "MLSERVER_MODEL_MAX_BATCH_SIZE": str(batching.most),
        "MLSERVER_MODEL_MAX_BATCH_TIME": f"{batching.wait_ms / 1_000:g}",
    }


def _engine_arguments(release: Release, runtime: Runtime) -> list[str]:
    match runtime.engine:
        case Engine.TRITON:
            return ["tritonserver", f"--model-repository={MODELS}", f"--http-port={runtime.port}"]
        case Engine.VLLM:
            return [f"--model={MODELS}", f"--served-model-name={release.name}", f"--port={runtime.port}"]
        case Engine.MLSERVER | Engine.OTHER:
            return []


def implementation(part: Part) -> str:
    """MLServer's word for how the files are read. Raises BadServing."""
    word = mlserver_word(part.serving.runtime)
    if not word:
        raise BadServing(
            f"Nobody knows how MLServer reads {part.reference}: spec.runtime.implementation is missing.",
            hint="Write spec.runtime.implementation: mlserver_sklearn.SKLearnModel, or another engine.",
            field="spec.runtime.implementation",
        )
    return word


def file_format(part: Part) -> str:
    """What the files are. Raises BadServing."""
    word = part.serving.runtime.format
    if not word:
        raise BadServing(
            f"Nobody knows what the files of {part.reference} are: spec.runtime.format is missing.",
            hint="Write spec.runtime.format: sklearn, onnx, huggingface.",
            field="spec.runtime.format",
        )
    return word
