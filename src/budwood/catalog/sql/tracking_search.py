"""Searching runs and experiments: comparisons and orders become SQL that reads little more than a page needs.

A page of runs is found in one of three ways. Is one of the comparisons rare? Each that an index can answer is asked
for at most ``_RARE`` runs; if one has fewer, the page is chosen among those. Otherwise, ordered by a metric, runs are
walked along that metric's index: first those with a number, then those with NaN, then those without. Otherwise they are
walked by start, or sorted. Experiments are searched one by one and their pages merged while they are few, because no
index is ordered over several.

A page begins behind the last row's keys, so page 50 costs what page 1 costs. A comparison with what a run does not have
is false, also with ``!=``. Long values are ordered by their beginnings (``tracking_tables.HEAD_CHARS``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.engine import Dialect

from budwood.catalog.sql.comparing import compares
from budwood.catalog.sql.session import Compiled, Row, Session, compile_for, opaque
from budwood.catalog.sql.tracking_tables import (
    HEAD_CHARS,
    experiment,
    experiment_tag,
    run,
    run_dataset,
    run_input,
    run_metric,
    run_param,
    run_tag,
)
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain.tracking import fields
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Operator, Order, Place, is_finite
from budwood.domain.tracking.records import Showing
from budwood.domain.tracking.tokens import Key, read_token, write_token

Condition = ColumnElement[bool]
_RARE: Final = 2_000
_MERGED: Final = 16
HERE: Final = bindparam("here", None, type_=BigInteger, required=False)
# A look by key, and no join: how runs are found does not change.
_number: Final = select(experiment.c.number).where(experiment.c.id == run.c.experiment_id).correlate(run)
RUN_COLUMNS: Final = (
    *(run.c.id, run.c.run, run.c.experiment_id, _number.scalar_subquery().label("number"), run.c.name, run.c.run_by),
    run.c.author,
    *(run.c.status, run.c.start_ms, run.c.end_ms, run.c.location, run.c.removed_ms),
)
_RUN_ATTRIBUTES: Final[Mapping[str, ColumnElement[Any]]] = {
    "run_id": run.c.run,
    "run_name": run.c.name,
    "status": run.c.status,
    "user_id": run.c.run_by,
    "artifact_uri": run.c.location,
    "start_time": run.c.start_ms,
    "end_time": run.c.end_ms,
}
EXPERIMENT_COLUMNS: Final = tuple(experiment.c)
_EXPERIMENT_ATTRIBUTES: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": experiment.c.name,
    "experiment_id": experiment.c.number,
    "creation_time": experiment.c.created_ms,
    "last_update_time": experiment.c.updated_ms,
}
_DATASET_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": run_dataset.c.name,
    "digest": run_dataset.c.digest,
    "context": run_input.c.context,
}


@dataclass(frozen=True, slots=True)
class Sorted:
    """One expression of an order; never NULL."""

    value: ColumnElement[Any]
    descends: bool
    kind: type


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way to rows: from where, in which order; ``rank`` is the first key, where it is the same for all."""

    rows: Select[Any]
    order: tuple[Sorted, ...]
    rank: int | None = None


def find_run_rows(session: Session, search: TrackingSearch, token: str, limit: int) -> tuple[list[Row], str]:
    """Rows of ``RUN_COLUMNS`` and the token behind the last; empty at the end. Raises BadValue."""
    return _RunSearch(session, search, limit).page(token)


def find_experiment_rows(
    session: Session, room: int, search: TrackingSearch, token: str, limit: int
) -> tuple[list[Row], str]:
    """Rows of ``EXPERIMENT_COLUMNS`` and the token behind the last. Raises BadValue."""
    orders = search.orders or (Order(_CREATED, descends=True),)
    order = tuple(Sorted(_EXPERIMENT_ATTRIBUTES[each.place.key], each.descends, _kind(each)) for each in orders)
    order = (*order, Sorted(experiment.c.number, True, int))
    after = read_token((room, search), token, [each.kind for each in order]) if token else None
    rows = select(*EXPERIMENT_COLUMNS, *(each.value for each in order)).where(
        experiment.c.namespace_id == room,
        _shown(experiment.c.removed_ms, search.showing),
        *(_experiment_condition(each, session.dialect) for each in search.comparisons),
    )
    statement = paged(rows, order, after, limit + 1, session.dialect)
    found = session.run(compile_for(session.dialect, statement))
    return cut_page((room, search), found, len(EXPERIMENT_COLUMNS), limit)


