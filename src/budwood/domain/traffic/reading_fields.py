"""Rules for JSON bodies and the schema of requests, from the plain values of a document. ``reading.py`` takes it in."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from budwood.domain.document import Reader
from budwood.domain.limits import FIELD_DEPTH, FIELD_RULES, FIELD_VALUE_BYTES
from budwood.domain.traffic.fields import Act, FieldKind, FieldRule, Kind, Path, Schema, TensorKind
from budwood.errors import BadEndpoint

_READ: Final = Reader(BadEndpoint, items=FIELD_RULES)
_FIELD: Final = re.compile(r"[^\x00-\x1f\x7f.]{1,64}")
_TENSOR: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
_DATATYPES: Final = (
    "BOOL",
    "BYTES",
    "BF16",
    *(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)),
)
DATATYPES: Final = (*_DATATYPES, "FP16", "FP32", "FP64")
_SIDE_MOST: Final = 1_000_000_000
_SHAPE_MOST: Final = 8


def field_rules(spec: Mapping[str, Any], name: str) -> tuple[FieldRule, ...]:
    """In the order they are obeyed. Raises BadEndpoint."""
    return _READ.each(spec, name, "spec", _rule)


def schema(value: object) -> Schema:
    """Raises BadEndpoint."""
    given = _READ.fields(value, "spec.schema", optional=("fields", "optional", "tensors", "optionalTensors"))
    fields = (*_fields(given, "fields", required=True), *_fields(given, "optional", required=False))
    tensors = (*_tensors(given, "tensors", required=True), *_tensors(given, "optionalTensors", required=False))
    if bool(fields) == bool(tensors):
        hint = "Write fields: {amount: number}, or tensors: {x: {datatype: FP64, shape: [-1, 4]}}."
        _READ.bad("spec.schema", "has fields and tensors, or neither", hint)
    if len({each.path for each in fields}) < len(fields) or len({each.name for each in tensors}) < len(tensors):
        _READ.bad("spec.schema", "names something twice", "Name each once.")
    if len(fields) + len(tensors) > FIELD_RULES:
        _READ.bad("spec.schema", "is too long", f"At most {FIELD_RULES} fields or tensors.")
    return Schema(fields, tensors)


def _rule(value: object, at: str) -> FieldRule:
    given = _READ.fields(value, at, optional=("move", "to", "default", "value", "remove"))
    names = sorted(given)
    if names == ["default", "value"]:
        return FieldRule(Act.DEFAULT, _path(given["default"], f"{at}.default"), value=_json(given, at))
    if names == ["remove"]:
        return FieldRule(Act.REMOVE, _path(given["remove"], f"{at}.remove"))
    if names != ["move", "to"]:
        _READ.bad(at, "is no rule", "Write {move: a, to: b}, {default: a, value: 1}, or {remove: a}.")
    path, to = _path(given["move"], f"{at}.move"), _path(given["to"], f"{at}.to")
    if to[: len(path)] == path:
        _READ.bad(f"{at}.to", "lies in what is moved", "Move it to another place.")
    return FieldRule(Act.MOVE, path, to)


def _json(given: Mapping[str, Any], at: str) -> str:
    try:
        text = json.dumps(given["value"], allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        _READ.bad(f"{at}.value", "is no JSON", "Write a text, a number, true, null, a list or a mapping.")
    if len(text) > FIELD_VALUE_BYTES:
        _READ.bad(f"{at}.value", f"is longer than {FIELD_VALUE_BYTES} bytes", "Shorten it.")
    return text


def _path(value: object, at: str) -> Path:
    text = _READ.text(value, at)
    path = tuple(text.split("."))
    if len(path) > FIELD_DEPTH or not all(_FIELD.fullmatch(name) for name in path):
        _READ.bad(at, f"is {text[:80]!r}", f"Names with dots between, at most {FIELD_DEPTH}: customer.id.")
    return path


def _fields(given: Mapping[str, Any], name: str, *, required: bool) -> tuple[FieldKind, ...]:
    at = f"spec.schema.{name}"
    return tuple(
        FieldKind(_path(key, at), _kinds(each, f"{at}.{str(key)[:80]}"), required)
        for key, each in _entries(given, name, at).items()
    )


def _kinds(value: object, at: str) -> tuple[Kind, ...]:
    text = _READ.text(value, at)
    names = [name.strip() for name in text.split("|")]
    if not all(name in set(Kind) for name in names):
        _READ.bad(at, f"is {text[:80]!r}", f"One or several of {', '.join(Kind)}: number|null.")
    return tuple(dict.fromkeys(Kind(name) for name in names))


def _tensors(given: Mapping[str, Any], name: str, *, required: bool) -> tuple[TensorKind, ...]:
    at = f"spec.schema.{name}"
    return tuple(
        _tensor(key, each, f"{at}.{str(key)[:80]}", required=required)
        for key, each in _entries(given, name, at).items()
    )


def _tensor(key: object, value: object, at: str, *, required: bool) -> TensorKind:
    name = _READ.text(key, at)
    if not _TENSOR.fullmatch(name):
        _READ.bad(at, "is no tensor's name", "Letters, digits and _ . : / - only, at most 100.")
    given = _READ.fields(value, at, required=("datatype", "shape"))
    if given["datatype"] not in DATATYPES:
        _READ.bad(f"{at}.datatype", f"is {str(given['datatype'])[:20]!r}", f"One of {', '.join(DATATYPES)}.")
    shape = given["shape"]
    if not isinstance(shape, list | tuple) or not 1 <= len(shape) <= _SHAPE_MOST:
        _READ.bad(f"{at}.shape", "is no shape", "Write a list of sides, -1 for any: [-1, 4].")
    sides = tuple(_READ.count(side, f"{at}.shape", least=-1, most=_SIDE_MOST) for side in shape)
    return TensorKind(name, given["datatype"], sides, required)


def _entries(given: Mapping[str, Any], name: str, at: str) -> Mapping[Any, Any]:
    value = given.get(name, {})
    if not isinstance(value, Mapping) or len(value) > FIELD_RULES:
        _READ.bad(at, "is not a mapping", f"Of at most {FIELD_RULES} entries.")
    return value
