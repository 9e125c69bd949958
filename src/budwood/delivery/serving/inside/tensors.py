"""Open Inference's tensors, to and from what models take: numpy's arrays where it is installed, else lists.

Their values are in the JSON, or behind it (``binary.py``). A ``null`` in a tensor of floating-point numbers is a
missing value: NaN. JSON has no other way to say so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

from .binary import BF16, packed, unpacked

Plain: TypeAlias = dict[str, Any]
DATATYPES: Final = {
    "BOOL": "bool",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
_NAMES: Final = {dtype: name for name, dtype in DATATYPES.items()}
_DIMENSIONS: Final = 16


class Wrong(Exception):
    """The request is wrong; the text is for who sent it."""


@dataclass(frozen=True)
class Outputs:
    """``behind`` are the bytes of those that were asked for in binary."""

    said: list[Plain] = field(default_factory=list)
    behind: list[bytes] = field(default_factory=list)


def inputs_of(request: object, behind: "memoryview | bytes" = b"") -> dict[str, Any]:
    """The tensors of a request by name; ``behind`` is what came behind its JSON. Raises Wrong."""
    given = request.get("inputs") if isinstance(request, Mapping) else None
    if not isinstance(given, list) or not given:
        raise Wrong('A request is {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}.')
    found: dict[str, Any] = {}
    left = memoryview(behind)
    for each in given:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise Wrong("Each input is an object with a name.")
        what = f"The input {each['name'][:80]!r}"
        if each["name"] in found:
            raise Wrong(f"{what} is there twice.")
        size = _binary_size(each, what)
        if size is None:
            found[each["name"]] = _tensor(each, what)
            continue
        if size > len(left):
            raise Wrong(f"{what} has {size} bytes, and {len(left)} are left behind the JSON.")
        found[each["name"]] = _binary_tensor(each, left[:size], what)
        left = left[size:]
    if len(left):
        raise Wrong(f"{len(left)} bytes behind the JSON belong to no input.")
    return found


def outputs_of(answer: object, request: Mapping[str, Any] | None = None) -> Outputs:
    """A model's answer as Open Inference writes it: those outputs that the request asks for, as it asks. Raises
    Wrong."""
    named = dict(answer) if isinstance(answer, Mapping) else {"predict": answer}
    made = Outputs()
    for name, is_binary in _wanted(request or {}, list(named)).items():
        if name not in named:
            raise Wrong(f"There is no output {str(name)[:80]!r}; there is {', '.join(map(str, named))}.")
        shape, datatype, values = _described(named[name])
        said: Plain = {"name": str(name), "shape": shape, "datatype": datatype}
        if is_binary:
            made.behind.append(_packed(datatype, values, str(name)))
            said["parameters"] = {"binary_data_size": len(made.behind[-1])}
        else:
            said["data"] = _listed(datatype, values, str(name))
        made.said.append(said)
    return made


def _wanted(request: Mapping[str, Any], every: Sequence[Any]) -> dict[Any, bool]:
    """Each output that is asked for, and whether in binary; all of them where none is named."""
    unless_said = _flag(request, "binary_data_output", "The request", unless=False)
    asked = request.get("outputs")
    if not isinstance(asked, list) or not asked:
        return dict.fromkeys(every, unless_said)
    if not all(isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in asked):
        raise Wrong("Each output is an object with a name.")
    return {each["name"]: _flag(each, "binary_data", "An output", unless=unless_said) for each in asked}


def _flag(given: Mapping[str, Any], name: str, what: str, *, unless: bool) -> bool:
    said = _parameters(given, what).get(name, unless)
    if not isinstance(said, bool):
        raise Wrong(f"{what} has {name}, which must be true or false.")
    return said


def _binary_size(given: Mapping[str, Any], what: str) -> int | None:
    """None for a tensor whose values are in the JSON."""
    size = _parameters(given, what).get("binary_data_size")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise Wrong(f"{what} has a binary_data_size, which must be a number of bytes.")
    if "data" in given:
        raise Wrong(f"{what} has both data and binary_data_size; give one of them.")
    return size


def _parameters(given: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    said = given.get("parameters") or {}
    if not isinstance(said, Mapping):
        raise Wrong(f"{what} has parameters, which must be an object.")
    return said


def _tensor(given: Mapping[str, Any], what: str) -> Any:
    datatype, values = given.get("datatype"), given.get("data")
    if datatype == BF16:
        raise Wrong(f"{what} has the datatype {BF16}, which is sent in binary only.")
    shape = _shape(given, what)
    if not isinstance(values, list):
        raise Wrong(f"{what} needs data as a list, or a binary_data_size among its parameters.")
    flat = _flat(values, what)
    if len(flat) != math.prod(shape):
        raise Wrong(f"{what} has {len(flat)} values, and its shape {shape} asks for {math.prod(shape)}.")
    return _array(flat, shape, str(datatype), what)


def _binary_tensor(given: Mapping[str, Any], behind: memoryview, what: str) -> Any:
    shape = _shape(given, what)
    try:
        flat = unpacked(given["datatype"], math.prod(shape), behind)
        return flat.reshape(tuple(shape)) if hasattr(flat, "reshape") else _nested(flat, shape)
    except (ValueError, OverflowError) as error:
        raise Wrong(f"{what} {error}.") from None


def _shape(given: Mapping[str, Any], what: str) -> list[int]:
    """And a datatype that there is."""
    shape, datatype = given.get("shape"), given.get("datatype")
    if datatype not in (*DATATYPES, BF16):
        raise Wrong(f"{what} has the datatype {str(datatype)[:20]!r}; there are {', '.join(DATATYPES)}.")
    if (
        not isinstance(shape, list)
        or len(shape) > _DIMENSIONS
        or not all(isinstance(side, int) and not isinstance(side, bool) and 0 <= side < 1 << 63 for side in shape)
    ):
        raise Wrong(f"{what} needs a shape, a list of whole numbers.")
    return shape


def _flat(values: list[Any], what: str) -> list[Any]:
    for _ in range(_DIMENSIONS):
        if not any(isinstance(each, list) for each in values):
            return values
        if not all(isinstance(each, list) for each in values):
            break
        values = list(chain.from_iterable(values))
    raise Wrong(f"{what} has data that is nested unevenly.")


def _array(flat: list[Any], shape: Sequence[int], datatype: str, what: str) -> Any:
    kind: type | tuple[type, ...] = int
    if datatype == "BOOL":
        kind = bool
    elif datatype == "BYTES":
        kind = str
    elif datatype.startswith("FP"):
        kind = (int, float, type(None))
    if not all(isinstance(each, kind) and (datatype == "BOOL" or not isinstance(each, bool)) for each in flat):
        raise Wrong(f"{what} has values that are not {datatype}.")
    try:
        import numpy as np
    except ImportError:
        missing = [math.nan if each is None else each for each in flat]
        return _nested(missing, shape)
    try:
        return np.asarray(flat, dtype=DATATYPES[datatype]).reshape(tuple(shape))
    except (ValueError, TypeError, OverflowError) as error:
        raise Wrong(f"{what} has values that are not {datatype}: {error}.") from None


def _nested(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    for side in reversed(shape[1:]):
        flat = [flat[at : at + side] for at in range(0, len(flat), side)] if side else []
    return flat


def _packed(datatype: str, values: Any, name: str) -> bytes:
    try:
        return packed(datatype, values)
    except UnicodeEncodeError:
        raise Wrong(f"The output {name[:80]!r} has a text that cannot be written as UTF-8.") from None


def _listed(datatype: str, values: Any, name: str) -> list[Any]:
    """As JSON has them."""
    if datatype == "BYTES":
        try:
            texts = [each.decode() if isinstance(each, bytes) else each for each in values]
            "".join(texts).encode()
        except UnicodeError:
            raise Wrong(f"The output {name[:80]!r} is not text. Ask for it in binary (binary_data).") from None
        return texts
    if not hasattr(values, "tolist"):
        return [None if isinstance(each, float) and not math.isfinite(each) else each for each in values]
    flat: list[Any] = values.tolist()
    if datatype.startswith("FP") and not _are_finite(values):
        return [each if math.isfinite(each) else None for each in flat]
    return flat


def _are_finite(values: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(values).all())


def _described(value: Any) -> tuple[list[int], str, Any]:
    """Shape, datatype, flat values. What numpy can hold, numpy describes."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # Of torch's numbers numpy lacks this one, and no other that the protocol has.
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    try:
        import numpy as np
    except ImportError:
        return _described_plainly(value)
    array = np.asarray(value)
    flat = array.reshape(-1)
    if array.dtype.kind in "OUS":
        return list(array.shape), "BYTES", [each if isinstance(each, bytes) else str(each) for each in flat.tolist()]
    if array.dtype.name not in _NAMES:
        flat = flat.astype("float32")
    return list(array.shape), _NAMES[flat.dtype.name], flat


def _described_plainly(value: Any) -> tuple[list[int], str, list[Any]]:
    values, shape = value if isinstance(value, list) else [value], []
    while values and isinstance(values[0], list):
        shape.append(len(values))
        values = list(chain.from_iterable(values))
    shape = [len(value) if isinstance(value, list) else 1] if not shape else [*shape, len(values) // math.prod(shape)]
    if all(isinstance(each, bool) for each in values):
        return shape, "BOOL", values
    if all(isinstance(each, int) for each in values):
        return shape, "INT64", values
    if all(isinstance(each, int | float) for each in values):
        return shape, "FP64", values
    return shape, "BYTES", [each if isinstance(each, bytes) else str(each) for each in values]
