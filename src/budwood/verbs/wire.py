"""Values on their way between a client and a server: dataclasses of the domain as JSON, and addresses' queries.

Used by both sides, so that what one writes the other reads. Bytes travel as base64, enums by their value. What comes
from a stranger (``strict``) is refused rather than repaired: duplicate keys, NaN, broken Unicode, numbers that no
database holds, fields that nobody asked for.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from budwood.domain.limits import JSON_DEPTH
from budwood.errors import BadValue, LimitExceeded, Malformed

T = TypeVar("T")
INT_MOST: Final = (1 << 63) - 1
_MANY_DIGITS: Final = re.compile(rb"[0-9]{19}")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_PLACE: Final = re.compile(r"^(.*?)(?: - at `(.*)`)?$", re.S)


def encode(value: object) -> bytes:
    """Any value of the domain as JSON."""
    return _ENCODER.encode(value)


def decode(kind: type[T], content: bytes) -> T:
    """What our own side wrote. Raises Malformed, BadValue."""
    try:
        value: T = _decoder(cast(Any, kind)).decode(content)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from error
    except msgspec.DecodeError as error:
        found = _BYTE.search(str(error))
        raise Malformed("This is not JSON.", position=int(found[1]) if found else len(content)) from error
    except UnicodeDecodeError as error:
        raise Malformed("This is not valid UTF-8.", position=error.start) from error
    except RecursionError as error:
        raise Malformed(f"This is nested deeper than {JSON_DEPTH}.", limit="JSON_DEPTH") from error
    return value


def decode_strictly(kind: type[T], content: bytes) -> T:
    """What a stranger wrote. Raises Malformed for what is no JSON, BadValue for what has another shape."""
    value = decode(kind, content)
    plain_value = _plainly(content)
    _refuse_unknown(kind, plain_value)
    if _MANY_DIGITS.search(content):
        _check_numbers(plain_value)
    return value


def plain(value: object) -> dict[str, Any]:
    """A dataclass as the mapping that JSON would hold."""
    built = msgspec.to_builtins(value, enc_hook=_as_text)
    assert isinstance(built, dict)
    return built


def query_pairs(value: object) -> list[tuple[str, str]]:
    """A dataclass as the parameters of an address; what is empty or absent is left out."""
    pairs = []
    for key, found in plain(value).items():
        for each in found if isinstance(found, list | tuple) else [found]:
            if each is not None and each != "":
                pairs.append((key, str(each).lower() if isinstance(each, bool) else str(each)))
    return pairs


def decode_query(kind: type[T], query: bytes) -> T:
    """The parameters of an address as a dataclass; the inverse of ``query_pairs``. Raises BadValue, Malformed."""
    if not query:
        return _from_text(kind, {})
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise Malformed("The query of the address cannot be read.") from error
    shape = cast(Any, kind)
    lists, names = _list_fields(shape), _names(shape)
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in lists:
            found.setdefault(key, []).append(value)
        elif key in found:
            raise BadValue(f"The parameter {key[:100]!r} is given twice.", parameter=key[:100])
        else:
            found[key] = value
    if unknown := sorted(found.keys() - names):
        known = ", ".join(sorted(names)) or "none"
        raise BadValue(f"There is no parameter {unknown[0][:100]!r} here.", hint=f"Parameters are: {known}.")
    return _from_text(kind, found)


def _from_text(kind: type[T], found: Mapping[str, Any]) -> T:
    try:
        value = msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from error
    for each in plain(value).values():
        _check_number(each)
    return value


def _as_text(value: object) -> str:
    """Names of the domain are texts of their own kind."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} does not travel")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_as_text)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.inspect.type_info(kind).fields)  # type: ignore[attr-defined]


@cache
def _list_fields(kind: Any) -> frozenset[str]:
    fields: Iterable[Any] = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return frozenset(field.name for field in fields if isinstance(field.type, msgspec.inspect.VarTupleType))


def _wrong_shape(error: msgspec.ValidationError) -> BadValue:
    found = _PLACE.match(str(error))
    assert found is not None
    place = (found[2] or "$").removeprefix("$").lstrip(".")
    message = f"{found[1]} for {place}." if place else f"{found[1]}."
    return BadValue(message[:500], at=place[:200])


def _plainly(content: bytes) -> Any:
    """The content as plain values. Raises Malformed for a key that stands twice."""
    try:
        return json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed("This is not JSON.") from error


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Malformed(f"The key {twice[:100]!r} stands twice in one object.", key=twice[:100])
    return found


def _refuse_unknown(kind: Any, value: Any) -> None:
    """A field that is not known would be dropped silently, and its sender would believe it was heeded."""
    if getattr(kind, "takes_more", False):
        return  # Another standard's: it lets anybody add fields.
    if isinstance(value, dict) and (unknown := sorted(value.keys() - _names(kind))):
        known = ", ".join(sorted(_names(kind))) or "none"
        raise BadValue(f"There is no field {unknown[0][:100]!r} here.", hint=f"Fields are: {known}.")


def _check_numbers(value: Any) -> None:
    left = [value]
    while left:
        each = left.pop()
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        _check_number(each)


def _check_number(value: Any) -> None:
    """Raises LimitExceeded, BadValue."""
    if isinstance(value, int) and not -INT_MOST - 1 <= value <= INT_MOST:
        raise LimitExceeded("A whole number has at most 64 bits.", limit="64 bits")
    if isinstance(value, float) and value - value != 0:
        raise BadValue("A number must be finite.")
