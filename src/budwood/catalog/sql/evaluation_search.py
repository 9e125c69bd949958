"""Searching evaluation datasets and issues: comparisons and orders become SQL. There are few of either.

A page begins behind the last row's keys. A comparison with what a dataset does not have is false, also with ``!=``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.engine import Dialect

from budwood.catalog.evaluation_api import EvaluationSearch, IssueSearch
from budwood.catalog.sql.evaluation_tables import evaluation_dataset, evaluation_tag, evaluation_use, issue
from budwood.catalog.sql.session import Row, Session, compile_for
from budwood.catalog.sql.trace_tables import assessment
from budwood.catalog.sql.tracking_search import Sorted, compared_number, compared_text, cut_page, paged
from budwood.catalog.sql.tracking_tables import experiment
from budwood.domain.tracking import fields
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Order, Place
from budwood.domain.tracking.tokens import read_token

DATASET_COLUMNS: Final = tuple(evaluation_dataset.c)
ISSUE_COLUMNS: Final = (*issue.c, experiment.c.number)
_DATASET_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": evaluation_dataset.c.name,
    "created_by": evaluation_dataset.c.created_by,
    "last_updated_by": evaluation_dataset.c.updated_by,
    "created_time": evaluation_dataset.c.created_ms,
    "last_update_time": evaluation_dataset.c.updated_ms,
}
_ISSUE_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {"status": issue.c.status, "source_run_id": issue.c.run}
_TRACES: Final = (
    select(func.count(assessment.c.trace_id.distinct()))
    .where(
        assessment.c.experiment_id == issue.c.experiment_id,
        assessment.c.kind == "issue",
        assessment.c.name == issue.c.issue,
    )
    .correlate(issue)
    .scalar_subquery()
)
_NEWEST: Final = Order(Place(ATTRIBUTE, "created_time"), descends=True)


def find_dataset_rows(
    session: Session, room: int, search: EvaluationSearch, token: str, limit: int
) -> tuple[list[Row], str]:
    """Rows of ``DATASET_COLUMNS`` and the token behind the last. Raises BadValue."""
    order = tuple(_sorted(each) for each in search.orders or (_NEWEST,))
    order = (*order, Sorted(evaluation_dataset.c.id, True, int))
    rows = select(*DATASET_COLUMNS, *(each.value for each in order)).where(
        evaluation_dataset.c.namespace_id == room,
        *(_dataset_condition(each, session.dialect) for each in search.comparisons),
    )
    if search.experiments is not None:
        used = select(evaluation_use.c.dataset_id).where(evaluation_use.c.experiment_id.in_(search.experiments))
        rows = rows.where(evaluation_dataset.c.id.in_(used))
    return _page(session, (room, search), rows, order, token, limit)


def find_issue_rows(session: Session, room: int, search: IssueSearch, token: str, limit: int) -> tuple[list[Row], str]:
    """Rows of ``ISSUE_COLUMNS``, of the count of traces if that is asked, and the token behind the last. Raises
    BadValue."""
    counted = (_TRACES,) if search.counts_traces else ()
    order = tuple(Sorted(each, True, int) for each in (issue.c.severity, *counted, issue.c.created_ms, issue.c.id))
    rows = (
        select(*ISSUE_COLUMNS, *counted, *(each.value for each in order))
        .join_from(experiment, issue, issue.c.experiment_id == experiment.c.id)
        .where(
            experiment.c.namespace_id == room,
            *(_having(_ISSUE_FIELDS[each.place.key], each, session.dialect) for each in search.comparisons),
        )
    )
    if search.experiments is not None:
        rows = rows.where(issue.c.experiment_id.in_(search.experiments))
    return _page(session, (room, search), rows, order, token, limit)


def _page(
    session: Session, search: object, rows: Select[Any], order: Sequence[Sorted], token: str, limit: int
) -> tuple[list[Row], str]:
    """Whole rows, and the token behind the last."""
    after = read_token(search, token, [each.kind for each in order]) if token else None
    statement = paged(rows, order, after, limit + 1, session.dialect)
    found = session.run(compile_for(session.dialect, statement))
    return cut_page(search, found, len(rows.selected_columns) - len(order), limit)


def _sorted(order: Order) -> Sorted:
    kind = str if order.place.key == "name" else int
    return Sorted(_DATASET_FIELDS[order.place.key], order.descends, kind)


def _dataset_condition(each: Comparison, dialect: Dialect) -> ColumnElement[bool]:
    if each.place.family == fields.TAG:
        of_it = select(evaluation_tag.c.key).where(
            evaluation_tag.c.dataset_id == evaluation_dataset.c.id,
            evaluation_tag.c.key == each.place.key,
            compared_text(evaluation_tag.c.value, each, dialect),
        )
        return of_it.correlate(evaluation_dataset).exists()
    column = _DATASET_FIELDS[each.place.key]
    return compared_number(column, each) if isinstance(each.value, float) else _having(column, each, dialect)


def _having(column: ColumnElement[str], each: Comparison, dialect: Dialect) -> ColumnElement[bool]:
    return and_(column != "", compared_text(column, each, dialect))