def paged(
    rows: Select[Any], order: Sequence[Sorted], after: Sequence[Key] | None, limit: int, dialect: Dialect
) -> Select[Any]:
    """The rows behind ``after`` in that order."""
    if after is not None:
        rows = rows.where(_behind(order, after, dialect))
    return rows.order_by(*(_directed(each.value, each.descends) for each in order)).limit(limit)


def _paged_along(
    rows: Select[Any], order: Sequence[Sorted], after: Sequence[Key] | None, limit: int, dialect: Dialect
) -> Select[Any]:
    """The same, of rows that an index gives in the order of the first key alone.

    SQLite sorts what is equal while it walks. PostgreSQL would rather sort everything, unless it is asked for the first
    rows by that key, whoever shares the last one's too, and then to sort those.
    """
    if dialect.name == "sqlite":
        return paged(rows, order, after, limit, dialect)
    if after is not None:
        rows = rows.where(_behind(order, after, dialect))
    first = rows.order_by(_directed(order[0].value, order[0].descends)).fetch(limit, with_ties=True).subquery()
    columns = list(first.c)
    keys = zip(columns[len(RUN_COLUMNS) :], order, strict=True)
    return select(*columns).order_by(*(_directed(key, each.descends) for key, each in keys)).limit(limit)


def _directed(value: ColumnElement[Any], descends: bool) -> ColumnElement[Any]:
    return value.desc() if descends else value


