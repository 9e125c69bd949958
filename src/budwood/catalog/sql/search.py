"""Search: a Query becomes SQL that reads no more of the catalog than a page needs.

A page is found in two steps. First, is one of the terms that must all hold rare? Every such term with an index is
asked for at most ``_RARE`` of its versions; if it has fewer, the page is chosen among those and sorted. If all
are common, versions are walked in the wanted order along an index (led by an equal tag, parameter, stage and so
on, where that index is ordered the same way) and each is tested until the page is full: with common terms that is
soon. Either way page 50 costs what page 1 costs, since a page begins at a place in the order, not at a count.

The plan is ours, not the database's: it has no statistics, and its guesses differ by a factor of a thousand.
Conditions that must not choose an index are therefore wrapped by ``opaque``.

A comparison with a tag, metric, parameter or alias that a version does not have is false, also with ``!=``;
``not (…)`` is true then. Ordered by one, versions without it come last, by id. In LIKE, a backslash before
``%`` or ``_`` makes it an ordinary character.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, literal, not_, null, or_, select, true, tuple_

from budwood.catalog.people_api import Reach
from budwood.catalog.sql.cursor import Place, read_cursor, write_cursor
from budwood.catalog.sql.session import Row, Session, compile_for, opaque
from budwood.catalog.sql.tables import model, version
from budwood.catalog.sql.terms import FACTS, Ordering, compared_number, ordering_of, term_of
from budwood.domain.query import And, Compare, Filter, Not, Operator, Or, Query
from budwood.errors import BadFilter

_RARE: Final = 2_000
_LEADS: Final = frozenset({"stage", "kind", "author", "commit"})


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of matching versions in order, and the cursor behind the last; empty at the end."""

    ids: tuple[int, ...]
    cursor: str


def find_ids(session: Session, query: Query, *, cursor: str, limit: int, reach: Reach = None) -> Found:
    """Raises BadFilter for values a field cannot be compared with, BadValue for a cursor that is not ours."""
    place = read_cursor(query, cursor, ordering_of(query.order.field).value_type) if cursor else None
    if limit < 1:
        return Found((), cursor)
    try:
        rows = list(_rows(session, query, place, limit + 1, reach))
    except (OverflowError, UnicodeError) as error:
        raise BadFilter(f"A value of this search cannot be compared: {error}.") from error
    more = len(rows) > limit
    rows = rows[:limit]
    last = write_cursor(query, Place(rows[-1][1], rows[-1][0])) if more else ""
    return Found(tuple(row[0] for row in rows), last)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Rows to walk (id, order value), already joined to their version; ``among`` is where to look, if not all over."""

    rows: "Select[*tuple[Any, ...]]"
    ids: ColumnElement[Any]
    value: ColumnElement[Any]
    among: ColumnElement[bool]


def _rows(session: Session, query: Query, place: Place | None, limit: int, reach: Reach) -> Iterator[Row]:
    """(id, order value) of up to ``limit`` matches behind ``place``."""
    terms = _terms(query.filter)
    ordering = ordering_of(query.order.field)
    condition = opaque(and_(_condition(query.filter), _within(reach)))
    walk = _walk(session, query, ordering, terms)
    found = 0
    if place is None or place.value is not None:
        for row in _run(session, _walked(walk, query, condition, place).limit(limit)):
            found += 1
            yield row
        place = None
    # A version without the value is last; a term about the same value already excludes it.
    excluded = any(term.field == query.order.field for term in terms)
    if found < limit and ordering.lacks is not None and not excluded:
        lacking = and_(walk.among, ordering.lacks, condition)
        yield from _run(session, _lacking(query, lacking, place).limit(limit - found))


def _walked(walk: _Walk, query: Query, condition: ColumnElement[bool], place: Place | None) -> Select[Any]:
    statement = walk.rows.where(walk.among, condition)
    if place is not None:
        here, there = tuple_(walk.value, walk.ids), tuple_(literal(place.value), literal(place.version_id))
        statement = statement.where(here < there if query.order.descending else here > there)
    if query.order.descending:
        return statement.order_by(walk.value.desc(), walk.ids.desc())
    return statement.order_by(walk.value, walk.ids)


def _lacking(query: Query, lacking: ColumnElement[bool], place: Place | None) -> Select[Any]:
    statement = select(version.c.id, null()).where(lacking)
    down = query.order.descending
    if place is not None:
        behind = version.c.id < place.version_id if down else version.c.id > place.version_id
        statement = statement.where(behind)
    return statement.order_by(version.c.id.desc() if down else version.c.id)


def _walk(session: Session, query: Query, ordering: Ordering, terms: Sequence[Compare]) -> _Walk:
    """Among the versions of a rare term where there is one; else along an index, led by one of the terms."""
    by_time = query.order.field.family == "created"
    lead = next((term for term in terms if by_time and _can_lead(term)), None)
    bounds = [term for term in terms if term.field == query.order.field]
    for term in terms:
        ids = term_of(term).ids
        if term != lead and term not in bounds and ids is not None and len(_run(session, ids.limit(_RARE))) < _RARE:
            return _among(ordering, ids)
    if by_time:
        return _along_time(lead, bounds)
    if query.order.field.family in FACTS:
        return _along_fact(query, bounds)
    return _among(ordering, None)


def _can_lead(term: Compare) -> bool:
    """Whether an index has the versions equal in this by time."""
    fact = FACTS.get(term.field.family)
    return term.operator is Operator.EQ and (term.field.family in _LEADS or bool(fact and fact.created_ms is not None))


def _among(ordering: Ordering, ids: Select[Any] | None) -> _Walk:
    rows = select(version.c.id, ordering.value)
    if ordering.lacks is not None:
        rows = rows.where(~opaque(ordering.lacks))
    return _Walk(rows, version.c.id, ordering.value, true() if ids is None else version.c.id.in_(ids))


def _along_time(lead: Compare | None, bounds: Sequence[Compare]) -> _Walk:
    fact = FACTS.get(lead.field.family) if lead else None
    if lead is None or fact is None or fact.created_ms is None:
        ids: ColumnElement[Any] = version.c.id
        value: ColumnElement[Any] = version.c.created_ms
        rows = select(ids, value).where(term_of(lead).holds if lead else true())
    else:
        ids, value = fact.version_id, fact.created_ms
        rows = select(ids, value).join_from(fact.table, version, version.c.id == ids)
        rows = rows.where(fact.key == lead.field.key, fact.compared(lead))
    return _Walk(rows.where(*(compared_number(value, term) for term in bounds)), ids, value, true())


def _along_fact(query: Query, bounds: Sequence[Compare]) -> _Walk:
    fact = FACTS[query.order.field.family]
    rows = (
        select(fact.version_id, fact.value)
        .join_from(fact.table, version, version.c.id == fact.version_id)
        .where(fact.key == query.order.field.key, *(fact.compared(term) for term in bounds))
    )
    return _Walk(rows, fact.version_id, fact.value, true())


def _terms(filter_: Filter | None) -> list[Compare]:
    """The comparisons that must all hold."""
    match filter_:
        case Compare():
            return [filter_]
        case And(parts):
            return [term for part in parts for term in _terms(part)]
    return []


def _within(reach: Reach) -> ColumnElement[bool]:
    if reach is None:
        return true()
    return version.c.model_id.in_(select(model.c.id).where(model.c.namespace.in_(sorted(reach))))


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
