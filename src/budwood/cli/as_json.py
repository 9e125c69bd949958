"""Answers as JSON: every field is there, empty or not, and moments are also written as text.

Unlike the canonical form (domain/canon.py), which leaves out what is empty, this one is made for reading with
``jq``: a key that is there once is always there. What only the registry itself needs (row ids, the blocks of a
manifest) is left out. Non-ASCII characters are escaped, so that no terminal acts on them.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Final

from budwood.domain.moment import moment_text
from budwood.domain.records import LedgerEntry, ModelRecord, Move, VersionRecord

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_LEFT_OUT: Final[Mapping[type, frozenset[str]]] = {
    VersionRecord: frozenset({"id", "model_id", "manifest_size", "manifest_blocks", "structure", "sketch"}),
    ModelRecord: frozenset({"id"}),
    Move: frozenset({"id", "model_id", "version_id", "before"}),
    LedgerEntry: frozenset(),
}


def document(value: object) -> str:
    """One JSON document, indented."""
    return json.dumps(as_json(value), indent=2, allow_nan=False)


def as_json(value: object) -> Plain:
    """A result, record or plain value. What is no number in JSON (NaN, infinity) becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _fields(value: object) -> dict[str, Plain]:
    assert dataclasses.is_dataclass(value)
    left_out = _LEFT_OUT.get(type(value), frozenset())
    written: dict[str, Plain] = {}
    if isinstance(value, VersionRecord):
        written["reference"] = value.reference
    if isinstance(value, ModelRecord):
        written["path"] = value.path
    for field in dataclasses.fields(value):
        if field.name in left_out:
            continue
        held = getattr(value, field.name)
        written[field.name] = as_json(held)
        if field.name.endswith("_ms") and isinstance(held, int):
            written[field.name.removesuffix("_ms")] = moment_text(held) if held else ""
    return written
