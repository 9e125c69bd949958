"""Search: a Query becomes SQL that reads no more of the catalog than a page needs.

A page is found in two steps. First, is one of the terms that must all hold rare? Every term that has an index is
asked for at most ``_RARE`` of its versions; if it has fewer, the page is chosen among those and sorted. If all
are common, the versions are walked in the wanted order, along an index, and each is tested, until the page is
full: with common terms that is soon. Either way page 50 costs what page 1 costs, since a page begins at a place
in the order and not at a count of rows.

A comparison with a tag, metric, parameter or alias that a version does not have is false, also with ``!=``;
``not (…)`` is true then. Ordered by one, versions without it come last, by id. In LIKE, a backslash before
``%`` or ``_`` makes it an ordinary character.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, literal, not_, null, or_, select, true, tuple_

from budwood.catalog.sql.cursor import Place, read_cursor, write_cursor
from budwood.catalog.sql.session import Row, Session, compile_for
from budwood.catalog.sql.tables import version
from budwood.catalog.sql.terms import FACTS, ordering_of, term_of
from budwood.domain.query import And, Compare, Filter, Not, Operator, Or, Query
from budwood.errors import BadFilter

_RARE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of matching versions in order, and the cursor behind the last; empty at the end."""

    ids: tuple[int, ...]
    cursor: str


def find_ids(session: Session, query: Query, *, cursor: str, limit: int) -> Found:
    """Raises BadFilter for values a field cannot be compared with, BadValue for a cursor that is not ours."""
    walk = _walk_of(query)
    place = read_cursor(query, cursor, walk.value_type) if cursor else None
    if limit < 1:
        return Found((), cursor)
    try:
        rows = list(_rows(session, query, walk, place, limit + 1))
    except (OverflowError, UnicodeError) as error:
        raise BadFilter(f"A value of this search cannot be compared: {error}.") from error
    more = len(rows) > limit
    rows = rows[:limit]
    last = write_cursor(query, Place(rows[-1][1], rows[-1][0])) if more else ""
    return Found(tuple(row[0] for row in rows), last)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One order: the rows to walk, by which value, and which versions come after all of them."""

    ids: ColumnElement[int]
    value: ColumnElement[Any]
    joined: "Select[*tuple[Any, ...]]"
    descending: bool
    value_type: type
    lacking: ColumnElement[bool] | None = None


def _rows(session: Session, query: Query, walk: _Walk, place: Place | None, limit: int) -> Iterator[Row]:
    """(id, order value) of up to ``limit`` matches behind ``place``."""
    terms = _terms(query.filter)
    condition = _narrowed(session, query.filter, terms)
    found = 0
    if place is None or place.value is not None:
        for row in _run(session, _walked(walk, condition, place, limit)):
            found += 1
            yield row
        place = None
    # A version without the value is last; a term about the same value already excludes it.
    excluded = any(term.field == query.order.field for term in terms)
    if found < limit and walk.lacking is not None and not excluded:
        yield from _run(session, _lacking(walk, walk.lacking, condition, place, limit - found))


def _walked(walk: _Walk, condition: ColumnElement[bool], place: Place | None, limit: int) -> Select[Any]:
    statement = walk.joined.where(condition)
    if place is not None:
        here, there = tuple_(walk.value, walk.ids), tuple_(literal(place.value), literal(place.version_id))
        statement = statement.where(here < there if walk.descending else here > there)
    order = (walk.value.desc(), walk.ids.desc()) if walk.descending else (walk.value, walk.ids)
    return statement.order_by(*order).limit(limit)


def _lacking(
    walk: _Walk, lacking: ColumnElement[bool], condition: ColumnElement[bool], place: Place | None, limit: int
) -> Select[Any]:
    statement = select(version.c.id, null()).where(lacking, condition)
    if place is not None:
        behind = version.c.id < place.version_id if walk.descending else version.c.id > place.version_id
        statement = statement.where(behind)
    return statement.order_by(version.c.id.desc() if walk.descending else version.c.id).limit(limit)


def _walk_of(query: Query) -> _Walk:
    """The order, walked along the narrowest index there is for it."""
    field, descending = query.order.field, query.order.descending
    if field.family == "created":
        return _by_time(query)
    if field.family in FACTS:
        fact = FACTS[field.family]
        joined = (
            select(fact.version_id, fact.value)
            .join_from(fact.table, version, version.c.id == fact.version_id)
            .where(fact.key == field.key)
        )
        lacks = ~fact.of_version(field.key, true())
        kind = float if field.family == "metrics" else str
        return _Walk(fact.version_id, fact.value, joined, descending, kind, lacks)
    order = ordering_of(field)
    joined = select(version.c.id, order.value)
    if order.lacks is not None:
        joined = joined.where(~order.lacks)
    return _Walk(version.c.id, order.value, joined, descending, order.value_type, order.lacks)


def _by_time(query: Query) -> _Walk:
    """By creation: along the tag or parameter that must be equal, where there is one, since those keep the time."""
    for term in _terms(query.filter):
        fact = FACTS.get(term.field.family)
        if fact is not None and fact.created_ms is not None and term.operator is Operator.EQ:
            joined = (
                select(fact.version_id, fact.created_ms)
                .join_from(fact.table, version, version.c.id == fact.version_id)
                .where(fact.key == term.field.key, fact.value == str(term.value))
            )
            return _Walk(fact.version_id, fact.created_ms, joined, query.order.descending, int)
    joined = select(version.c.id, version.c.created_ms)
    return _Walk(version.c.id, version.c.created_ms, joined, query.order.descending, int)


def _narrowed(session: Session, filter_: Filter | None, terms: Sequence[Compare]) -> ColumnElement[bool]:
    """The whole filter as a condition; led by the ids of a rare term where there is one."""
    condition = _condition(filter_)
    for ids in (term_of(term).ids for term in terms):
        if ids is None:
            continue
        if len(_run(session, ids.limit(_RARE))) < _RARE:
            return and_(version.c.id.in_(ids), condition)
    return condition


def _terms(filter_: Filter | None) -> list[Compare]:
    """The comparisons that must all hold."""
    match filter_:
        case Compare():
            return [filter_]
        case And(parts):
            return [term for part in parts for term in _terms(part)]
    return []


def _condition(filter_: Filter | None) -> ColumnElement[bool]:
    match filter_:
        case None:
            return true()
        case Compare():
            return term_of(filter_).holds
        case And(parts):
            return and_(true(), *(_condition(part) for part in parts))
        case Or(parts):
            return or_(*(_condition(part) for part in parts))
        case Not(part):
            return not_(_condition(part))


def _run(session: Session, statement: Select[Any]) -> list[Row]:
    return session.run(compile_for(session.dialect, statement))
