"""Which library a version's files ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from budwood.errors import Unsupported

PREDICTOR: Final = "predictor"
MLSERVER: Final = "mlserver"
_BY_SUFFIX: Final[Mapping[str, str]] = {
    ".skops": "skops",
    ".joblib": "pickle",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".onnx": "onnx",
    ".ubj": "xgboost",
    ".xgb": "xgboost",
    ".lgb": "lightgbm",
    ".pt2": "torch",
    ".torchscript": "torch",
    ".pt": "torch",
    ".pth": "torch",
}
_TITLES: Final[Mapping[str, str]] = {
    "skops": "scikit-learn (skops)",
    "pickle": "scikit-learn (joblib, pickle)",
    "onnx": "ONNX",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "torch": "PyTorch",
    "hugging-face": "Hugging Face",
    PREDICTOR: "a predictor of your own",
    MLSERVER: "MLServer",
}
_IMPLEMENTATIONS: Final[Mapping[str, str]] = {
    "pickle": "mlserver_sklearn:SKLearnModel",
    "xgboost": "mlserver_xgboost:XGBoostModel",
    "lightgbm": "mlserver_lightgbm:LightGBMModel",
    "hugging-face": "mlserver_huggingface:HuggingFaceRuntime",
}
_MLFLOW: Final = "mlserver_mlflow:MLflowRuntime"


@dataclass(frozen=True, slots=True)
class Runtime:
    """``file`` is the one to load; empty where the folder is. ``implementation`` is the class that loads it, where
    somebody else's server does."""

    name: str
    file: str = ""
    implementation: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return _TITLES[self.name]


def runtime_for(paths: Sequence[str], predictor: str = "") -> Runtime:
    """Raises Unsupported when there is none, or more than one."""
    if predictor:
        return Runtime(PREDICTOR)
    names = {PurePosixPath(path).name for path in paths}
    if "config.json" in names and any(name.endswith((".safetensors", ".bin")) for name in names):
        return Runtime("hugging-face")
    found = [(path, kind) for path in paths if (kind := _BY_SUFFIX.get(PurePosixPath(path).suffix.lower()))]
    if len(found) == 1:
        return Runtime(found[0][1], found[0][0])
    hint = "Serve it with a predictor of your own: --predictor module:Class"
    if found:
        raise Unsupported(f"Its files {', '.join(path for path, _ in found)[:200]} could each be the model.", hint=hint)
    raise Unsupported(
        f"None of its files ({', '.join(paths)[:200]}) is a model that can be served as it is.", hint=hint
    )


def mlserver_for(paths: Sequence[str], predictor: str = "") -> Runtime:
    """The same by MLServer's runtimes; ``predictor`` is one of your own. Raises Unsupported."""
    if predictor:
        return Runtime(MLSERVER, "", predictor)
    if "MLmodel" in paths:
        return Runtime(MLSERVER, "", _MLFLOW)
    found = runtime_for(paths)
    if found.name not in _IMPLEMENTATIONS:
        hint = "Leave --runtime out, or name an MLServer runtime of your own: --predictor module:Class"
        raise Unsupported(f"MLServer has no runtime for {found.title}.", hint=hint)
    return Runtime(MLSERVER, found.file, _IMPLEMENTATIONS[found.name])