class _RunSearch:
    """One search over the experiments it names."""

    def __init__(self, session: Session, search: TrackingSearch, limit: int) -> None:
        self._session, self._search, self._limit = session, search, limit
        self._many = len(search.experiments) > _MERGED
        self._ties = _run_ties(search.orders)
        kinds = [kind for each in search.orders for kind in _order_kinds(each)]
        self._kinds = [*kinds, *(each.kind for each in self._ties)]

    def page(self, token: str) -> tuple[list[Row], str]:
        after = read_token(self._search, token, self._kinds) if token else None
        rare = self._rare()
        if rare is None and self._walks_metric():
            found = self._along_metric(after)
        else:
            found = self._rows(self._sorted(rare), after, self._limit + 1)
        return cut_page(self._search, found, len(RUN_COLUMNS), self._limit)

    def _walks_metric(self) -> bool:
        return bool(self._search.orders) and self._search.orders[0].place.family == fields.METRIC

    def _rare(self) -> Condition | None:
        """A comparison that few runs pass, as a choice among those."""
        for each in self._search.comparisons:
            ids = _ids_of(each, self._here(_experiment_of(each)), self._session.dialect)
            if ids is None:
                continue
            probe = select(func.count()).select_from(ids.limit(_RARE + 1).subquery())
            count = 0
            for place in self._places():
                count += self._run(probe, place)[0][0]
                if count > _RARE:
                    break
            if count <= _RARE:
                return run.c.id.in_(ids)
        return None

    def _sorted(self, rare: Condition | None) -> _Walk:
        order: list[Sorted] = []
        source: FromClause = run
        for each in self._search.orders:
            more, source = _ordered(each, source)
            order += more
        order += self._ties
        here = self._here(run.c.experiment_id)
        shown = _shown(run.c.removed_ms, self._search.showing)
        among = (self._plain(and_(here, shown)), rare) if rare is not None else (here, shown)
        rows = select(*RUN_COLUMNS, *(each.value for each in order)).select_from(source).where(*among)
        return _Walk(rows.where(*self._conditions()), tuple(order))

    def _along_metric(self, after: Sequence[Key] | None) -> list[Row]:
        """Those with a number, those with NaN, those without: each in turn until the page is full."""
        found: list[Row] = []
        begin = int(after[0]) if after is not None else 0
        for rank in range(begin, 3):
            left = self._limit + 1 - len(found)
            if left > 0:
                behind = after if rank == begin else None
                found += self._rows(self._metric_walk(rank), behind, left)
        return found

    def _metric_walk(self, rank: int) -> _Walk:
        first, *others = self._search.orders
        order: list[Sorted] = []
        led = run_metric.alias("led")
        source: FromClause = run
        if rank < 2:
            source = led.join(run, run.c.id == led.c.run_id)
            among: list[Condition] = [
                *(self._here(led.c.experiment_id), led.c.key == first.place.key, led.c.nan == rank),
                self._plain(_shown(run.c.removed_ms, self._search.showing)),
            ]
            if rank == 0:
                order.append(Sorted(led.c.value, first.descends, float))
                among += [compared_number(led.c.value, each) for each in self._search.comparisons if _same(first, each)]
        else:
            has = select(led.c.id).where(led.c.run_id == run.c.id, led.c.key == first.place.key).correlate(run)
            shown = _shown(run.c.removed_ms, self._search.showing)
            among = [self._here(run.c.experiment_id), shown, ~has.exists()]
        for each in others:
            more, source = _ordered(each, source)
            order += more
        order += self._ties
        rows = select(*RUN_COLUMNS, *(each.value for each in order)).select_from(source).where(*among)
        return _Walk(rows.where(*self._conditions()), tuple(order), rank)

    def _plain(self, condition: Condition) -> Condition:
        return _plain(condition, self._session.dialect)

    def _conditions(self) -> list[Condition]:
        return [self._plain(_run_condition(each, self._session.dialect)) for each in self._search.comparisons]

    def _rows(self, walk: _Walk, after: Sequence[Key] | None, limit: int) -> list[Row]:
        """Rows of run columns and all keys."""
        behind = after
        if after is not None and walk.rank is not None:
            # The rank and, beyond the numbers, the value stand for the walk itself.
            behind = after[1:] if walk.rank == 0 else after[2:]
        dialect = self._session.dialect
        page = _paged_along if walk.rank == 0 else paged
        compiled = compile_for(dialect, page(walk.rows, walk.order, behind, limit, dialect))
        found = [row for place in self._places() for row in self._run_compiled(compiled, place)]
        if walk.rank is not None:
            lead = (walk.rank,) if walk.rank == 0 else (walk.rank, 0.0)
            at = len(RUN_COLUMNS)
            found = [(*row[:at], *lead, *row[at:]) for row in found]
            fixed = (Sorted(true(), False, int), *([] if walk.rank == 0 else [Sorted(true(), False, float)]))
            return _merged(found, (*fixed, *walk.order), limit)
        return _merged(found, walk.order, limit)

    def _here(self, column: ColumnElement[Any]) -> Condition:
        return column.in_(self._search.experiments) if self._many else column == HERE

    def _places(self) -> Sequence[int]:
        return (0,) if self._many else self._search.experiments

    def _run(self, statement: Select[Any], place: int) -> list[Row]:
        return self._run_compiled(compile_for(self._session.dialect, statement), place)

    def _run_compiled(self, compiled: Compiled, place: int) -> list[Row]:
        return self._session.run(compiled if self._many else compiled.at(**{HERE.key: place}))


def _merged(rows: list[Row], order: Sequence[Sorted], limit: int) -> list[Row]:
    """The first of all in that order: those of one experiment come sorted, those of several do not."""
    at = len(RUN_COLUMNS)

    def compare(one: Row, other: Row) -> int:
        for index, each in enumerate(order, at):
            if one[index] != other[index]:
                return -1 if (one[index] < other[index]) is not each.descends else 1
        return 0

    return sorted(rows, key=cmp_to_key(compare))[:limit]


def cut_page(search: object, rows: list[Row], columns: int, limit: int) -> tuple[list[Row], str]:
    more = len(rows) > limit
    rows = rows[:limit]
    token = write_token(search, rows[-1][columns:]) if more and rows else ""
    return [row[:columns] for row in rows], token


