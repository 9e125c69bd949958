"""Writing traces and what judges them into an MLflow server; beside ``stock_writer``.

Traces and assessments keep their ids, which are their clients'. The server gives its own to the rest: a data set is
marked with ours, and what judges in an experiment goes by its name.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from budwood.client.carrying import shapes
from budwood.client.carrying.stock_traced import NEWER, StockTraced
from budwood.client.carrying.web import API, Web, path_of
from budwood.domain.canon import Json
from budwood.domain.carrying.records import WENT_FROM, unmarked
from budwood.domain.carrying.traced import (
    CarriedAssessment,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedTrace,
)
from budwood.domain.traces.records import Span
from budwood.domain.traces.times import duration_written, time_written

_SPANS: Final = "/v1/traces"
_CODES: Final = {"UNSET": 0, "OK": 1, "ERROR": 2}
_INT64: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class StockTracedWriter:
    """``reader`` reads the same server."""

    web: Web
    reader: StockTraced

    # Traces

    def tell_trace(self, trace: CarriedTrace, experiment: str, assessments: Sequence[CarriedAssessment]) -> None:
        """The server adds what is new of it to what is there."""
        info = {
            "trace_id": trace.trace,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
            "request_time": time_written(trace.at_ms),
            "execution_duration": None if trace.duration_ms is None else duration_written(trace.duration_ms),
            "state": trace.state,
            "client_request_id": trace.client_request,
            "request_preview": trace.request,
            "response_preview": trace.response,
            "tags": dict(trace.tags),
            "trace_metadata": dict(trace.metadata),
            "assessments": [_assessment(each) for each in assessments],
        }
        self.web.post(NEWER + "traces", {"trace": {"trace_info": _said(info)}})

    def assess(self, trace: str, assessment: CarriedAssessment) -> None:
        path = f"{NEWER}traces/{path_of(trace)}/assessments"
        self.web.post(path, {"assessment": {**_assessment(assessment), "trace_id": trace}})

    def log_spans(self, experiment: str, spans: Sequence[Span]) -> None:
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [_span(each) for each in spans]}]}]}
        self.web.post(_SPANS, body, headers={"x-mlflow-experiment-id": experiment})

    def link(self, run: str, traces: Sequence[str]) -> None:
        self.web.post(API + "traces/link-to-run", {"run_id": run, "trace_ids": list(traces)})

    # What judges

    def make_dataset(self, dataset: CarriedDataset, experiments: Sequence[str]) -> str:
        tags = json.dumps({**unmarked(dataset.tags), WENT_FROM: dataset.dataset})
        body = {"name": dataset.name, "experiment_ids": list(experiments), "tags": tags}
        made = shapes.inner(self.web.post(NEWER + "datasets/create", body), "dataset")
        return shapes.text(made, "dataset_id")

    def tag_dataset(self, id_: str, tags: Mapping[str, str]) -> None:
        self.web.post(f"{NEWER}datasets/{path_of(id_)}/tags", {"tags": json.dumps(dict(tags))}, "PATCH")

    def use_dataset(self, id_: str, experiments: Sequence[str]) -> None:
        self.web.post(f"{NEWER}datasets/{path_of(id_)}/add-experiments", {"experiment_ids": list(experiments)})

    def put_records(self, id_: str, records: Sequence[CarriedRecord]) -> None:
        said = [{"outputs": None, **json.loads(each.content)} for each in records]
        self.web.post(f"{NEWER}datasets/{path_of(id_)}/records", {"records": json.dumps(said)})

    def register_scorer(self, experiment: str, name: str, body: str) -> int:
        """The number it got."""
        asked = {"experiment_id": experiment, "name": name, "serialized_scorer": body}
        return shapes.whole(self.web.post(NEWER + "scorers/register", asked), "version")

    def delete_scorer(self, experiment: str, name: str, number: int) -> None:
        asked = {"experiment_id": experiment, "name": name, "version": number}
        self.web.post(NEWER + "scorers/delete", asked, "DELETE")

    def make_label(self, experiment: str, label: CarriedLabel) -> None:
        asked = {"experiment_id": experiment, "name": label.name, "type": label.kind, **_asking(label)}
        self.web.post(NEWER + "label-schemas/create", asked)

    def change_label(self, id_: str, label: CarriedLabel) -> None:
        self.web.post(NEWER + "label-schemas/update", {"schema_id": id_, **_asking(label)}, "PATCH")

    def make_issue(self, experiment: str, run: str, issue: CarriedIssue) -> str:
        """Its id there."""
        said = {
            "experiment_id": experiment,
            "name": issue.name,
            "description": issue.description,
            "status": issue.status,
            "severity": issue.severity or None,
            "root_causes": list(issue.root_causes),
            "categories": list(issue.categories),
            "source_run_id": run or None,
            "created_by": issue.created_by or None,
        }
        made = shapes.inner(self.web.post(NEWER + "issues", _said(said)), "issue")
        return shapes.text(made, "issue_id")

    def change_issue(self, id_: str, issue: CarriedIssue) -> None:
        said = {"issue_id": id_, "status": issue.status, "severity": issue.severity or None}
        self.web.post(f"{NEWER}issues/{path_of(id_)}", _said(said), "PATCH")


def _asking(label: CarriedLabel) -> dict[str, Any]:
    return {
        "input": {label.form: json.loads(label.bounds)},
        "instruction": label.instruction,
        "enable_comment": label.has_comment,
    }


def _assessment(each: CarriedAssessment) -> dict[str, Any]:
    said = {
        "assessment_id": each.assessment,
        "assessment_name": each.name,
        "source": {"source_type": each.source_type, "source_id": each.source},
        "create_time": time_written(each.created_ms),
        "last_update_time": time_written(each.updated_ms),
        "span_id": each.span,
        "rationale": each.rationale,
        "metadata": dict(each.metadata) or None,
        "overrides": each.overrides or None,
        each.kind: _judged(each),
    }
    return _said(said)


def _judged(each: CarriedAssessment) -> dict[str, Any]:
    value = json.loads(each.value)
    if each.kind == "issue":
        return {"issue_name": str(value.get("issue_name", "")) if isinstance(value, dict) else ""}
    if each.kind == "expectation" and isinstance(value, dict | list):
        return {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": each.value}}
    error = json.loads(each.error) if each.error else None
    return _said({"value": value, "error": error})


def _span(span: Span) -> dict[str, Any]:
    """In OpenTelemetry's JSON. Ids of links are in Base64: the server reads those as Protocol Buffers write them."""
    return {
        "traceId": span.trace,
        "spanId": span.span,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "status": {"code": _CODES[span.status], "message": span.message},
        "attributes": _pairs(span.attributes),
        "events": [
            {"name": each.name, "timeUnixNano": str(each.at_ns), "attributes": _pairs(each.attributes)}
            for each in span.events
        ],
        "links": [
            {"traceId": _base64(each.trace), "spanId": _base64(each.span), "attributes": _pairs(each.attributes)}
            for each in span.links
        ],
    }


def _pairs(values: Mapping[str, Json]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Json) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int() if -_INT64 <= value < _INT64:
            return {"intValue": str(value)}
        case int():
            return {"stringValue": str(value)}
        case float():
            if math.isfinite(value):
                return {"doubleValue": value}
            return {"doubleValue": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
        case str():
            return {"stringValue": value}
        case Mapping():
            return {"kvlistValue": {"values": _pairs(value)}}
        case Sequence():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {}


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were said."""
    return {key: value for key, value in fields.items() if value is not None}
