"""Traces, spans and assessments as MLflow's messages, and what of them is read out of a request.

Times and durations are texts as messages of Protocol Buffers have them; spans are OpenTelemetry's, with ids in Base64.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.traces.records import (
    LOCATION_TAG,
    Assessment,
    AssessmentKind,
    Trace,
    TraceState,
    TraceWithAll,
)
from budwood.domain.traces.stored import attributes_of
from budwood.domain.traces.times import duration_read, duration_written, time_read, time_written
from budwood.errors import BadValue
from budwood.facades.face import Asked
from budwood.facades.mlflow.shapes import located, pairs_shown
from budwood.facades.mlflow.values import Values, filled, inner, missing, needed, text, wrong
from budwood.verbs.traces.finding import WholeTrace
from budwood.verbs.traces.telling import Told

_SOURCES: Final = ("SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE")
_INT64: Final = 1 << 63
_TOLD_KEY: Final = "mlflow.trace.infoFinalized"


def told_of(asked: Asked) -> Told:
    """A trace as a client tells of it. Raises BadValue."""
    at = "trace.trace_info."
    trace = inner(asked.values, "trace")
    if trace is None:
        raise missing("trace")
    info = inner(trace, "trace_info") or {}
    id_ = needed(info, "trace_id", at=at)
    now = asked.house.clock()
    assessments = info.get("assessments") or ()
    if not isinstance(assessments, Sequence) or isinstance(assessments, str):
        raise wrong(at + "assessments", assessments, "It is no list.")
    duration = text(info, "execution_duration", at=at)
    return Told(
        id_,
        experiment_of(inner(info, "trace_location") or {}),
        time_of(text(info, "request_time", at=at), at + "request_time") if info.get("request_time") else now,
        duration_of(duration, at + "execution_duration") if duration else None,
        state_of(info.get("state")),
        _maybe(info, "client_request_id"),
        _maybe(info, "request_preview"),
        _maybe(info, "response_preview"),
        mapping_of(info, "tags", at),
        mapping_of(info, "trace_metadata", at),
        [assessment_of(each, new_id(asked), now) for each in assessments if isinstance(each, Mapping)],
    )


def new_id(asked: Asked) -> str:
    """For an assessment."""
    return "a-" + asked.house.ids().replace("-", "")


def experiment_of(location: Values) -> str:
    """The experiment a location names. Raises BadValue."""
    home = inner(location, "mlflow_experiment")
    if home is None:
        raise BadValue("A trace is kept in an experiment: its location names none.")
    return needed(home, "experiment_id", at="trace_location.mlflow_experiment.")


def mapping_of(values: Values, field: str, at: str = "") -> dict[str, str]:
    """Texts by key. Raises BadValue."""
    found = values.get(field)
    if found is None:
        return {}
    if not isinstance(found, Mapping) or not all(isinstance(each, str) for each in found.values()):
        raise wrong(at + field, found, "It is no object of texts.")
    return {key: str(value) for key, value in found.items()}


def state_of(value: Json) -> str:
    """Its name, or its number in MLflow's messages."""
    names = {0: "STATE_UNSPECIFIED", 1: "OK", 2: "ERROR", 3: "IN_PROGRESS"}
    return names.get(value, str(value)) if isinstance(value, int) else str(value or "")


def assessment_of(values: Values, id_: str, now_ms: int) -> Assessment:
    """An assessment as it is said; ``id_`` is for one that has none. Raises BadValue."""
    at = "assessment."
    kind, value, error = judged(values)
    source = inner(values, "source") or {}
    source_type = text(source, "source_type", _SOURCES[0], at=at)
    if source_type not in _SOURCES:
        raise wrong(at + "source.source_type", source_type)
    created = text(values, "create_time", at=at)
    updated = text(values, "last_update_time", at=at)
    created_ms = time_of(created, at + "create_time") if created else now_ms
    return Assessment(
        text(values, "assessment_id", at=at) or id_,
        kind,
        needed(values, "assessment_name", at=at),
        value,
        source_type,
        text(source, "source_id", at=at),
        created_ms,
        time_of(updated, at + "last_update_time") if updated else created_ms,
        error,
        _maybe(values, "span_id"),
        None,
        _maybe(values, "rationale"),
        mapping_of(values, "metadata", at),
        _maybe(values, "overrides") or None,
    )


