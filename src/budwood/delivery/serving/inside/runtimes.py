"""A model from its files, by the library that wrote them. Each is a callable: tensors by name to outputs by name.

Nothing is loaded here before the files were verified and their scan was clean, or the user said to trust them.
"""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from .tensors import Wrong

Tensors: TypeAlias = Mapping[str, Any]
_ROWS: Final = 1


@dataclass(frozen=True)
class Model:
    """``predict`` raises Wrong for a request that does not fit, anything else when the model fails. ``sample`` are
    tensors to warm it with, where the model says what it takes."""

    predict: Callable[[Tensors], Any]
    sample: Tensors | None = None
    takes: list[dict[str, Any]] = field(default_factory=list)


def load(runtime: str, folder: Path, file: str, predictor: str) -> Model:
    """Raises whatever its library raises; ImportError where that is missing."""
    return _LOADERS[runtime](folder, folder / file, predictor)


def _predictor(folder: Path, _: Path, named: str) -> Model:
    """``module:Class``, made with the folder; ``predict`` takes tensors by name."""
    module, _colon, name = named.partition(":")
    made = getattr(importlib.import_module(module), name)
    one = made(str(folder)) if inspect.signature(made).parameters else made()
    return Model(one.predict, getattr(one, "sample", None))


def _skops(_: Path, file: Path, __: str) -> Model:
    from skops.io import get_untrusted_types, load

    # What lies beyond skops' own list was judged by the scan, of these very bytes.
    return _estimator(load(file, trusted=get_untrusted_types(file=file)))


def _pickled(_: Path, file: Path, __: str) -> Model:
    try:
        import joblib
    except ImportError:
        import pickle

        with file.open("rb") as opened:
            return _estimator(pickle.load(opened))  # noqa: S301  (scanned clean or trusted, in the model's own process)
    return _estimator(joblib.load(file))


def _estimator(one: Any) -> Model:
    """What has scikit-learn's interface. Probabilities come beside the prediction where there are any."""
    wide = getattr(one, "n_features_in_", None)

    def predict(tensors: Tensors) -> dict[str, Any]:
        table = _only(tensors)
        if wide is not None and (getattr(table, "ndim", 2) != 2 or table.shape[1] != wide):
            raise Wrong(f"It takes a table of {wide} columns, and got the shape {list(table.shape)}.")
        answers = {"predict": one.predict(table)}
        if hasattr(one, "predict_proba"):
            answers["predict_proba"] = one.predict_proba(table)
        return answers

    return Model(predict, _zeros(wide), [_takes("input-0", "FP64", [-1, wide])] if wide else [])


def _xgboost(_: Path, file: Path, __: str) -> Model:
    xgboost = importlib.import_module("xgboost")
    booster = xgboost.Booster(model_file=str(file))
    wide = booster.num_features()
    return Model(lambda tensors: booster.inplace_predict(_table(tensors, wide)), _zeros(wide))


def _lightgbm(_: Path, file: Path, __: str) -> Model:
    lightgbm = importlib.import_module("lightgbm")
    booster = lightgbm.Booster(model_file=str(file))
    wide = booster.num_feature()
    return Model(lambda tensors: booster.predict(_table(tensors, wide)), _zeros(wide))


def _onnx(_: Path, file: Path, __: str) -> Model:
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=onnxruntime.get_available_providers())
    inputs, outputs = session.get_inputs(), [each.name for each in session.get_outputs()]
    dtypes = {each.name: _ONNX.get(each.type, "float32") for each in inputs}
    shapes = {each.name: [side if isinstance(side, int) else -1 for side in each.shape] for each in inputs}

    def predict(tensors: Tensors) -> dict[str, Any]:
        named = {inputs[0].name: _only(tensors)} if len(inputs) == 1 else tensors
        if set(named) != set(dtypes):
            raise Wrong(f"It takes {', '.join(sorted(dtypes))}, and got {', '.join(sorted(named))}.")
        for name, array in named.items():
            wanted = shapes[name]
            if len(wanted) != array.ndim or any(w not in (-1, s) for w, s in zip(wanted, array.shape, strict=True)):
                raise Wrong(f"{name} has the shape {list(array.shape)}, and it takes {wanted}.")
        fed = {name: array.astype(dtypes[name], copy=False) for name, array in named.items()}
        return dict(zip(outputs, session.run(None, fed), strict=True))

    sample = {
        name: np.zeros([_ROWS if side < 0 else side for side in shape], dtypes[name]) for name, shape in shapes.items()
    }
    return Model(predict, sample, [_takes(name, dtypes[name], shape) for name, shape in shapes.items()])


