"""Spans as OpenTelemetry sends them (OTLP over HTTP), in its two forms: Protocol Buffers, and JSON.

Both become the same records. Ids are 16 and 8 bytes; times are nanoseconds of 63 bits; values nest no deeper than
``SPAN_VALUE_DEPTH``. NUL is no text to a database, and is read as U+FFFD.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import SPAN_NAME_CHARS, SPAN_VALUE_DEPTH, SPANS_AT_ONCE
from budwood.domain.traces.protobuf import Field, Wire, fields
from budwood.domain.traces.records import Event, Link, Span
from budwood.errors import BadValue, LimitExceeded, Malformed

_STATUS: Final = {0: "UNSET", 1: "OK", 2: "ERROR"}
_STATUS_WORDS: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_WHOLE: Final = re.compile(r"-?[0-9]{1,20}")
_NO_NUMBERS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_MOST: Final = (1 << 63) - 1


def read_protobuf(content: bytes) -> list[Span]:
    """Raises Malformed for what is no request, BadValue for a span that is none, LimitExceeded."""
    message = memoryview(content)
    rooms = _inside(message, 1)
    if not rooms:
        raise Malformed("Invalid OpenTelemetry format - no spans found")
    found: list[Span] = []
    for room in rooms:
        resource = _attributes(room, 1, _attributes_of_resource)
        for scope in _inside(room, 2):
            for span in _inside(scope, 2):
                found.append(_checked(_span(span, resource)))
                _count(found)
    return found


def read_json(value: Json) -> list[Span]:
    """The same of JSON: names in camel case, ids in hexadecimal, whole numbers as text."""
    if not isinstance(value, Mapping):
        raise _bad()
    rooms = _objects(value, "resourceSpans")
    if not rooms:
        raise Malformed("Invalid OpenTelemetry format - no spans found")
    found: list[Span] = []
    for room in rooms:
        resource = _pairs(_object(room, "resource"), 0)
        for scope in _objects(room, "scopeSpans"):
            for span in _objects(scope, "spans"):
                found.append(_checked(_span_of_json(span, resource)))
                _count(found)
    return found


def _count(found: Sequence[Span]) -> None:
    if len(found) > SPANS_AT_ONCE:
        message = f"A request can have at most {SPANS_AT_ONCE} spans. Please split it."
        raise LimitExceeded(message, limit="SPANS_AT_ONCE")


def _checked(span: Span) -> Span:
    if not re.fullmatch("[0-9a-f]{32}", span.trace):
        raise BadValue("Cannot convert OpenTelemetry span: its trace_id is not 16 bytes.")
    if not re.fullmatch("[0-9a-f]{16}", span.span) or (span.parent and len(span.parent) != 16):
        raise BadValue("Cannot convert OpenTelemetry span: its span_id or its parent's is not 8 bytes.")
    if not 0 <= span.start_ns <= _MOST or not 0 <= span.end_ns <= _MOST:
        raise BadValue("Cannot convert OpenTelemetry span: a time is out of range.")
    return span


# Protocol Buffers


def _span(message: memoryview, resource: Mapping[str, Json]) -> Span:
    ids = {1: b"", 2: b"", 4: b""}
    name, start, end, code, said = "", 0, 0, 0, ""
    attributes: dict[str, Json] = {}
    events: list[Event] = []
    links: list[Link] = []
    for each in fields(message):
        match each.tag, each.wire:
            case ((1 | 2 | 4), Wire.BYTES):
                ids[each.tag] = bytes(each.content[:32])
            case 5, Wire.BYTES:
                name = _clean(each.text)
            case 7, Wire.FIXED64:
                start = each.number
            case 8, Wire.FIXED64:
                end = each.number
            case 9, Wire.BYTES:
                _pair(each.content, attributes, 0)
            case 11, Wire.BYTES:
                events.append(_event(each.content))
            case 13, Wire.BYTES:
                links.append(_link(each.content))
            case 15, Wire.BYTES:
                code, said = _status(each.content)
    parent = ids[4].hex() if any(ids[4]) else ""
    return Span(
        ids[1].hex(),
        ids[2].hex(),
        parent,
        name[:SPAN_NAME_CHARS],
        start,
        end,
        _STATUS.get(code, "UNSET"),
        said,
        attributes,
        events,
        links,
        resource,
    )


def _event(message: memoryview) -> Event:
    at_ns, name = 0, ""
    attributes: dict[str, Json] = {}
    for each in fields(message):
        match each.tag, each.wire:
            case 1, Wire.FIXED64:
                at_ns = min(each.number, _MOST)
            case 2, Wire.BYTES:
                name = _clean(each.text)
            case 3, Wire.BYTES:
                _pair(each.content, attributes, 0)
    return Event(name, at_ns, attributes)


def _link(message: memoryview) -> Link:
    trace = span = ""
    attributes: dict[str, Json] = {}
    for each in fields(message):
        match each.tag, each.wire:
            case 1, Wire.BYTES:
                trace = bytes(each.content[:32]).hex()
            case 2, Wire.BYTES:
                span = bytes(each.content[:32]).hex()
            case 4, Wire.BYTES:
                _pair(each.content, attributes, 0)
    return Link(trace, span, attributes)


def _status(message: memoryview) -> tuple[int, str]:
    code, said = 0, ""
    for each in fields(message):
        match each.tag, each.wire:
            case 2, Wire.BYTES:
                said = _clean(each.text)
            case 3, Wire.VARINT:
                code = each.number
    return code, said


def _inside(message: memoryview, tag: int) -> list[memoryview]:
    """The messages in a field. All others are looked at, too: what is broken anywhere is refused."""
    return [each.content for each in fields(message) if each.tag == tag and each.wire is Wire.BYTES]


def _attributes(message: memoryview, tag: int, read: Callable[[memoryview], Mapping[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for each in _inside(message, tag):
        found.update(read(each))
    return found


def _attributes_of_resource(message: memoryview) -> Mapping[str, Json]:
    found: dict[str, Json] = {}
    for each in _inside(message, 1):
        _pair(each, found, 0)
    return found


def _pair(message: memoryview, into: dict[str, Json], depth: int) -> None:
    key = ""
    value: Json = None
    for each in fields(message):
        match each.tag, each.wire:
            case 1, Wire.BYTES:
                key = _clean(each.text)
            case 2, Wire.BYTES:
                value = _value(each.content, depth)
    into[key] = value


def _value(message: memoryview, depth: int) -> Json:
    if depth > SPAN_VALUE_DEPTH:
        raise LimitExceeded("A value of a span is nested too deeply.", limit="SPAN_VALUE_DEPTH")
    value: Json = None
    for each in fields(message):
        value = _one_value(each, value, depth)
    return value


def _one_value(each: Field, before: Json, depth: int) -> Json:
    match each.tag, each.wire:
        case 1, Wire.BYTES:
            return _clean(each.text)
        case 2, Wire.VARINT:
            return bool(each.number)
        case 3, Wire.VARINT:
            return each.signed
        case 4, Wire.FIXED64:
            return each.double
        case 5, Wire.BYTES:
            return [_value(inner, depth + 1) for inner in _inside(each.content, 1)]
        case 6, Wire.BYTES:
            found: dict[str, Json] = {}
            for inner in _inside(each.content, 1):
                _pair(inner, found, depth + 1)
            return found
        case 7, Wire.BYTES:
            return base64.b64encode(each.content).decode()
    return before


# JSON


def _span_of_json(span: Mapping[str, Json], resource: Mapping[str, Json]) -> Span:
    parent = _hex(span, "parentSpanId")
    status = _object(span, "status")
    code = status.get("code", 0)
    return Span(
        _hex(span, "traceId"),
        _hex(span, "spanId"),
        parent if parent.strip("0") else "",
        _text(span, "name")[:SPAN_NAME_CHARS],
        _whole(span, "startTimeUnixNano"),
        _whole(span, "endTimeUnixNano"),
        _STATUS.get(
            _STATUS_WORDS.get(code, 0) if isinstance(code, str) else code if isinstance(code, int) else 0, "UNSET"
        ),
        _text(status, "message"),
        _pairs(span, 0),
        [
            Event(_text(each, "name"), min(_whole(each, "timeUnixNano"), _MOST), _pairs(each, 0))
            for each in _objects(span, "events")
        ],
        [Link(_hex(each, "traceId"), _hex(each, "spanId"), _pairs(each, 0)) for each in _objects(span, "links")],
        resource,
    )


def _pairs(value: Mapping[str, Json], depth: int, field: str = "attributes") -> dict[str, Json]:
    return {_text(each, "key"): _value_of_json(_object(each, "value"), depth) for each in _objects(value, field)}


def _value_of_json(value: Mapping[str, Json], depth: int) -> Json:
    if depth > SPAN_VALUE_DEPTH:
        raise LimitExceeded("A value of a span is nested too deeply.", limit="SPAN_VALUE_DEPTH")
    for kind, found in value.items():
        match kind:
            case "stringValue":
                return _text(value, kind)
            case "boolValue":
                return found is True
            case "intValue":
                return max(-_MOST - 1, min(_whole(value, kind), _MOST))
            case "doubleValue":
                return _real(found)
            case "arrayValue":
                return [_value_of_json(each, depth + 1) for each in _objects(_object(value, kind), "values")]
            case "kvlistValue":
                return _pairs(_object(value, kind), depth + 1, "values")
            case "bytesValue":
                return _bytes(_text(value, kind))
    return None


def _objects(value: Mapping[str, Json], field: str) -> Iterator[Mapping[str, Json]] | list[Mapping[str, Json]]:
    found = value.get(field)
    if found is None:
        return []
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise _bad()
    for each in found:
        if not isinstance(each, Mapping):
            raise _bad()
    return [each for each in found if isinstance(each, Mapping)]


def _object(value: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    found = value.get(field)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _bad()
    return found


def _text(value: Mapping[str, Json], field: str) -> str:
    found = value.get(field)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _bad()
    return _clean(found)


def _hex(value: Mapping[str, Json], field: str) -> str:
    found = _text(value, field).lower()
    if not re.fullmatch("[0-9a-f]{0,64}", found):
        raise _bad()
    return found


def _whole(value: Mapping[str, Json], field: str) -> int:
    found = value.get(field)
    if isinstance(found, str) and _WHOLE.fullmatch(found):
        return int(found)
    if found is None or (isinstance(found, int) and not isinstance(found, bool)):
        return found or 0
    raise _bad()


def _real(found: Json) -> float:
    if isinstance(found, str):
        try:
            return _NO_NUMBERS[found] if found in _NO_NUMBERS else float(found)
        except ValueError as error:
            raise _bad() from error
    if isinstance(found, int | float):
        try:
            return float(found)
        except OverflowError as error:
            raise _bad() from error
    raise _bad()


def _bytes(text: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, ValueError) as error:
        raise _bad() from error


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _bad() -> Malformed:
    return Malformed("Invalid OpenTelemetry format")
