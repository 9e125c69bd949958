"""Reading traces, for every SQL database. ``view.py`` joins it with the rest; ``trace_search.py`` searches."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, func, select

from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.trace_measures import measured_rows
from budwood.catalog.sql.trace_search import TRACE_COLUMNS, count_trace_rows, find_trace_rows
from budwood.catalog.sql.trace_tables import assessment, span, trace, trace_word
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.catalog.traces_api import MeasuredRow, StoredSpan, TracePage, TraceSearch
from budwood.domain.limits import ASSESSMENTS, TRACES_PAGE
from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.measures import Measuring
from budwood.domain.traces.records import Assessment, AssessmentKind, Trace, TraceState
from budwood.domain.tracking.filters import Comparison
from budwood.errors import CatalogDamaged

_TRACES: Final = widened(
    lambda each: (
        select(*TRACE_COLUMNS)
        .join_from(trace, namespace, namespace.c.id == trace.c.namespace_id)
        .where(namespace.c.name == bindparam("namespace"), trace.c.trace.in_(each))
    )
)
_WORDS: Final = widened(
    lambda each: (
        select(trace_word.c.trace_id, trace_word.c.is_tag, trace_word.c.key, trace_word.c.value)
        .where(trace_word.c.trace_id.in_(each))
        .order_by(trace_word.c.trace_id, trace_word.c.is_tag, trace_word.c.key)
    )
)
_ASSESSMENT_COLUMNS: Final = (
    *(assessment.c.trace_id, assessment.c.assessment, assessment.c.kind, assessment.c.name, assessment.c.value),
    *(assessment.c.source_type, assessment.c.source, assessment.c.created_ms, assessment.c.updated_ms),
    *(assessment.c.error, assessment.c.span, assessment.c.run, assessment.c.rationale, assessment.c.metadata),
    *(assessment.c.overrides, assessment.c.valid),
)
_ASSESSMENTS: Final = widened(
    lambda each: (
        select(*_ASSESSMENT_COLUMNS)
        .where(assessment.c.trace_id.in_(each))
        .order_by(assessment.c.trace_id, assessment.c.id)
        .limit(bindparam("limit"))
    )
)
_SPANS: Final = widened(
    lambda each: (
        select(span.c.trace_id, span.c.span, span.c.parent, span.c.content)
        .where(span.c.trace_id.in_(each))
        .order_by(span.c.trace_id, span.c.start_ns, span.c.span)
        .limit(bindparam("limit"))
    )
)
_SPAN_COUNT: Final = Statement(select(func.count()).where(span.c.trace_id == bindparam("trace_id")))
_BEFORE: Final = Statement(
    select(*TRACE_COLUMNS)
    .where(trace.c.experiment_id == bindparam("experiment_id"), trace.c.at_ms <= bindparam("at_ms"))
    .order_by(trace.c.at_ms, trace.c.trace)
    .limit(bindparam("limit"))
)


class TraceReads(LedgerReads):
    """``catalog.traces_api.TracesView`` over one session."""

    __slots__ = ()

    def traces(self, namespace: str, ids: Sequence[str]) -> Sequence[Trace]:
        rows: list[Row] = []
        for width, each in in_parts(sorted(set(ids))):
            rows += self._session.all(_TRACES[width], namespace=namespace, **each)
        return self._with_words(rows)

    def assessments_of(self, trace_ids: Sequence[int]) -> Mapping[int, Sequence[Assessment]]:
        found: defaultdict[int, list[Assessment]] = defaultdict(list)
        for width, each in in_parts(trace_ids):
            limit = ASSESSMENTS * len(trace_ids)
            for row in self._session.all(_ASSESSMENTS[width], limit=limit, **each):
                found[row[0]].append(_assessment_from(row[1:]))
        return found

    def spans_of(self, trace_ids: Sequence[int], *, limit: int) -> Mapping[int, Sequence[StoredSpan]]:
        found: defaultdict[int, list[StoredSpan]] = defaultdict(list)
        for width, each in in_parts(trace_ids):
            for trace_id, *rest in self._session.all(_SPANS[width], limit=limit, **each):
                found[trace_id].append(StoredSpan(*rest))
        return found

    def span_count(self, trace_id: int) -> int:
        return int(self._session.all(_SPAN_COUNT, trace_id=trace_id)[0][0])

    def find_traces(self, namespace: str, search: TraceSearch, *, token: str = "", limit: int = 100) -> TracePage:
        if not search.experiments:
            return TracePage(())
        rows, token = find_trace_rows(self._session, search, token, max(0, min(limit, TRACES_PAGE)))
        return TracePage(tuple(self._with_words(rows)), token)

    def count_traces(
        self, namespace: str, search: TraceSearch, first: Sequence[Comparison], second: Sequence[Comparison]
    ) -> Counts:
        if not search.experiments:
            return Counts(0, 0, 0, 0)
        return Counts(*map(int, count_trace_rows(self._session, search, first, second)))

    def measured(
        self, namespace: str, experiments: Sequence[int], measuring: Measuring, *, limit: int
    ) -> Sequence[MeasuredRow]:
        rows = measured_rows(self._session, experiments, measuring, limit) if experiments else []
        if measuring.metric == "session_count":
            return [(row[0], (row[1],), 1.0) for row in rows]
        counts = measuring.metric.endswith("_count")
        return [(row[0], tuple(map(str, row[1:-1])), 1.0 if counts else float(row[-1])) for row in rows]

    def traces_before(self, experiment_id: int, at_ms: int, limit: int) -> Sequence[Trace]:
        rows = self._session.all(_BEFORE, experiment_id=experiment_id, at_ms=at_ms, limit=limit)
        return [_trace_from(row, {}, {}) for row in rows]

    def _with_words(self, rows: Sequence[Row]) -> list[Trace]:
        words: defaultdict[tuple[int, int], dict[str, str]] = defaultdict(dict)
        for width, each in in_parts([row[0] for row in rows]):
            for trace_id, is_tag, key, value in self._session.all(_WORDS[width], **each):
                words[trace_id, is_tag][key] = value
        return [_trace_from(row, words.get((row[0], 1), {}), words.get((row[0], 0), {})) for row in rows]


def _trace_from(row: Row, tags: Mapping[str, str], metadata: Mapping[str, str]) -> Trace:
    id_, name, experiment_id, number, at_ms, duration_ms, state, client_request, request, response, told = row
    return Trace(
        *(id_, name, experiment_id, number, at_ms, duration_ms, known(TraceState, state)),
        *(client_request, request, response, bool(told)),
        tags,
        metadata,
    )


def _assessment_from(row: Row) -> Assessment:
    name, kind, title, value, source_type, source, created_ms, updated_ms, error, span, run, rationale, *rest = row
    metadata, overrides, valid = rest
    return Assessment(
        name,
        known(AssessmentKind, kind),
        title,
        _parsed(value),
        source_type,
        source,
        created_ms,
        updated_ms,
        None if error is None else _parsed(error),
        span,
        run,
        rationale,
        _parsed(metadata),
        overrides,
        bool(valid),
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogDamaged("The catalog holds an assessment that is no JSON.") from error
