"""What is done to JSON bodies between a client and a version, and what bodies must look like. Values only.

Rules are data: a gateway has one script that obeys them, and nobody's code runs in it.
"""

from dataclasses import dataclass
from enum import StrEnum

Path = tuple[str, ...]
"""Names of fields, from the outermost object in."""


class Act(StrEnum):
    """What a rule does."""

    MOVE = "move"
    DEFAULT = "default"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Move a field ``to`` another place, put a ``value`` (JSON, as text) where there is none, or take a field away."""

    act: Act
    path: Path
    to: Path = ()
    value: str = ""


class Kind(StrEnum):
    """What a value in JSON may be. A whole number is a number, too."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY = "array"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class FieldKind:
    """A field of a request and the kinds it may have."""

    path: Path
    kinds: tuple[Kind, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class TensorKind:
    """An input in the Open Inference Protocol. A side of -1 may be of any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """What a request must look like: fields of a JSON object, or tensors and no others."""

    fields: tuple[FieldKind, ...] = ()
    tensors: tuple[TensorKind, ...] = ()
