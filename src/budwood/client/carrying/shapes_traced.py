"""Traces and what judges them, as MLflow's messages tell of them in JSON: over HTTP, and in files of a folder."""

import json
from collections.abc import Mapping
from typing import Any, Final

from budwood.client.carrying import shapes
from budwood.client.carrying.shapes import Fields
from budwood.domain.carrying.compare_traced import TOLD_KEY
from budwood.domain.carrying.traced import (
    CarriedAssessment,
    CarriedBody,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedTrace,
)
from budwood.domain.limits import JSON_DEPTH
from budwood.domain.traces.stored import content_of
from budwood.domain.traces.times import duration_read, time_read
from budwood.domain.traces.written import span_of
from budwood.errors import Malformed

_STATES: Final = {"TRACE_STATUS_UNSPECIFIED": "STATE_UNSPECIFIED", "": "STATE_UNSPECIFIED"}
_FORMS: Final = ("pass_fail", "categorical", "numeric", "text")
_BOUNDS: Final = frozenset(
    {"positive_label", "negative_label", "options", "multi_select", "min_value", "max_value", "max_length"}
)
_PARTS: Final = ("inputs", "outputs", "expectations")


def trace_of(info: Fields, experiment: str) -> CarriedTrace:
    """A trace in the words of 3.0, or of those before. Raises Malformed."""
    old = "trace_id" not in info
    metadata = words(info, "request_metadata" if old else "trace_metadata")
    duration = shapes.text(info, "execution_duration")
    at_ms = shapes.whole(info, "timestamp_ms") if old else moment(info, "request_time")
    length_ms = shapes.whole(info, "execution_time_ms") if info.get("execution_time_ms") is not None else None
    if duration:
        length_ms = length(duration)
    return CarriedTrace(
        shapes.text(info, "request_id" if old else "trace_id"),
        experiment,
        at_ms,
        length_ms,
        state(shapes.text(info, "status" if old else "state")),
        optional(info, "client_request_id"),
        optional(info, "request_preview"),
        optional(info, "response_preview"),
        is_told(metadata, shapes.text(info, "status" if old else "state")),
        words(info, "tags"),
        metadata,
        tuple(assessment_of(each) for each in shapes.objects(info, "assessments")),
    )


def assessment_of(each: Fields) -> CarriedAssessment:
    """Raises Malformed."""
    kind, value, error = _judged(each)
    source = shapes.inner(each, "source")
    created_ms = moment(each, "create_time")
    return CarriedAssessment(
        shapes.text(each, "assessment_id"),
        kind,
        shapes.text(each, "assessment_name"),
        json.dumps(value),
        shapes.text(source, "source_type"),
        shapes.text(source, "source_id"),
        created_ms,
        moment(each, "last_update_time") or created_ms,
        error_text(error),
        optional(each, "span_id") or None,
        optional(each, "rationale"),
        words(each, "metadata"),
        shapes.text(each, "overrides"),
        each.get("valid") is not False,
    )


def error_text(error: Mapping[str, Any] | None) -> str:
    """What went wrong, as JSON; empty where nothing did."""
    kept = {key: str(value) for key, value in (error or {}).items() if value is not None}
    return json.dumps(kept) if kept else ""


def content(span: Any) -> str:
    """A span as it was written down there, as we write it. Raises BadValue, LimitExceeded."""
    if not isinstance(span, dict):
        raise Malformed("A span is no object.")
    return content_of(span_of(span))


def is_told(metadata: Mapping[str, str], said: str) -> bool:
    """Servers before 3.10 do not say; there, one that has ended was told of."""
    return metadata.get(TOLD_KEY) == "true" or said != "IN_PROGRESS"


def state(word: str) -> str:
    return _STATES.get(word, word)


def dataset_of(each: Fields, experiments: tuple[str, ...]) -> CarriedDataset:
    """Tags come as JSON in a text. Raises Malformed."""
    return CarriedDataset(
        shapes.text(each, "dataset_id"),
        shapes.text(each, "name"),
        shapes.text(each, "digest"),
        shapes.text(each, "schema"),
        shapes.whole(each, "created_time"),
        shapes.whole(each, "last_update_time"),
        shapes.text(each, "created_by"),
        shapes.text(each, "last_updated_by"),
        words({"tags": json_in(each, "tags")}, "tags"),
        experiments,
    )


def record_of(each: Fields) -> CarriedRecord:
    """Raises Malformed."""
    kept = {name: each[name] for name in _PARTS if each.get(name) is not None}
    if source := shapes.inner(each, "source"):
        kept["source"] = {"source_type": source.get("source_type"), "source_data": source.get("source_data") or {}}
    kept["tags"] = dict(shapes.inner(each, "tags"))
    return CarriedRecord(
        shapes.text(each, "dataset_record_id"),
        json.dumps(kept),
        shapes.whole(each, "created_time"),
        shapes.whole(each, "last_update_time"),
        shapes.text(each, "created_by"),
        shapes.text(each, "last_updated_by"),
    )


