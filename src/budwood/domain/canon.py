"""Canonical JSON: one value, one sequence of bytes, so that a digest names it for ever.

Keys sorted, no spaces, UTF-8, no NaN or infinity, floats in Python's shortest round-trip form, no
duplicate keys accepted back. ``pack`` and ``unpack`` carry the frozen dataclasses of the domain:
fields that are empty (None, "", (), {}) and are so by default are left out, so a later field with an
empty default does not change the digest of what was written before it existed.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
else:
    # Whoever reads annotations while running cannot follow a name that holds itself.
    Json = Any
T = TypeVar("T")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
# Made once: making it costs as much as encoding a small value does.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Json) -> bytes:
    """Canonical bytes of a JSON value. Raises ValueError for NaN and infinities."""
    return _ENCODER.encode(value).encode()


def loads(text: bytes | str) -> Json:
    """Parse JSON; duplicate keys, NaN and infinities raise ValueError."""
    if isinstance(text, str):
        # A decoder that is there already: making one costs as much as reading a small value.
        decoded: Json = _DECODER.decode(text)
        return decoded
    value: Json = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    return value


def scan(text: str, at: int) -> tuple[Json, int]:
    """The JSON value that begins there and where it ends; the same errors as ``loads``."""
    return _DECODER.raw_decode(text, at)


def pack(value: object) -> Json:
    """A dataclass of the domain as plain JSON; empty fields are left out."""
    if type(value) in _PLAIN:
        return cast(Json, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        packed = ((name, getattr(value, name), default) for name, default in _fields(type(value)))
        return {name: pack(v) for name, v, default in packed if not (_is_empty(v) and v == default)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(k): v if type(v) in _PLAIN else pack(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [pack(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}")


def unpack(kind: type[T], value: Any) -> T:
    """The inverse of ``pack`` for a dataclass type. Raises ValueError when the value has another shape."""
    try:
        built: T = _build(kind, value)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error
    return built


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, object], ...]:
    """Each field and the value reading gives it when it was left out."""
    return tuple((f.name, _default(f)) for f in dataclasses.fields(kind))


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _is_empty(value: object) -> bool:
    # Most are not, and what kind they are of takes longer to see.
    return value is None or (not value and isinstance(value, str | tuple | list | Mapping))


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key in JSON object")
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _build(kind: Any, value: Any) -> Any:
    return _builder(kind)(value)


@functools.cache
def _builder(kind: Any) -> Callable[[Any], Any]:
    """What builds values of a type: looking at the type costs more than building, and there are few types."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_builder(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        only = _builder(_only(kind))
        return lambda value: None if value is None else only(value)
    if origin is tuple:
        item = _builder(arguments[0])
        return lambda value: tuple([item(each) for each in _expected(list, "a list", value)])
    if origin is not None and issubclass(origin, Mapping):
        of_value = _builder(arguments[1])
        return lambda value: {k: of_value(v) for k, v in _expected(dict, "an object", value).items()}
    return functools.partial(_build_leaf, kind)


def _dataclass_builder(kind: type) -> Callable[[Any], Any]:
    hints: dict[str, Any] | None = None

    def build(value: Any) -> Any:
        nonlocal hints
        # Found at the first use: a type may name itself.
        hints = hints or {name: _builder(hint) for name, hint in typing.get_type_hints(kind).items()}
        fields = _expected(dict, "an object", value)
        # Unknown fields were written by a newer Budwood; dropping them is what lets old readers read on.
        return kind(**{k: hints[k](v) for k, v in fields.items() if k in hints})

    return build


def _expected(kind: type, word: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {word}, got {type(value).__name__}")
    return value


def _build_leaf(kind: Any, value: Any) -> Any:
    if kind is str and type(value) is str:
        return value
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and issubclass(kind, Enum | str):
        if not isinstance(value, str):
            raise TypeError(f"expected text, got {type(value).__name__}")
        return kind(value)
    if kind in (int, float, bool) and type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _only(union: Any) -> Any:
    """The single non-None member of ``X | None``; other unions are JSON values and pass as they are."""
    members = [a for a in typing.get_args(union) if a is not type(None)]
    return members[0] if len(members) == 1 else object


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
