"""A serving manifest for a version that brought none, from what is known of it: kind, frameworks, formats and size.

Guesses that cost little when they are wrong: too much memory rather than too little, and no batching, because a model
may not take more than it was given.
"""

from collections.abc import Sequence
from typing import Final

from budwood.domain.facts import Facts
from budwood.domain.names import Kind
from budwood.domain.serving.manifest import Autoscaling, Engine, Health, Resources, Runtime, ScaleBy, Serving

GIB: Final = 1 << 30
_TIMES_LOADED: Final = 2
"""A loaded model takes its files' size again while it is read."""

_LARGE_BYTES: Final = 4 * GIB
_VLLM: Final = Runtime(Engine.VLLM, format="huggingface", image="vllm/vllm-openai:latest", port=8_000)
_TRITON: Final = {
    "onnx": "onnxruntime",
    "torchscript": "pytorch",
    "savedmodel": "tensorflow",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
}
_MLSERVER: Final = {
    "sklearn": ("mlserver_sklearn.SKLearnModel", "sklearn"),
    "scikit-learn": ("mlserver_sklearn.SKLearnModel", "sklearn"),
    "xgboost": ("mlserver_xgboost.XGBoostModel", "xgboost"),
    "lightgbm": ("mlserver_lightgbm.LightGBMModel", "lightgbm"),
    "catboost": ("mlserver_catboost.CatboostModel", "catboost"),
    "mlflow": ("mlserver_mlflow.MLflowRuntime", "mlflow"),
    "huggingface": ("mlserver_huggingface.HuggingFaceRuntime", "huggingface"),
    "transformers": ("mlserver_huggingface.HuggingFaceRuntime", "huggingface"),
    "onnx": ("mlserver_onnx.OnnxModel", "onnx"),
}
_ONNX: Final = Runtime(Engine.TRITON, "onnxruntime", "onnx", "nvcr.io/nvidia/tritonserver:25.08-py3", 8_000)
_MLSERVER_IMAGE: Final = "docker.io/seldonio/mlserver:1.7.1"


def defaults_for(kind: Kind, facts: Facts, size_bytes: int, paths: Sequence[str] = ()) -> Serving:
    """What it is served with unless a document says otherwise."""
    runtime = _runtime(kind, facts, paths)
    language = runtime.engine is Engine.VLLM
    gpus = 1 if language else 0
    memory = max(1, -(-size_bytes * _TIMES_LOADED // GIB) + 1)
    slow = size_bytes >= _LARGE_BYTES
    health = Health("/health", "/health", 1_800) if language else Health(starts_s=1_800 if slow else 300)
    scaling = Autoscaling(by=ScaleBy.CONCURRENCY, target=100 if language else 10)
    return Serving(runtime, Resources("4" if slow else "1", f"{memory}Gi", gpus), autoscaling=scaling, health=health)


def triton_word(runtime: Runtime) -> str:
    """What Triton calls the backend; empty where it has none for such files."""
    if runtime.engine is Engine.TRITON and runtime.implementation:
        return runtime.implementation
    return _TRITON.get(runtime.format, "")


def mlserver_word(runtime: Runtime) -> str:
    """The class with which MLServer reads such files; empty where it has none."""
    if runtime.engine is Engine.MLSERVER and runtime.implementation:
        return runtime.implementation
    return _MLSERVER.get(runtime.format, ("", ""))[0]


def _runtime(kind: Kind, facts: Facts, paths: Sequence[str]) -> Runtime:
    if kind is Kind.ADAPTER or facts.adapter:
        return _VLLM
    if "gguf" in facts.formats or facts.architecture.endswith("ForCausalLM"):
        return _VLLM
    known = {name.lower() for name in (*facts.frameworks, *facts.formats)}
    if "onnx" in known:
        return _ONNX
    # MLflow's folders say how everything in them is read, so that comes before what lies in them.
    if any(path.rpartition("/")[2] == "MLmodel" for path in paths):
        known.add("mlflow")
    for name in ("mlflow", "xgboost", "lightgbm", "catboost", "sklearn", "scikit-learn", "transformers"):
        if name in known:
            implementation, word = _MLSERVER[name]
            return Runtime(Engine.MLSERVER, implementation, word, _MLSERVER_IMAGE)
    return Runtime(Engine.MLSERVER, "", "", _MLSERVER_IMAGE)