def _plain(condition: Condition, dialect: Dialect) -> Condition:
    """A condition that is no reason to take another index. PostgreSQL knows how many rows it keeps, and must see it."""
    return opaque(condition) if dialect.name == "sqlite" else condition


def _behind(order: Sequence[Sorted], after: Sequence[Key], dialect: Dialect) -> Condition:
    """Whether a row comes after these keys."""
    chain: Condition = false()
    for each, key in reversed(list(zip(order, after, strict=True))):
        further = each.value < key if each.descends else each.value > key
        chain = or_(further, and_(each.value == key, chain))
    first, key = order[0], after[0]
    # What an index can begin at; the chain alone is no range to a database.
    return and_(first.value <= key if first.descends else first.value >= key, _plain(chain, dialect))


def _run_ties(orders: Sequence[Order]) -> tuple[Sorted, ...]:
    named = {each.place.key for each in orders if each.place.family == ATTRIBUTE}
    start = () if "start_time" in named else (Sorted(run.c.start_ms, True, int),)
    return (*start, *(() if "run_id" in named else (Sorted(run.c.run, False, str),)))


def _order_kinds(order: Order) -> tuple[type, ...]:
    """Of the keys that an order has in a token."""
    if order.place.family == fields.METRIC:
        return (int, float)
    if order.place.family in (fields.PARAM, fields.TAG):
        return (int, str)
    kind = _kind(order)
    return (int, kind) if order.place.key == "end_time" else (kind,)


def _kind(order: Order) -> type:
    return str if order.place.key in ("run_id", "run_name", "status", "user_id", "artifact_uri", "name") else int


def _ordered(order: Order, source: FromClause) -> tuple[list[Sorted], FromClause]:
    """What an order sorts by, and from where: what is missing comes last, NaN before it."""
    key, descends = order.place.key, order.descends
    if order.place.family == fields.METRIC:
        table = run_metric.alias()
        joined = source.outerjoin(table, and_(table.c.run_id == run.c.id, table.c.key == key))
        rank = case((table.c.nan.is_(None), 2), else_=table.c.nan)
        return [Sorted(rank, False, int), Sorted(func.coalesce(table.c.value, 0.0), descends, float)], joined
    if order.place.family in (fields.PARAM, fields.TAG):
        words = (run_param if order.place.family == fields.PARAM else run_tag).alias()
        joined = source.outerjoin(words, and_(words.c.run_id == run.c.id, words.c.key == key))
        rank = case((words.c.head.is_(None), 1), else_=0)
        return [Sorted(rank, False, int), Sorted(func.coalesce(words.c.head, ""), descends, str)], joined
    column = _RUN_ATTRIBUTES[key]
    if key == "end_time":
        rank = case((column.is_(None), 1), else_=0)
        return [Sorted(rank, False, int), Sorted(func.coalesce(column, 0), descends, int)], source
    return [Sorted(column, descends, _kind(order))], source


def _same(order: Order, each: Comparison) -> bool:
    return order.place == each.place


def _shown(removed_ms: ColumnElement[int], showing: Showing) -> Condition:
    match showing:
        case Showing.ACTIVE:
            return removed_ms == 0
        case Showing.DELETED:
            return removed_ms > 0
        case Showing.ALL:
            return true()


def _run_condition(each: Comparison, dialect: Dialect) -> Condition:
    key = each.place.key
    if each.place.family == fields.METRIC:
        table = run_metric.alias()
        number = compared_number(table.c.value, each)
        of_run = select(table.c.id).where(table.c.run_id == run.c.id, table.c.key == key, table.c.nan == 0, number)
        return of_run.correlate(run).exists()
    if each.place.family in (fields.PARAM, fields.TAG):
        words = (run_param if each.place.family == fields.PARAM else run_tag).alias()
        of_run = select(words.c.run_id).where(words.c.run_id == run.c.id, words.c.key == key)
        return _having(of_run.correlate(run), words.c.value, each, dialect)
    if each.place.family == fields.DATASET:
        column = _DATASET_FIELDS[key]
        used = select(run_input.c.run_id).join_from(run_input, run_dataset, run_dataset.c.id == run_input.c.dataset_id)
        used = used.where(run_input.c.run_id == run.c.id, compared_text(column, each, dialect))
        return used.correlate(run).exists()
    return _compared(_RUN_ATTRIBUTES[key], each, dialect)


