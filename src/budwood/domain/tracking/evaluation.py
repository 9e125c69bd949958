"""Evaluation datasets: questions, and what is expected of the answers. Values and rules; times are milliseconds.

A record is told from others by its inputs: one that comes again with the same inputs is merged into the one that is
there. What a dataset has is described as it grows: ``schema`` names the fields seen and the kind of their first
values. The digest is of the name and of the moment records last came, as MLflow's clients expect it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import (
    EVALUATION_FIELDS,
    EVALUATION_NAME_CHARS,
    EVALUATION_RECORD_BYTES,
    EVALUATION_RECORDS_AT_ONCE,
    EVALUATION_TAG_CHARS,
    EVALUATION_TAGS,
    JSON_DEPTH,
    TRACKING_KEY_CHARS,
)
from budwood.domain.tracking.fields import TAG
from budwood.domain.tracking.filters import Family, Grammar, Kind
from budwood.errors import BadValue, LimitExceeded

USER_TAG: Final = "mlflow.user"
EVALUATION_DATASETS: Final = Grammar(
    "evaluation dataset",
    attributes={
        "name": Kind.CHOICE,
        "created_by": Kind.TEXT,
        "last_updated_by": Kind.TEXT,
        "created_time": Kind.NUMBER,
        "last_update_time": Kind.NUMBER,
    },
    families={"tags": Family(TAG)},
    orderable=frozenset({"name", "created_time", "last_update_time"}),
    attribute_words=frozenset(),
)
_PARTS: Final = ("inputs", "outputs", "expectations")
_MAPPINGS: Final = ("inputs", "expectations", "tags")
_SOURCE_FIELDS: Final = frozenset({"source_type", "source_data"})
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


class SourceType(StrEnum):
    """Where a record came from."""

    UNSPECIFIED = "UNSPECIFIED"
    TRACE = "TRACE"
    HUMAN = "HUMAN"
    DOCUMENT = "DOCUMENT"
    CODE = "CODE"


@dataclass(frozen=True, slots=True)
class EvaluationDataset:
    """``dataset`` is how the world knows it; ``schema`` is JSON, empty before there were records. ``created_by`` and
    ``updated_by`` are whom the tag ``mlflow.user`` named, or empty."""

    id: int
    namespace: str
    dataset: str
    name: str
    digest: str
    created_ms: int
    updated_ms: int
    created_by: str = ""
    updated_by: str = ""
    schema: str = ""
    records: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """``content`` is JSON: inputs, outputs, expectations, tags, source. ``mark`` tells its inputs from others'."""

    id: int
    record: str
    mark: str
    content: str
    created_ms: int
    updated_ms: int
    created_by: str = ""
    updated_by: str = ""


@dataclass(frozen=True, slots=True)
class SaidRecord:
    """A record as somebody sent it. Fields that were not said are not in ``said``."""

    said: Mapping[str, Json]
    mark: str

    @property
    def user(self) -> str:
        """Whom its tags name."""
        tags = self.said.get("tags")
        return str(tags.get(USER_TAG) or "") if isinstance(tags, Mapping) else ""


def digest_of(name: str, at_ms: int) -> str:
    """Eight letters that change whenever records come."""
    return hashlib.sha256(f"{name}:{at_ms}".encode()).hexdigest()[:8]


def check_name(name: str) -> None:
    """Raises BadValue, LimitExceeded."""
    check_text("name", name, EVALUATION_NAME_CHARS, "EVALUATION_NAME_CHARS")
    if not name.strip():
        raise BadValue("Missing value for required parameter 'name'. A name must not be empty.")


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises BadValue, LimitExceeded."""
    if len(tags) > EVALUATION_TAGS:
        message = f"A dataset has at most {EVALUATION_TAGS} tags; got {len(tags)}."
        raise LimitExceeded(message, limit="EVALUATION_TAGS")
    for key, value in tags.items():
        if not key:
            raise BadValue("A tag has no key.")
        check_text("key", key, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
        check_text("value", value, EVALUATION_TAG_CHARS, "EVALUATION_TAG_CHARS")


def check_user(name: str) -> None:
    """Whom a tag says something is by. Raises BadValue, LimitExceeded."""
    check_text(USER_TAG, name, EVALUATION_NAME_CHARS, "EVALUATION_NAME_CHARS")


def check_text(what: str, text: str, most: int, limit: str) -> None:
    """That a text can be kept: no NUL, no half of a character, no longer than a limit. Raises BadValue, LimitExceeded.

    Texts inside of JSON need not be checked so: it is kept in ASCII.
    """
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it holds a character that is not text.")
    if len(text) > most:
        raise LimitExceeded(f"'{what}' exceeds the maximum length of {most} characters.", limit=limit)


def read_json(field: str, text: str) -> Json:
    """JSON inside of a text. Raises BadValue."""
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"Invalid value for parameter '{field}' supplied: it is no JSON.") from error
    if _is_deep(value):
        raise BadValue(f"Invalid value for parameter '{field}' supplied: it is nested deeper than {JSON_DEPTH}.")
    return value


def write_json(value: Json) -> str:
    """JSON in ASCII, which every database keeps; numbers that are none stay ``NaN``, as Python's own reader has it."""
    return json.dumps(value)


