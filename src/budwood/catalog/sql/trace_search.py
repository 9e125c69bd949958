"""Searching and measuring traces: comparisons become SQL over one trace each.

A page is walked along the time of its experiment's traces, unless one of the comparisons is rare: then it is chosen
among those few. Comparisons about spans are about one and the same span. What is said of a session counts for each
of its traces, and what was overridden for none.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.engine import Dialect

from budwood.catalog.sql.session import Row, Session, compile_for, opaque
from budwood.catalog.sql.trace_tables import assessment, span, trace, trace_link, trace_word
from budwood.catalog.sql.tracking_search import Sorted, compared_number, compared_text, cut_page, paged
from budwood.catalog.sql.tracking_tables import HEAD_CHARS, experiment
from budwood.catalog.traces_api import Linked, TraceSearch
from budwood.domain.traces import fields
from budwood.domain.traces.records import RUN_KEY
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Operator, Order, Place
from budwood.domain.tracking.tokens import read_token

Condition = ColumnElement[bool]
PATTERN_FUNCTION: Final = "budwood_matches"
"""What SQLite calls for RLIKE; its connections have it from ``domain.traces.patterns``."""
RARE: Final = 2_000
_number: Final = select(experiment.c.number).where(experiment.c.id == trace.c.experiment_id).correlate(trace)
TRACE_COLUMNS: Final = (
    *(trace.c.id, trace.c.trace, trace.c.experiment_id, _number.scalar_subquery().label("number"), trace.c.at_ms),
    *(trace.c.duration_ms, trace.c.state, trace.c.client_request, trace.c.request, trace.c.response, trace.c.told),
)
_ATTRIBUTES: Final[Mapping[str, ColumnElement[Any]]] = {
    "request_id": trace.c.trace,
    "client_request_id": trace.c.client_request,
    "status": trace.c.state,
    "name": trace.c.name,
    "timestamp_ms": trace.c.at_ms,
    "execution_time_ms": trace.c.duration_ms,
    "end_time_ms": trace.c.at_ms + func.coalesce(trace.c.duration_ms, 0),
    "experiment_id": _number.scalar_subquery(),
}
_SPAN_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": span.c.name,
    "type": span.c.type,
    "status": span.c.status,
    "content": span.c.content,
}
_RANKED: Final = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_TEXTS: Final = frozenset({"request_id", "status", "name"})
_JUDGED: Final = frozenset({fields.FEEDBACK, fields.EXPECTATION})


def find_trace_rows(session: Session, search: TraceSearch, token: str, limit: int) -> tuple[list[Row], str]:
    """Rows of ``TRACE_COLUMNS`` and the token behind the last; empty at the end. Raises BadValue."""
    order, source = _order(search.orders)
    after = read_token(search, token, [each.kind for each in order]) if token else None
    rows = select(*TRACE_COLUMNS, *(each.value for each in order)).select_from(source).where(*_found(session, search))
    statement = paged(rows, order, after, limit + 1, session.dialect)
    found = session.run(compile_for(session.dialect, statement))
    return cut_page(search, found, len(TRACE_COLUMNS), limit)


def count_trace_rows(
    session: Session, search: TraceSearch, first: Sequence[Comparison], second: Sequence[Comparison]
) -> Row:
    """How many of those found pass the first, the second, both; and how many there are."""
    one, two = (and_(literal(1) == 1, *_conditions(each, session.dialect)) for each in (first, second))
    counts = [func.coalesce(func.sum(case((each, 1), else_=0)), 0) for each in (one, two, and_(one, two))]
    rows = select(*counts, func.count()).select_from(trace).where(*_found(session, search))
    return session.run(compile_for(session.dialect, rows))[0]


def word_exists(key: str, *, is_tag: bool, also: Condition | None = None) -> Condition:
    """Whether a trace has a tag, or metadata, with this key."""
    found = select(trace_word.c.trace_id).where(
        trace_word.c.trace_id == trace.c.id, trace_word.c.is_tag == int(is_tag), trace_word.c.key == key
    )
    return (found if also is None else found.where(also)).correlate(trace).exists()


def linked_to(kind: Linked, target: str) -> Condition:
    """Whether a trace is linked to it."""
    found = select(trace_link.c.trace).where(
        *(trace_link.c.namespace_id == trace.c.namespace_id, trace_link.c.trace == trace.c.trace),
        *(trace_link.c.kind == str(kind), trace_link.c.target == target),
    )
    return found.correlate(trace).exists()


def of_run(run: str) -> Condition:
    """Whether a trace says it is of a run, or was linked to it."""
    return or_(linked_to(Linked.RUN, run), word_exists(RUN_KEY, is_tag=False, also=trace_word.c.value == run))


def _found(session: Session, search: TraceSearch) -> list[Condition]:
    """Which traces: those of the experiments, among few where a comparison allows it, that pass all."""
    here = _within(trace.c.experiment_id, search.experiments)
    tests = _conditions(search.comparisons, session.dialect)
    rare = _rare(session, search)
    if rare is None:
        return [here, *tests]
    return [_plain(here, session.dialect), trace.c.id.in_(rare), *tests]


def _conditions(comparisons: Sequence[Comparison], dialect: Dialect) -> list[Condition]:
    of_spans = [each for each in comparisons if _is_of_span(each)]
    tests = [_condition(each, dialect) for each in comparisons if not _is_of_span(each)]
    if of_spans:
        found = select(span.c.trace_id).where(span.c.trace_id == trace.c.id)
        found = found.where(*(_span_condition(each, dialect) for each in of_spans))
        tests.append(found.correlate(trace).exists())
    return [_plain(test, dialect) for test in tests]


def _is_of_span(each: Comparison) -> bool:
    return each.place.family == fields.SPAN or each.place == Place(ATTRIBUTE, "text")


def _condition(each: Comparison, dialect: Dialect) -> Condition:
    family, key = each.place.family, each.place.key
    if family in (fields.TAG, fields.METADATA):
        return _word_condition(key, each, dialect, is_tag=family == fields.TAG)
    if family in _JUDGED:
        return _judged(each, dialect)
    if family == fields.ISSUE:
        found = select(assessment.c.id).where(assessment.c.trace_id == trace.c.id, assessment.c.kind == "issue")
        return found.where(assessment.c.name == each.value).correlate(trace).exists()
    if key == "run_id":
        if each.operator is Operator.EQ:
            assert isinstance(each.value, str)
            return of_run(each.value)
        return _word_condition(RUN_KEY, each, dialect, is_tag=False)
    if key == "prompt":
        assert isinstance(each.value, str)
        return linked_to(Linked.PROMPT, each.value)
    column = _ATTRIBUTES[key]
    return compared_number(column, each) if isinstance(each.value, float) else _compared(column, each, dialect)


def _word_condition(key: str, each: Comparison, dialect: Dialect, *, is_tag: bool) -> Condition:
    if each.operator is Operator.IS_NULL:
        return ~word_exists(key, is_tag=is_tag)
    if each.operator is Operator.IS_NOT_NULL:
        return word_exists(key, is_tag=is_tag)
    return word_exists(key, is_tag=is_tag, also=_compared(trace_word.c.value, each, dialect))


def _span_condition(each: Comparison, dialect: Dialect) -> Condition:
    key = "content" if each.place.family == ATTRIBUTE else each.place.key
    if not key.startswith(fields.SPAN_ATTRIBUTES):
        return _compared(_SPAN_FIELDS[key], each, dialect)
    return _json_compared(_attribute(key.removeprefix(fields.SPAN_ATTRIBUTES), dialect), each, dialect)


def _attribute(key: str, dialect: Dialect) -> ColumnElement[str]:
    """The JSON of one attribute of a span. A quote cannot stand in a path of SQLite."""
    if dialect.name == "sqlite":
        path = "$.attributes." + json.dumps(key.replace('"', ""), ensure_ascii=False)
        return func.json_extract(span.c.content, path)
    return func.json_extract_path_text(cast(span.c.content, JSON), "attributes", key)


def _judged(each: Comparison, dialect: Dialect) -> Condition:
    """An assessment of the trace itself, or of the session it is of."""
    said: list[Condition] = [
        *(assessment.c.kind == each.place.family, assessment.c.name == each.place.key, assessment.c.valid == 1)
    ]
    if each.operator in _RANKED:
        said += [assessment.c.is_number == 1, compared_number(assessment.c.amount, each)]
    elif each.operator not in (Operator.IS_NULL, Operator.IS_NOT_NULL):
        said.append(_json_compared(assessment.c.value, each, dialect))
    own = select(assessment.c.id).where(assessment.c.trace_id == trace.c.id, *said).correlate(trace).exists()
    other = trace.alias("other")
    of_session = (
        select(assessment.c.id)
        .join_from(other, assessment, assessment.c.trace_id == other.c.id)
        .where(
            *(other.c.experiment_id == trace.c.experiment_id, other.c.session == trace.c.session),
            *(assessment.c.of_session == 1, *said),
        )
        .correlate(trace)
        .exists()
    )
    found = or_(own, of_session)
    return ~found if each.operator is Operator.IS_NULL else found


def _json_compared(column: ColumnElement[str], each: Comparison, dialect: Dialect) -> Condition:
    """A text is compared as it is written in JSON, and as it is."""
    value = each.value
    if isinstance(value, tuple):
        either = column.in_([*value, *(_quoted(word) for word in value)])
        return either if each.operator is Operator.IN else ~either
    assert isinstance(value, str)
    if each.operator in (Operator.EQ, Operator.NE):
        either = column.in_([value, _quoted(value)])
        return either if each.operator is Operator.EQ else ~either
    if each.operator is Operator.RLIKE:
        return or_(_matching(column, value, dialect), _matching(_unquoted(column), value, dialect))
    return or_(_compared(column, each, dialect), _compared(_unquoted(column), each, dialect))


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


def _unquoted(column: ColumnElement[str]) -> ColumnElement[str]:
    # Written out: PostgreSQL takes numbers that come as values for larger ones than its function has.
    inside = func.substr(column, literal_column("2"), func.length(column) - literal_column("2"))
    return case((func.substr(column, literal_column("1"), literal_column("1")) == '"', inside), else_=column)


def _compared(column: ColumnElement[Any], each: Comparison, dialect: Dialect) -> Condition:
    if each.operator is Operator.RLIKE:
        assert isinstance(each.value, str)
        return _matching(column, each.value, dialect)
    if each.operator is Operator.ILIKE:  # What has none is no text, and no small letters.
        return and_(column.is_not(None), compared_text(func.coalesce(column, ""), each, dialect))
    return compared_text(column, each, dialect)


def _matching(column: ColumnElement[Any], pattern: str, dialect: Dialect) -> Condition:
    if dialect.name == "sqlite":
        found: ColumnElement[int] = getattr(func, PATTERN_FUNCTION)(pattern, column)
        return found == 1
    return column.op("~", is_comparison=True)(pattern)


def _rare(session: Session, search: TraceSearch) -> Select[Any] | None:
    """A comparison that few traces pass, as a choice among those."""
    for each in search.comparisons:
        ids = _ids_of(each, search.experiments)
        if ids is None:
            continue
        probe = select(func.count()).select_from(ids.limit(RARE + 1).subquery())
        if session.run(compile_for(session.dialect, probe))[0][0] <= RARE:
            return ids
    return None


def _ids_of(each: Comparison, experiments: Sequence[int]) -> Select[Any] | None:
    """The traces that pass, as a range of an index; None where there is none."""
    family, key, value = each.place.family, each.place.key, each.value
    if each.operator is not Operator.EQ or not isinstance(value, str):
        return None
    if family in (fields.TAG, fields.METADATA):
        here = _within(trace_word.c.experiment_id, experiments)
        of_key = and_(here, trace_word.c.is_tag == int(family == fields.TAG), trace_word.c.key == key)
        return select(trace_word.c.trace_id).where(of_key, trace_word.c.head == value[:HEAD_CHARS])
    if family == fields.ISSUE:
        here = _within(assessment.c.experiment_id, experiments)
        return select(assessment.c.trace_id).where(here, assessment.c.kind == "issue", assessment.c.name == value)
    room = select(experiment.c.namespace_id).where(experiment.c.id == experiments[0]).scalar_subquery()
    if key == "prompt":
        joined = and_(trace.c.namespace_id == trace_link.c.namespace_id, trace.c.trace == trace_link.c.trace)
        of_prompt = and_(trace_link.c.kind == str(Linked.PROMPT), trace_link.c.target == value)
        found = select(trace.c.id).join_from(trace_link, trace, joined)
        return found.where(trace_link.c.namespace_id == room, of_prompt)
    if key == "request_id":
        return select(trace.c.id).where(trace.c.namespace_id == room, trace.c.trace == value)
    return None


def _within(column: ColumnElement[int], experiments: Sequence[int]) -> Condition:
    return column == experiments[0] if len(experiments) == 1 else column.in_(experiments)


def _plain(condition: Condition, dialect: Dialect) -> Condition:
    """A condition that is no reason to take another index (``tracking_search``)."""
    return opaque(condition) if dialect.name == "sqlite" else condition


def _order(orders: Sequence[Order]) -> tuple[list[Sorted], FromClause]:
    """What traces are sorted by, and from where; what has none comes last."""
    found: list[Sorted] = []
    source: FromClause = trace
    for each in orders:
        key, descends = each.place.key, each.descends
        if each.place.family == ATTRIBUTE and key != "run_id":
            column = _ATTRIBUTES[key]
            if key in ("name", "execution_time_ms"):
                found.append(Sorted(case((column.is_(None), 1), else_=0), False, int))
                column = func.coalesce(column, "" if key == "name" else 0)
            found.append(Sorted(column, descends, str if key in _TEXTS else int))
            continue
        words = trace_word.alias()
        is_tag = int(each.place.family == fields.TAG)
        of_key = and_(words.c.is_tag == is_tag, words.c.key == (RUN_KEY if key == "run_id" else key))
        source = source.outerjoin(words, and_(words.c.trace_id == trace.c.id, of_key))
        found.append(Sorted(case((words.c.head.is_(None), 1), else_=0), False, int))
        found.append(Sorted(func.coalesce(words.c.head, ""), descends, str))
    named = {each.place.key for each in orders if each.place.family == ATTRIBUTE}
    if "timestamp_ms" not in named:
        found.append(Sorted(trace.c.at_ms, True, int))
    if "request_id" not in named:
        found.append(Sorted(trace.c.trace, False, str))
    return found, source