def _torch(_: Path, file: Path, __: str) -> Model:
    """TorchScript, or a program from torch.export. A file of weights alone says nothing of what to compute."""
    import torch

    module = torch.export.load(file).module() if file.suffix == ".pt2" else torch.jit.load(file, map_location="cpu")
    if file.suffix != ".pt2":
        module.eval()

    def predict(tensors: Tensors) -> Any:
        with torch.inference_mode():
            answer = module(*(torch.from_numpy(array) for array in tensors.values()))
        if isinstance(answer, tuple | list):
            return {f"output-{number}": each for number, each in enumerate(answer)}
        return answer

    return Model(predict)


def _hugging_face(folder: Path, _: Path, __: str) -> Model:
    """Texts in; labels and scores, a text, or vectors out. Code that came with the model is never run."""
    import numpy as np
    from transformers import pipeline

    task = task_of(folder)
    pipe = pipeline(task, model=str(folder), trust_remote_code=False)

    def predict(tensors: Tensors) -> dict[str, Any]:
        texts = [str(each) for each in _only(tensors).reshape(-1).tolist()]
        if task == "text-classification":
            found = pipe(texts, truncation=True)
            return {"label": [each["label"] for each in found], "score": [each["score"] for each in found]}
        if task == "text-generation":
            return {"text": [each[0]["generated_text"] for each in pipe(texts)]}
        return {"embedding": np.stack([np.mean(vectors[0], axis=0) for vectors in pipe(texts)]).astype("float32")}

    return Model(predict, {"text": np.array(["Warm."], dtype=object)}, [_takes("text", "BYTES", [-1])])


def task_of(folder: Path) -> str:
    """What a Hugging Face model is for, by the name of its architecture."""
    architectures = json.loads((folder / "config.json").read_bytes()).get("architectures") or [""]
    ends = {"ForSequenceClassification": "text-classification"}
    ends |= dict.fromkeys(("ForCausalLM", "LMHeadModel"), "text-generation")  # GPT-2 and its kin end in the latter.
    return next((task for end, task in ends.items() if architectures[0].endswith(end)), "feature-extraction")


def _only(tensors: Tensors) -> Any:
    if len(tensors) != 1:
        raise Wrong(f"It takes one input, and got {len(tensors)}.")
    return next(iter(tensors.values()))


def _table(tensors: Tensors, wide: int) -> Any:
    table = _only(tensors)
    if table.ndim != 2 or table.shape[1] != wide:
        raise Wrong(f"It takes a table of {wide} columns, and got the shape {list(table.shape)}.")
    return table


def _zeros(wide: int | None) -> Tensors | None:
    if not wide:
        return None
    import numpy as np

    return {"input-0": np.zeros((_ROWS, wide))}


def _takes(name: str, dtype: str, shape: list[Any]) -> dict[str, Any]:
    from .tensors import DATATYPES

    named = {kind: word for word, kind in DATATYPES.items()}
    return {"name": name, "datatype": named.get(dtype, dtype), "shape": shape}


_ONNX: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_LOADERS: Final[Mapping[str, Callable[[Path, Path, str], Model]]] = {
    "predictor": _predictor,
    "skops": _skops,
    "pickle": _pickled,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "onnx": _onnx,
    "torch": _torch,
    "hugging-face": _hugging_face,
}