def read_records(text: str) -> list[SaidRecord]:
    """The records of one request. Raises BadValue, LimitExceeded."""
    several = read_json("records", text)
    if not isinstance(several, list):
        raise BadValue("Invalid value for parameter 'records' supplied: it is no list of records.")
    if len(several) > EVALUATION_RECORDS_AT_ONCE:
        message = f"A request has at most {EVALUATION_RECORDS_AT_ONCE} records; got {len(several)}."
        raise LimitExceeded(message, hint="Send them in several requests.", limit="EVALUATION_RECORDS_AT_ONCE")
    return [_said(each, at) for at, each in enumerate(several)]


def new_content(said: SaidRecord) -> str:
    """What is kept of a record that is new. Raises LimitExceeded."""
    outputs = said.said.get("outputs", {})
    kept: dict[str, Json] = {"inputs": said.said.get("inputs", {})}
    if outputs is not None:
        kept["outputs"] = outputs
    for name in ("expectations", "source"):
        if said.said.get(name) is not None:
            kept[name] = said.said[name]
    kept["tags"] = said.said.get("tags") or {}
    return _bounded(kept)


def merged_content(content: str, said: SaidRecord) -> str:
    """What is kept of a record that came again: outputs in the place of those before, the rest added to it. Raises
    LimitExceeded."""
    kept: dict[str, Json] = json.loads(content)
    if "outputs" in said.said:
        kept.pop("outputs", None)
        if said.said["outputs"] is not None:
            kept["outputs"] = said.said["outputs"]
    for name in ("expectations", "tags"):
        more = said.said.get(name)
        if isinstance(more, Mapping) and more:
            there = kept.get(name)
            kept[name] = {**(there if isinstance(there, Mapping) else {}), **more}
    return _bounded(kept)


def described(schema: str, records: Sequence[SaidRecord]) -> str:
    """The schema with the fields that are new in ``records``; no more than ``EVALUATION_FIELDS`` of each part."""
    if not schema and not records:
        return ""
    known: dict[str, Json] = json.loads(schema) if schema else {**{part: {} for part in _PARTS}, "version": "1.0"}
    for each in records:
        for part in _PARTS:
            value, fields = each.said.get(part), known[part]
            if isinstance(value, Mapping) and isinstance(fields, dict):
                for name in value:
                    if len(fields) < EVALUATION_FIELDS and len(name) <= TRACKING_KEY_CHARS:
                        fields.setdefault(name, _kind(value[name]))
            elif value is not None and part == "outputs" and not fields:
                known[part] = _kind(value)
    return write_json(known)


def _said(value: Json, at: int) -> SaidRecord:
    where = f"records[{at}]"
    if not isinstance(value, Mapping):
        raise BadValue(f"Invalid value for parameter '{where}' supplied: it is no record.")
    said = {name: value[name] for name in (*_PARTS, "tags", "source") if name in value}
    for name in _MAPPINGS:
        there = said.get(name)
        if not isinstance(there, Mapping) and (there is not None or (name == "inputs" and name in said)):
            raise BadValue(f"Invalid value for parameter '{where}.{name}' supplied: it is no object.")
    if said.get("source"):
        said["source"] = _source(said["source"], f"{where}.source")
    record = SaidRecord(said, _mark(said.get("inputs", {})))
    check_user(record.user)
    return record


def _source(value: Json, where: str) -> Json:
    if not isinstance(value, Mapping) or not value.keys() <= _SOURCE_FIELDS:
        raise BadValue(f"Invalid value for parameter '{where}' supplied: it has a source_type and source_data.")
    word = str(value.get("source_type", "")).upper()
    if word not in SourceType.__members__:
        allowed = [str(each) for each in SourceType]
        raise BadValue(f"Invalid dataset record source type: {word[:100]}. Valid source types: {allowed}")
    inside = value.get("source_data")
    if inside is not None and not isinstance(inside, Mapping):
        raise BadValue(f"Invalid value for parameter '{where}.source_data' supplied: it is no object.")
    return {"source_type": word, "source_data": inside or {}}


def _mark(inputs: Json) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _bounded(kept: Mapping[str, Json]) -> str:
    written = write_json(kept)
    if len(written) > EVALUATION_RECORD_BYTES:
        message = f"A record has {len(written)} bytes; the limit is {EVALUATION_RECORD_BYTES}."
        raise LimitExceeded(message, limit="EVALUATION_RECORD_BYTES")
    return written


def _kind(value: Json) -> str:
    return "null" if value is None else next((word for kind, word in _KINDS if isinstance(value, kind)), "unknown")


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
