"""Which library a version's files ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from budwood.errors import Unsupported

PREDICTOR: Final = "predictor"
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
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """``file`` is the one to load; empty where the folder is."""

    name: str
    file: str = ""

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