def judged(values: Values) -> tuple[AssessmentKind, Json, Mapping[str, str] | None]:
    """What kind it is, the value, and what went wrong where there is none. Raises BadValue."""
    if (feedback := inner(values, "feedback")) is not None:
        return AssessmentKind.FEEDBACK, _plain(feedback.get("value")), _error(inner(feedback, "error"))
    if (expected := inner(values, "expectation")) is not None:
        return AssessmentKind.EXPECTATION, _expected(expected), None
    if (issue := inner(values, "issue")) is not None:
        return AssessmentKind.ISSUE, {"issue_name": text(issue, "issue_name")}, None
    raise BadValue("Assessment must have either feedback, expectation, or issue value")


def time_of(written: str, field: str) -> int:
    """Milliseconds since the epoch. Raises BadValue."""
    try:
        return time_read(written)
    except ValueError as error:
        raise wrong(field, written, "It is no time.") from error


def duration_of(written: str, field: str) -> int:
    """Milliseconds. Raises BadValue."""
    try:
        return duration_read(written)
    except ValueError as error:
        raise wrong(field, written, "It is no duration.") from error


def info_shown(asked: Asked, whole: TraceWithAll) -> dict[str, Json]:
    trace = whole.trace
    shown: dict[str, Json] = {
        "trace_id": trace.trace,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": str(trace.experiment)},
        },
        "request_time": time_written(trace.at_ms),
        "state": str(trace.state),
    }
    duration = None if trace.duration_ms is None else duration_written(trace.duration_ms)
    return {
        **shown,
        **_given(
            client_request_id=trace.client_request,
            request_preview=trace.request,
            response_preview=trace.response,
            execution_duration=duration,
        ),
        **filled(
            tags=_tags(asked, trace),
            trace_metadata={**trace.metadata, **({_TOLD_KEY: "true"} if trace.told else {})},
            assessments=[assessment_shown(each, trace.trace) for each in whole.assessments],
        ),
    }


def old_info_shown(asked: Asked, trace: Trace) -> dict[str, Json]:
    """As clients before 3.0 know it."""
    state = "TRACE_STATUS_UNSPECIFIED" if trace.state is TraceState.UNSPECIFIED else str(trace.state)
    return {
        "request_id": trace.trace,
        "experiment_id": str(trace.experiment),
        "timestamp_ms": trace.at_ms,
        "execution_time_ms": trace.duration_ms or 0,
        "status": state,
        **filled(
            request_metadata=pairs_shown(tuple(trace.metadata.items())),
            tags=pairs_shown(tuple(_tags(asked, trace).items())),
        ),
    }


def assessment_shown(each: Assessment, trace: str) -> dict[str, Json]:
    return {
        "assessment_id": each.assessment,
        "assessment_name": each.name,
        "trace_id": trace,
        "source": {"source_type": each.source_type, "source_id": each.source},
        "create_time": time_written(each.created_ms),
        "last_update_time": time_written(each.updated_ms),
        "valid": each.valid,
        **_judged_shown(each),
        **filled(metadata=dict(each.metadata), overrides=each.overrides),
        **_given(span_id=each.span, rationale=each.rationale),
    }


def whole_shown(asked: Asked, whole: WholeTrace) -> dict[str, Json]:
    return {"trace_info": info_shown(asked, whole.told), "spans": [_span_shown(each) for each in whole.spans]}


def data_shown(whole: WholeTrace) -> dict[str, Json]:
    """The spans as a file of them holds them."""
    return {"spans": [{**each, **_ids(each), "events": _events(each)} for each in whole.spans]}


