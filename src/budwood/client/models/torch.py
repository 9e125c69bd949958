"""PyTorch modules: weights as safetensors, and a config.json that says which class they belong to.

Tensors that share memory (tied embeddings) are written once, under the first of their names; the header's
metadata maps each left-out name to the one that stands for it, as ``safetensors.torch.load_model`` expects.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from budwood.client.models.tensors import FILE_NAME, NamedTensor, is_torch_tensor, write_safetensors
from budwood.client.models.written import Draft, versions
from budwood.errors import NotOffered

CONFIG_NAME: Final = "config.json"

_TORCH_DTYPES: Final = {
    "torch.bool": "BOOL",
    "torch.uint8": "U8",
    "torch.int8": "I8",
    "torch.uint16": "U16",
    "torch.int16": "I16",
    "torch.uint32": "U32",
    "torch.int32": "I32",
    "torch.uint64": "U64",
    "torch.int64": "I64",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.float32": "F32",
    "torch.float64": "F64",
    "torch.complex64": "C64",
    "torch.float8_e4m3fn": "F8_E4M3",
    "torch.float8_e5m2": "F8_E5M2",
}


def write_module(model: Any, folder: Path) -> Draft:
    """The state dict of a module, compiled or not. Raises NotOffered for state that is no plain tensor."""
    module = getattr(model, "_orig_mod", model)  # torch.compile wraps the module it was given.
    state = dict(module.state_dict())
    for name, value in state.items():
        if not is_torch_tensor(value):
            raise NotOffered(
                f"{name!r} in the module's state is a {type(value).__name__}, not a tensor.",
                hint="Save it yourself beside the weights, and push the folder.",
                tensor=name,
            )
    kept_for = _shared_names(state)
    tensors = [named_tensor(name, value) for name, value in state.items() if name not in kept_for]
    write_safetensors(folder / FILE_NAME, tensors, {"format": "pt", **kept_for})
    kind = type(module)
    config = {
        "architectures": [kind.__name__],
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "frameworks": versions("torch"),
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    return Draft(versions("torch"), architecture=kind.__name__)


def named_tensor(name: str, tensor: Any) -> NamedTensor:
    """A torch tensor as the writer takes it. Raises NotOffered when it has no plain values."""
    dtype = _TORCH_DTYPES.get(str(tensor.dtype))
    if dtype is None or str(tensor.layout) != "torch.strided" or tensor.is_meta:
        what = "no values" if tensor.is_meta else f"{tensor.dtype} values in {tensor.layout} layout"
        raise NotOffered(
            f"Tensor {name!r} has {what}, which safetensors cannot keep.",
            hint="Load, convert or dequantise it first.",
            tensor=name,
        )
    return NamedTensor(name, dtype, tuple(tensor.shape), lambda: _tensor_bytes(tensor))


def _tensor_bytes(tensor: Any) -> NDArray[np.uint8]:
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    values: NDArray[np.uint8] = plain.reshape(-1).contiguous().view(torch.uint8).numpy()
    return values


def _shared_names(state: Mapping[str, Any]) -> dict[str, str]:
    """Left-out name to kept name, for tensors that are views of one memory that one of them covers whole."""
    by_memory: dict[tuple[str, int], list[str]] = {}
    for name in sorted(state):
        tensor = state[name]
        if str(tensor.layout) == "torch.strided" and not tensor.is_meta and tensor.numel() > 0:
            by_memory.setdefault((str(tensor.device), tensor.untyped_storage().data_ptr()), []).append(name)
    kept_for: dict[str, str] = {}
    for names in by_memory.values():
        whole = next((name for name in names if _covers_its_memory(state[name])), None)
        if whole is not None:
            kept_for |= {name: whole for name in names if name != whole}
    return kept_for


def _covers_its_memory(tensor: Any) -> bool:
    return bool(
        tensor.storage_offset() == 0 and tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
    )
