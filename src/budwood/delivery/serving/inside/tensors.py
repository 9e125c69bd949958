"""Open Inference's JSON tensors, to and from what models take: numpy's arrays where it is installed, else lists.

A ``null`` in a tensor of floating-point numbers is a missing value: NaN. JSON has no other way to say so.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

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


def inputs_of(request: object) -> dict[str, Any]:
    """The tensors of a request by name. Raises Wrong."""
    given = request.get("inputs") if isinstance(request, Mapping) else None
    if not isinstance(given, list) or not given:
        raise Wrong('A request is {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}.')
    found: dict[str, Any] = {}
    for each in given:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise Wrong("Each input is an object with a name.")
        found[each["name"]] = _tensor(each, f"The input {each['name'][:80]!r}")
    return found


def outputs_of(answer: object, wanted: object = None) -> list[Plain]:
    """A model's answer as Open Inference writes it; of several outputs those that were asked for. Raises Wrong."""
    named = dict(answer) if isinstance(answer, Mapping) else {"predict": answer}
    if isinstance(wanted, list) and wanted:
        names = [each.get("name") if isinstance(each, Mapping) else None for each in wanted]
        if unknown := [name for name in names if name not in named]:
            raise Wrong(f"There is no output {str(unknown[0])[:80]!r}; there is {', '.join(named)}.")
        named = {str(name): named[str(name)] for name in names}
    return [_written(name, value) for name, value in named.items()]


def _tensor(given: Mapping[str, Any], what: str) -> Any:
    shape, datatype, values = given.get("shape"), given.get("datatype"), given.get("data")
    if datatype not in DATATYPES:
        raise Wrong(f"{what} has the datatype {str(datatype)[:20]!r}; there are {', '.join(DATATYPES)}.")
    if (
        not isinstance(shape, list)
        or len(shape) > _DIMENSIONS
        or not all(isinstance(side, int) and not isinstance(side, bool) and side >= 0 for side in shape)
    ):
        raise Wrong(f"{what} needs a shape, a list of whole numbers.")
    if not isinstance(values, list):
        raise Wrong(f"{what} needs data as a list. Binary tensors are not understood.")
    flat = _flat(values, what)
    if len(flat) != math.prod(shape):
        raise Wrong(f"{what} has {len(flat)} values, and its shape {shape} asks for {math.prod(shape)}.")
    return _array(flat, shape, datatype, what)


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
        raise Wrong(f"{what} has values that are no {datatype}.")
    try:
        import numpy as np
    except ImportError:
        missing = [math.nan if each is None else each for each in flat]
        return _nested(missing, shape)
    try:
        return np.asarray(flat, dtype=DATATYPES[datatype]).reshape(tuple(shape))
    except (ValueError, TypeError, OverflowError) as error:
        raise Wrong(f"{what} has values that are no {datatype}: {error}.") from None


def _nested(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    for side in reversed(shape[1:]):
        flat = [flat[at : at + side] for at in range(0, len(flat), side)] if side else []
    return flat


def _written(name: object, value: object) -> Plain:
    shape, datatype, flat = _described(value)
    return {"name": str(name), "shape": shape, "datatype": datatype, "data": flat}


def _described(value: Any) -> tuple[list[int], str, list[Any]]:
    """Shape, datatype, values. What numpy can hold, numpy describes."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        import numpy as np
    except ImportError:
        return _described_plainly(value)
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        texts = [each.decode() if isinstance(each, bytes) else str(each) for each in array.reshape(-1).tolist()]
        return list(array.shape), "BYTES", texts
    if array.dtype.name not in _NAMES:
        array = array.astype("float32")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        flat = [each if math.isfinite(each) else None for each in array.reshape(-1).tolist()]
        return list(array.shape), _NAMES[array.dtype.name], flat
    return list(array.shape), _NAMES[array.dtype.name], array.reshape(-1).tolist()


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
    return shape, "BYTES", [str(each) for each in values]
