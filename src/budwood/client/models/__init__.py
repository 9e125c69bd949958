"""Write a model that lives in memory into a folder, in the safest format its framework reads natively.

A framework is recognised by the classes the object descends from, never by importing it: whoever holds an
``nn.Module`` has imported torch already. Nothing is ever pickled; what has no safe format is refused.

    scikit-learn estimator            model.skops
    PyTorch module                    model.safetensors (load with safetensors.torch.load_model), config.json
    dict of PyTorch or NumPy arrays   model.safetensors
    Transformers, PEFT, SentenceTransformer, and tuples such as (model, tokenizer): save_pretrained
    ONNX ModelProto                   model.onnx
"""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from budwood.client.models import hub, onnx, sklearn, tensors, torch
from budwood.client.models.written import Draft, WrittenModel
from budwood.errors import NotOffered, StorageFailed, StorageFull, TargetDiffers

__all__ = ["WrittenModel", "write_model"]

Writer = Callable[[object, Path], Draft]

_WRITERS: Final[Mapping[tuple[str, str], Writer]] = {
    ("peft", "PeftModel"): hub.write_adapter,
    ("transformers", "PreTrainedModel"): hub.write_model,
    ("transformers", "Pipeline"): hub.write_pipeline,
    ("transformers", "PreTrainedTokenizerBase"): hub.write_companion,
    ("transformers", "ProcessorMixin"): hub.write_companion,
    ("transformers", "ImageProcessingMixin"): hub.write_companion,
    ("transformers", "FeatureExtractionMixin"): hub.write_companion,
    ("sentence_transformers", "SentenceTransformer"): hub.write_sentence_transformer,
    ("torch", "Module"): torch.write_module,
    ("onnx", "ModelProto"): onnx.write_proto,
    ("sklearn", "BaseEstimator"): sklearn.write_estimator,
}
"""By top package and class; the first that an object descends from counts, so subclasses stand before torch."""

_WEIGHTS: Final = (hub.write_adapter, hub.write_model, hub.write_pipeline, hub.write_sentence_transformer)
_SUPPORTED: Final = (
    "scikit-learn estimators, PyTorch modules and state dicts, Transformers models, tokenizers and pipelines, "
    "PEFT adapters, SentenceTransformers, ONNX ModelProto, and dicts of NumPy arrays"
)


def write_model(model: object, folder: Path) -> WrittenModel:
    """Write the model into an existing empty folder.

    Raises NotOffered (no safe format for it), FrameworkMissing (its writer is not installed), TargetDiffers
    (the folder is not empty), StorageFull, StorageFailed.
    """
    parts = model if isinstance(model, tuple | list) and model else (model,)
    writers = [_writer_for(part) for part in parts]
    if len(parts) > 1:
        _check_together(parts, writers)
    try:
        if any(folder.iterdir()):
            raise TargetDiffers(f"{folder} is not empty.", hint="Give an empty folder to write a model into.")
        drafts = [write(part, folder) for part, write in zip(parts, writers, strict=True)]
        return _joined(drafts, folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (StorageFull if full else StorageFailed)(f"The model cannot be written: {error}") from error


def _writer_for(model: object) -> Writer:
    ancestry = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(model).__mro__}
    for known, write in _WRITERS.items():
        if known in ancestry:
            return write
    if tensors.is_tensor_dict(model):
        return tensors.write_tensor_dict
    raise NotOffered(
        f"A {type(model).__module__}.{type(model).__qualname__} cannot be written safely.",
        hint=f"Supported are {_SUPPORTED}. Save anything else to a file yourself and push the file.",
        type=f"{type(model).__module__}.{type(model).__qualname__}",
    )


def _check_together(parts: tuple[object, ...] | list[object], writers: list[Writer]) -> None:
    """A tuple may hold one set of weights and what goes with it; two would overwrite each other's files."""
    weights = sum(write in _WEIGHTS for write in writers)
    companions = sum(write is hub.write_companion for write in writers)
    if weights > 1 or weights + companions < len(parts):
        kinds = tuple(type(part).__name__ for part in parts)
        raise NotOffered(
            f"{', '.join(kinds)} cannot be written into one version together.",
            hint="Together go one Transformers or PEFT model and its tokenizer or processor. Push others one by one.",
            types=kinds,
        )


def _joined(drafts: list[Draft], folder: Path) -> WrittenModel:
    frameworks: dict[str, str] = {}
    for draft in drafts:
        frameworks |= draft.frameworks
    main = next((draft for draft in drafts if draft.architecture), drafts[0])
    return WrittenModel(
        files=tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())),
        frameworks=dict(sorted(frameworks.items())),
        architecture=main.architecture,
        kind=main.kind,
        schema=main.schema,
    )