def _span_shown(kept: Mapping[str, Json]) -> dict[str, Json]:
    return {
        **_ids(kept),
        "name": kept["name"],
        "start_time_unix_nano": kept["start_time_unix_nano"],
        **filled(end_time_unix_nano=kept["end_time_unix_nano"] or None),
        "status": kept["status"],
        "attributes": _pairs_shown(attributes_of(kept)),
        "events": [{**each, "attributes": _pairs_shown(_mapping(each["attributes"]))} for each in _events(kept)],
        "links": [
            {
                "trace_id": _base64(str(each["trace_id"])),
                "span_id": _base64(str(each["span_id"])),
                "attributes": _pairs_shown(_mapping(json.loads(str(each["attributes"])))),
            }
            for each in _listed(kept, "links")
        ],
    }


def _ids(kept: Mapping[str, Json]) -> dict[str, Json]:
    ids = {field: _base64(str(kept[field])) for field in ("trace_id", "span_id", "parent_span_id")}
    return {field: value for field, value in ids.items() if value}


def _events(kept: Mapping[str, Json]) -> list[dict[str, Json]]:
    return [
        {
            "name": each["name"],
            "time_unix_nano": each["time_unix_nano"],
            "attributes": _mapping(json.loads(str(each["attributes"]))),
        }
        for each in _listed(kept, "events")
    ]


def _listed(kept: Mapping[str, Json], field: str) -> list[Mapping[str, Json]]:
    found = kept.get(field)
    assert isinstance(found, Sequence)
    return [each for each in found if isinstance(each, Mapping)]


def _mapping(value: Json) -> Mapping[str, Json]:
    assert isinstance(value, Mapping)
    return value


def _pairs_shown(values: Mapping[str, Json]) -> list[Json]:
    return [{"key": key, "value": _value_shown(value)} for key, value in values.items()]


def _value_shown(value: Json) -> dict[str, Json]:
    match value:
        case bool():
            return {"bool_value": value}
        case str():
            return {"string_value": value}
        case int() if -_INT64 <= value < _INT64:
            return {"int_value": value}
        case int():
            return {"string_value": str(value)}
        case float():
            if math.isfinite(value):
                return {"double_value": value}
            return {"double_value": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
        case Mapping():
            return {"kvlist_value": {"values": _pairs_shown(value)}}
        case Sequence():
            return {"array_value": {"values": [_value_shown(each) for each in value]}}
    return {}


def _judged_shown(each: Assessment) -> dict[str, Json]:
    match each.kind:
        case AssessmentKind.FEEDBACK:
            return {"feedback": {"value": each.value, **filled(error=None if each.error is None else dict(each.error))}}
        case AssessmentKind.EXPECTATION:
            if isinstance(each.value, Mapping | Sequence) and not isinstance(each.value, str):
                written = json.dumps(each.value, ensure_ascii=False)
                return {"expectation": {"serialized_value": {"serialization_format": _FORMAT, "value": written}}}
            return {"expectation": {"value": each.value}}
        case AssessmentKind.ISSUE:
            return {"issue": each.value}


_FORMAT: Final = "JSON_FORMAT"


def _expected(values: Values) -> Json:
    serialized = inner(values, "serialized_value")
    if serialized is None:
        return _plain(values.get("value"))
    if (format_ := text(serialized, "serialization_format")) != _FORMAT:
        raise BadValue(f"Unknown serialization format: {format_[:100]}. Only JSON_FORMAT is supported.")
    try:
        written = text(serialized, "value")
        written.encode()
        found: Json = json.loads(written)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadValue("The value of an expectation is no JSON.") from error
    return found


def _plain(value: Json) -> Json:
    """A whole number as one: messages have only numbers with a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value


def _error(values: Values | None) -> Mapping[str, str] | None:
    if values is None:
        return None
    return {
        field: text(values, field)
        for field in ("error_code", "error_message", "stack_trace")
        if values.get(field) is not None
    }


def _tags(asked: Asked, trace: Trace) -> dict[str, str]:
    tags = dict(trace.tags)
    if LOCATION_TAG in tags:
        tags[LOCATION_TAG] = located(asked, tags[LOCATION_TAG])
    return tags


def _maybe(values: Values, field: str) -> str | None:
    return None if values.get(field) is None else text(values, field)


def _given(**fields: Json) -> dict[str, Json]:
    """The fields that are there, be they empty."""
    return {field: value for field, value in fields.items() if value is not None}


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode() if hexadecimal else ""
