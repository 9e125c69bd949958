"""A span as it was written down: by ``stored.content_of``, or by MLflow in any of the forms it has had.

MLflow writes ids in Base64, release 3.5 in hexadecimal with ``tr-`` before, those before 3.0 with ``0x`` in another
schema. Values of attributes are JSON texts again. What is read may be a stranger's: ids, times and depth are checked,
and what no database keeps is replaced.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import SPAN_NAME_CHARS, SPAN_VALUE_DEPTH
from budwood.domain.traces.records import Event, Link, Span
from budwood.errors import BadValue, LimitExceeded

_STATUSES: Final = ("UNSET", "OK", "ERROR")
_MOST: Final = (1 << 63) - 1
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff]")


def span_read(content: str) -> Span:
    """What ``content_of`` wrote. Raises BadValue, LimitExceeded."""
    try:
        kept = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _bad("it is not JSON") from error
    return span_of(_object(kept, "it"))


def span_of(kept: Mapping[str, Json]) -> Span:
    """Raises BadValue, LimitExceeded."""
    if "context" in kept:
        kept = _newer(kept)
    status = _object(kept.get("status"), "status")
    return Span(
        _id(kept.get("trace_id"), 16),
        _id(kept.get("span_id"), 8),
        _id(kept.get("parent_span_id"), 8) if kept.get("parent_span_id") else "",
        _text(kept.get("name"))[:SPAN_NAME_CHARS],
        _whole(kept.get("start_time_unix_nano")),
        _whole(kept.get("end_time_unix_nano")),
        _status(_text(status.get("code"))),
        _text(status.get("message")),
        {_text(key): _value(value) for key, value in _object(kept.get("attributes"), "attributes").items()},
        [
            Event(_text(each.get("name")), _whole(each.get("time_unix_nano")), _attributes(each))
            for each in _objects(kept, "events")
        ],
        [
            Link(_id(each.get("trace_id"), 16), _id(each.get("span_id"), 8), _attributes(each))
            for each in _objects(kept, "links")
        ],
    )


def _newer(old: Mapping[str, Json]) -> dict[str, Json]:
    """The schema before 3.0, in the words of today's."""
    ids = _object(old["context"], "context")
    return {
        "trace_id": ids.get("trace_id"),
        "span_id": ids.get("span_id"),
        "parent_span_id": old.get("parent_id"),
        "name": old.get("name"),
        "start_time_unix_nano": old.get("start_time"),
        "end_time_unix_nano": old.get("end_time"),
        "status": {"code": old.get("status_code"), "message": old.get("status_message")},
        "attributes": old.get("attributes"),
        "events": [{**each, "time_unix_nano": each.get("timestamp")} for each in _objects(old, "events")],
    }


def _id(value: Json, size: int) -> str:
    """In hexadecimal. Sixteen or eight bytes in Base64 are 24 or 12 characters, which hexadecimal ids have not."""
    said = _text(value)
    if len(said) == (size + 2) // 3 * 4 and said.endswith("="):
        try:
            said = base64.b64decode(said, validate=True).hex()
        except (binascii.Error, ValueError) as error:
            raise _bad("an id is neither Base64 nor hexadecimal") from error
    if said.startswith("0x"):
        said = said.removeprefix("0x").rjust(size * 2, "0")
    said = said.removeprefix("tr-").lower()
    if not re.fullmatch(f"[0-9a-f]{{{size * 2}}}", said):
        raise _bad("an id is neither Base64 nor hexadecimal")
    return said


def _status(code: str) -> str:
    word = code.removeprefix("STATUS_CODE_")
    return word if word in _STATUSES else "UNSET"


def _attributes(of: Mapping[str, Json]) -> dict[str, Json]:
    """Of an event or a link: as they are, or as a text of all of them."""
    found = of.get("attributes")
    return {_text(key): _cleaned(each, 0) for key, each in _object(_parsed(found), "attributes").items()}


def _value(written: Json) -> Json:
    return _cleaned(_parsed(written), 0)


def _parsed(written: Json) -> Json:
    """What a text says that is JSON; else the text, as old clients wrote it."""
    if not isinstance(written, str):
        return written
    try:
        found: Json = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return found


def _cleaned(value: Json, depth: int) -> Json:
    if depth > SPAN_VALUE_DEPTH:
        raise LimitExceeded("A value of a span is nested too deeply.", limit="SPAN_VALUE_DEPTH")
    match value:
        case str():
            return _clean(value)
        case Mapping():
            return {_clean(str(key)): _cleaned(each, depth + 1) for key, each in value.items()}
        case Sequence():
            return [_cleaned(each, depth + 1) for each in value]
    return value


def _clean(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text)


def _text(value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad("a value that must be text is not")
    return _clean(value)


def _whole(value: Json) -> int:
    """Nanoseconds, as a number or as a text of one; those that have not come are 0."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,20}", value):
        value = int(value)
    if not value:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise _bad("a time is out of range")
    return value


def _object(value: Json, what: str) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _bad(f"{what} is not an object")
    return value


def _objects(of: Mapping[str, Json], field: str) -> list[Mapping[str, Json]]:
    found = of.get(field)
    if found is None:
        return []
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise _bad(f"{field} is not a list")
    return [_object(each, field) for each in found]


def _bad(why: str) -> BadValue:
    return BadValue(f"A span cannot be read: {why}.")