def body_of(each: Fields) -> CarriedBody:
    """Raises Malformed."""
    number, at_ms = shapes.whole(each, "scorer_version"), shapes.whole(each, "creation_time")
    return CarriedBody(number, shapes.text(each, "serialized_scorer"), at_ms)


def label_of(each: Fields, experiment: str) -> CarriedLabel:
    """Raises Malformed."""
    said = shapes.inner(each, "input")
    form = next((name for name in _FORMS if name in said), "")
    kind = each.get("type")
    return CarriedLabel(
        shapes.text(each, "schema_id"),
        experiment,
        shapes.text(each, "name"),
        {1: "FEEDBACK", 2: "EXPECTATION"}.get(kind, "") if isinstance(kind, int) else shapes.text(each, "type").upper(),
        form,
        bounds(form, shapes.inner(said, form)),
        shapes.text(each, "instruction"),
        bool(each.get("enable_comment")),
        shapes.whole(each, "created_at"),
        shapes.whole(each, "last_updated_at"),
    )


def bounds(form: str, said: Mapping[str, Any]) -> str:
    """Those that a form has, as JSON: numbers as such, what was not said left out."""
    kept = {key: value for key, value in said.items() if key in _BOUNDS and value is not None}
    if form == "categorical":  # Messages leave out what is false.
        kept = {"options": kept.get("options") or [], "multi_select": bool(kept.get("multi_select"))}
    return json.dumps({key: plain(value) for key, value in kept.items()})


def issue_of(each: Fields, experiment: str) -> CarriedIssue:
    """Raises Malformed."""
    return CarriedIssue(
        shapes.text(each, "issue_id"),
        experiment,
        shapes.text(each, "name"),
        shapes.text(each, "description"),
        shapes.text(each, "status"),
        shapes.text(each, "severity"),
        texts(each.get("root_causes")),
        texts(each.get("categories")),
        shapes.text(each, "source_run_id"),
        shapes.text(each, "created_by"),
        shapes.whole(each, "created_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
    )


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; none is an empty one. Raises Malformed."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Malformed("The source says something that is no list of texts.")
    return tuple(value)


def words(fields: Fields, name: str) -> dict[str, str]:
    """Texts by key, as an object or as pairs. Raises Malformed."""
    value = fields.get(name)
    if isinstance(value, list):
        return shapes.pairs(fields, name)
    return {str(key): shapes.text(value, key) for key in value} if isinstance(value, dict) else {}


def optional(fields: Fields, name: str) -> str | None:
    """None where it was not said. Raises Malformed."""
    return None if fields.get(name) is None else shapes.text(fields, name)


def moment(fields: Fields, name: str) -> int:
    """Milliseconds; 0 where it was not said. Raises Malformed."""
    said = shapes.text(fields, name)
    try:
        return time_read(said) if said else 0
    except ValueError as error:
        raise Malformed(f"The source says {name!r} with something that is no time.") from error


def length(said: str) -> int:
    """Milliseconds. Raises Malformed."""
    try:
        return duration_read(said)
    except ValueError as error:
        raise Malformed("The source says a duration that is none.") from error


def json_in(fields: Fields, name: str) -> Any:
    """What a text says in JSON; None where there is none. Raises Malformed, LimitExceeded."""
    said = shapes.text(fields, name)
    return parsed(said, name) if said else None


def parsed(said: str, name: str) -> Any:
    """Raises Malformed."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The source says {name!r} with something that is no JSON.") from error


def _judged(each: Fields) -> tuple[str, Any, Mapping[str, Any] | None]:
    """Its kind, the value and what went wrong."""
    if isinstance(feedback := each.get("feedback"), dict):
        error = feedback.get("error")
        return "feedback", plain(feedback.get("value")), error if isinstance(error, dict) else None
    if isinstance(expected := each.get("expectation"), dict):
        written = shapes.inner(expected, "serialized_value")
        return "expectation", json_in(written, "value") if written else plain(expected.get("value")), None
    if isinstance(issue := each.get("issue"), dict):
        return "issue", {"issue_name": shapes.text(issue, "issue_name")}, None
    raise Malformed("An assessment is neither feedback, nor an expectation, nor an issue.")


def plain(value: Any, depth: int = 0) -> Any:
    """A whole number as one: messages have only numbers with a fraction."""
    match value:
        case float() if value.is_integer() and abs(value) < 1 << 53:
            return int(value)
        case list() if depth < JSON_DEPTH:
            return [plain(each, depth + 1) for each in value]
        case dict() if depth < JSON_DEPTH:
            return {key: plain(each, depth + 1) for key, each in value.items()}
    return value