def _experiment_condition(each: Comparison, dialect: Dialect) -> Condition:
    if each.place.family == fields.TAG:
        of_it = select(experiment_tag.c.key).where(
            experiment_tag.c.experiment_id == experiment.c.id, experiment_tag.c.key == each.place.key
        )
        return _having(of_it.correlate(experiment), experiment_tag.c.value, each, dialect)
    return _compared(_EXPERIMENT_ATTRIBUTES[each.place.key], each, dialect)


def _having(found: Select[Any], value: ColumnElement[str], each: Comparison, dialect: Dialect) -> Condition:
    if each.operator is Operator.IS_NULL:
        return ~found.exists()
    if each.operator is Operator.IS_NOT_NULL:
        return found.exists()
    return found.where(compared_text(value, each, dialect)).exists()


def _experiment_of(each: Comparison) -> ColumnElement[Any]:
    tables = {fields.METRIC: run_metric, fields.PARAM: run_param, fields.TAG: run_tag}
    return tables.get(each.place.family, run).c.experiment_id


def _ids_of(each: Comparison, here: Condition, dialect: Dialect) -> Select[Any] | None:
    """The runs that pass, as a range of an index; None where there is none."""
    key, operator = each.place.key, each.operator
    if each.place.family == fields.METRIC and operator is not Operator.NE:
        table = run_metric
        number = compared_number(table.c.value, each)
        return select(table.c.run_id).where(here, table.c.key == key, table.c.nan == 0, number)
    if each.place.family in (fields.PARAM, fields.TAG) and operator is Operator.EQ:
        assert isinstance(each.value, str)
        words = run_param if each.place.family == fields.PARAM else run_tag
        equal = and_(words.c.head == each.value[:HEAD_CHARS], _plain(words.c.value == each.value, dialect))
        return select(words.c.run_id).where(here, words.c.key == key, equal)
    if key == "run_id" and operator in (Operator.EQ, Operator.IN):
        return select(run.c.id).where(_plain(here, dialect), compared_text(run.c.run, each, dialect))
    return None


def _compared(column: ColumnElement[Any], each: Comparison, dialect: Dialect) -> Condition:
    if isinstance(each.value, float):
        return compared_number(column, each)
    if column is experiment.c.number:
        assert isinstance(each.value, tuple)
        numbers = [int(word) for word in each.value if word.isdigit() and len(word) < 19]
        return column.in_(numbers) if each.operator is Operator.IN else column.not_in(numbers)
    return compared_text(column, each, dialect)


def compared_number(column: ColumnElement[Any], each: Comparison) -> Condition:
    value = each.value
    assert isinstance(value, float)
    if value != value:
        return false()
    whole = is_finite(value) and value.is_integer() and abs(value) < 2**62
    number: float = int(value) if whole and not isinstance(column.type, _DOUBLE) else value
    return compares(column, each.operator, number)


def compared_text(column: ColumnElement[Any], each: Comparison, dialect: Dialect) -> Condition:
    value = each.value
    if isinstance(value, tuple):
        return column.in_(value) if each.operator is Operator.IN else column.not_in(value)
    assert isinstance(value, str)
    match each.operator:
        case Operator.EQ:
            return column == value
        case Operator.NE:
            return column != value
        case Operator.ILIKE:
            return column.ilike(value.replace("\\", "\\\\"), escape="\\")
    if dialect.name == "sqlite":  # Its LIKE knows no case; its GLOB does, with other signs.
        signs = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
        return column.op("GLOB", is_comparison=True)("".join(signs.get(letter, letter) for letter in value))
    return column.like(value.replace("\\", "\\\\"), escape="\\")


_DOUBLE: Final = type(run_metric.c.value.type)
_CREATED: Final = Place(ATTRIBUTE, "creation_time")
