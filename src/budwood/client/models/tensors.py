"""Write named arrays as one safetensors file: an eight-byte length, a JSON header, then the values back to back.

One tensor is in memory at a time beside the model itself. The same arrays give the same bytes.
"""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from budwood.client.models.written import Draft, versions
from budwood.errors import NotOffered

FILE_NAME: Final = "model.safetensors"

_NUMPY_DTYPES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
_ITEM_BYTES: Final = {"BOOL": 1, "BF16": 2, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """``read`` gives the values as little-endian bytes, in C order; it is called once, when they are written."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.uint8]]

    @property
    def item_bytes(self) -> int:
        """The size of one value."""
        return _ITEM_BYTES.get(self.dtype) or int(self.dtype[1:]) // 8

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.item_bytes


def is_tensor_dict(model: object) -> bool:
    """A flat, non-empty mapping of names to PyTorch tensors or NumPy arrays."""
    return (
        isinstance(model, Mapping)
        and len(model) > 0
        and all(isinstance(name, str) for name in model)
        and all(isinstance(value, np.ndarray | np.generic) or is_torch_tensor(value) for value in model.values())
    )


def is_torch_tensor(value: object) -> bool:
    """True for tensors and parameters; torch is not imported to find out."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def write_tensor_dict(model: object, folder: Path) -> Draft:
    """Every name is written, also names that share memory: the store keeps equal tensors once anyway."""
    assert isinstance(model, Mapping)
    uses_torch = any(is_torch_tensor(value) for value in model.values())
    named = [_named(name, value) for name, value in model.items()]
    write_safetensors(folder / FILE_NAME, named, {"format": "pt" if uses_torch else "np"})
    return Draft(versions("torch") if uses_torch else versions("numpy"))


def write_safetensors(path: Path, tensors: Sequence[NamedTensor], metadata: Mapping[str, str]) -> None:
    """Largest values first, so that every tensor is aligned to its own item size; then by name."""
    ordered = sorted(tensors, key=lambda tensor: (-tensor.item_bytes, tensor.name))
    header = _header(ordered, metadata)
    with path.open("wb") as file:
        file.write(header)
        for tensor in ordered:
            values = tensor.read()
            assert values.nbytes == tensor.size, tensor.name
            file.write(values.data)


def _header(tensors: Sequence[NamedTensor], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    at = 0
    for tensor in tensors:
        if tensor.name in header:
            raise NotOffered(f"{tensor.name!r} cannot name a tensor in a safetensors file.", tensor=tensor.name)
        end = at + tensor.size
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _named(name: str, value: Any) -> NamedTensor:
    if is_torch_tensor(value):
        from budwood.client.models.torch import named_tensor  # It needs this module, and torch.

        return named_tensor(name, value)
    array = np.asarray(value)
    dtype = _NUMPY_DTYPES.get(array.dtype.newbyteorder("=").name)
    if dtype is None:
        raise NotOffered(
            f"Array {name!r} holds {array.dtype}, which safetensors cannot keep.",
            hint="Convert it to a number type of at most 64 bits.",
            tensor=name,
        )
    return NamedTensor(name, dtype, array.shape, lambda: _array_bytes(array))


def _array_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8)
