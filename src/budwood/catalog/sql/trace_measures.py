"""The rows that are measured: one for each trace, span or assessment that counts, with what it is grouped by."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, select

from budwood.catalog.sql.session import Row, Session, compile_for
from budwood.catalog.sql.trace_search import of_run, word_exists
from budwood.catalog.sql.trace_tables import assessment, span, trace, trace_word
from budwood.domain.traces.measures import Condition, Measuring, Subject
from budwood.domain.traces.records import COSTS, RUN_KEY, TOKENS

_NS: Final = 1_000_000
_DIMENSIONS: Final[Mapping[str, ColumnElement[Any]]] = {
    "trace_name": trace.c.name,
    "trace_status": trace.c.state,
    "span_name": span.c.name,
    "span_type": span.c.type,
    "span_status": span.c.status,
    "span_model_name": span.c.model,
    "span_model_provider": span.c.provider,
    "assessment_name": assessment.c.name,
    "assessment_value": assessment.c.value,
}
_NUMBERS: Final[Mapping[Subject, Mapping[str, ColumnElement[Any]]]] = {
    Subject.TRACES: {
        "trace_count": trace.c.id,
        "session_count": trace.c.session,
        "latency": trace.c.duration_ms,
        **{key: trace.c[key] for key in TOKENS},
    },
    Subject.SPANS: {
        "span_count": span.c.trace_id,
        "latency": (span.c.end_ns - span.c.start_ns) // _NS,
        **{key: span.c[key] for key in COSTS},
    },
    Subject.ASSESSMENTS: {"assessment_count": assessment.c.id, "assessment_value": assessment.c.amount},
}
_FROM: Final[Mapping[Subject, FromClause]] = {
    Subject.TRACES: trace,
    Subject.SPANS: span.join(trace, trace.c.id == span.c.trace_id),
    Subject.ASSESSMENTS: assessment.join(trace, trace.c.id == assessment.c.trace_id),
}
_HERE: Final[Mapping[Subject, ColumnElement[int]]] = {
    Subject.TRACES: trace.c.experiment_id,
    Subject.SPANS: span.c.experiment_id,
    Subject.ASSESSMENTS: assessment.c.experiment_id,
}
_FIELDS: Final[Mapping[tuple[str, str], ColumnElement[Any]]] = {
    ("trace", "status"): trace.c.state,
    ("span", "name"): span.c.name,
    ("span", "status"): span.c.status,
    ("span", "type"): span.c.type,
    ("assessment", "name"): assessment.c.name,
    ("assessment", "type"): assessment.c.kind,
}


def measured_rows(session: Session, experiments: Sequence[int], measuring: Measuring, limit: int) -> list[Row]:
    """When in milliseconds, each dimension, and the number."""
    subject, metric = measuring.subject, measuring.metric
    at = span.c.start_ns if subject is Subject.SPANS else trace.c.at_ms
    number = _NUMBERS[subject][metric]
    dimensions = [_DIMENSIONS[each] for each in measuring.dimensions]
    rows = (
        select(at, *dimensions, number)
        .select_from(_FROM[subject])
        .where(_HERE[subject].in_(experiments), number.is_not(None), *(each.is_not(None) for each in dimensions))
        .where(*(_condition(each) for each in measuring.conditions))
        .limit(limit)
    )
    if subject is Subject.ASSESSMENTS:
        rows = rows.where(assessment.c.valid == 1)
    if subject is Subject.SPANS and metric == "latency":
        rows = rows.where(span.c.end_ns > 0)
    found = session.run(compile_for(session.dialect, _between(rows, at, measuring)))
    scale = _NS if subject is Subject.SPANS else 1
    return [(row[0] // scale, *row[1:]) for row in found]


def _between(rows: Select[Any], at: ColumnElement[int], measuring: Measuring) -> Select[Any]:
    scale = _NS if measuring.subject is Subject.SPANS else 1
    if measuring.start_ms is not None:
        rows = rows.where(at >= measuring.start_ms * scale)
    if measuring.end_ms is not None:
        rows = rows.where(at < (measuring.end_ms + 1) * scale)
    return rows


def _condition(each: Condition) -> ColumnElement[bool]:
    if each.field in ("tag", "metadata"):
        if each.key == RUN_KEY and each.field == "metadata":
            return of_run(each.value)
        return word_exists(each.key, is_tag=each.field == "tag", also=trace_word.c.value == each.value)
    return _FIELDS[each.subject, each.field] == each.value
