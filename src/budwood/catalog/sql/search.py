"""Search: a Query becomes SQL that reads no more of the catalog than a page needs.

Namespaces are searched one by one, each along indexes of its own, and their pages merged: what one tenant sees never
costs what all the others have. In a namespace a page is found in two steps. First, is one of the terms that must all
hold rare? Every such term with an index is asked for at most ``_RARE`` of its versions; if it has fewer, the page is
chosen among those and sorted. If all are common, versions are walked in the wanted order along an index (led by an
equal tag, parameter, stage and so on, where that index is ordered the same way) and each is tested until the page is
full: with common terms that is soon. Either way page 50 costs what page 1 costs, since a page begins at a place in
the order, not at a count.

The plan is ours, not the database's: it has no statistics, and its guesses differ by a factor of a thousand.
Conditions that must not choose an index are therefore wrapped by ``opaque``.

A comparison with a tag, metric, parameter or alias that a version does not have is false, also with ``!=``;
``not (…)`` is true then. Ordered by one, versions without it come last, by id. In LIKE, a backslash before
``%`` or ``_`` makes it an ordinary character.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal, not_, null, or_, select, true, tuple_

from budwood.catalog.people_api import Reach
from budwood.catalog.sql.cursor import Place, read_cursor, write_cursor
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import Compiled, Row, Session, compile_for, opaque
from budwood.catalog.sql.tables import version
from budwood.catalog.sql.terms import FACTS, HERE, Ordering, compared_number, ordering_of, term_of
from budwood.domain.query import And, Compare, Filter, Not, Operator, Or, Query
from budwood.errors import BadFilter

_RARE: Final = 2_000
_LEADS: Final = frozenset({"stage", "kind", "author", "commit"})
_is_here: Final = version.c.namespace_id == HERE


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
        asked = _Asked(session, query, place, limit + 1)
        rooms = ids_within(session, _narrowed(reach, asked.terms))
        rows = _merged(query, [asked.rows_in(room) for room in rooms])
    except (OverflowError, UnicodeError) as error:
        raise BadFilter(f"A value of this search cannot be compared: {error}.") from error
    more = len(rows) > limit
    rows = rows[:limit]
    last = write_cursor(query, Place(rows[-1][1], rows[-1][0])) if more else ""
    return Found(tuple(row[0] for row in rows), last)


def ids_within(session: Session, reach: Reach) -> list[int]:
    """The ids of the namespaces that there are."""
    rooms = select(namespace.c.id).order_by(namespace.c.id)
    if reach is not None:
        rooms = rooms.where(namespace.c.name.in_(sorted(reach)))
    return [row[0] for row in session.run(compile_for(session.dialect, rooms))]


def _narrowed(reach: Reach, terms: Iterable[Compare]) -> Reach:
    """Without the namespaces that the query itself rules out."""
    for term in terms:
        if term.field.family == "namespace" and term.operator in (Operator.EQ, Operator.IN):
            values = term.value if isinstance(term.value, tuple) else (term.value,)
            named = frozenset(str(value) for value in values)
            reach = named if reach is None else reach & named
    return reach


def _merged(query: Query, pages: Sequence[Sequence[Row]]) -> Sequence[Row]:
    """Rows of several namespaces as one page: by value, those without one last, then by id."""
    if len(pages) == 1:
        return pages[0]
    rows = (row for page in pages for row in page)
    if query.order.descending:
        return sorted(rows, key=lambda row: (row[1] is not None, row[1], row[0]), reverse=True)
    return sorted(rows, key=lambda row: (row[1] is None, row[1], row[0]))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Rows to walk (id, order value), joined to their version; ``among`` is where those without the value are."""

    rows: "Select[*tuple[Any, ...]]"
    ids: ColumnElement[Any]
    value: ColumnElement[Any]
    among: ColumnElement[bool]


class _Asked:
    """One search for a page; its statements are built once for all the namespaces it looks into."""

    def __init__(self, session: Session, query: Query, place: Place | None, limit: int) -> None:
        self.terms = _terms(query.filter)
        self._session = session
        self._query = query
        self._place = place
        self._limit = limit
        self._ordering = ordering_of(query.order.field)
        self._condition = opaque(_condition(query.filter))
        self._compiled: dict[str, Compiled] = {}

    def rows_in(self, room: int) -> list[Row]:
        """(id, order value) of the matches of one namespace behind the place, as many as a page can hold."""
        ordering, place = self._ordering, self._place
        which, walk = self._walk(room)
        rows: list[Row] = []
        if place is None or place.value is not None:
            rows = self._run(room, f"walk {which}", lambda: self._walked(walk))
        # A version without the value is last; a term about the same value already excludes it.
        excluded = any(term.field == self._query.order.field for term in self.terms)
        if len(rows) < self._limit and ordering.lacks is not None and not excluded:
            rows += self._run(room, f"lacking {which}", lambda: self._lacking(walk))
        return rows[: self._limit]

    def _walk(self, room: int) -> tuple[str, _Walk]:
        """Among the versions of a rare term where there is one; else along an index, led by one of the terms."""
        by_time = self._query.order.field.family == "created"
        lead = next((term for term in self.terms if by_time and _can_lead(term)), None)
        bounds = [term for term in self.terms if term.field == self._query.order.field]
        for number, term in enumerate(self.terms):
            ids = term_of(term).ids
            if term != lead and term not in bounds and ids is not None and self._is_rare(room, number, ids):
                return f"among {number}", _among(self._ordering, version.c.id.in_(ids))
        if by_time:
            return "along time", _along_time(lead, bounds)
        if self._query.order.field.family in FACTS:
            return "along fact", _along_fact(self._query, bounds)
        return "all", _among(self._ordering, _is_here)

    def _is_rare(self, room: int, number: int, ids: Select[Any]) -> bool:
        counted = select(func.count()).select_from(ids.limit(_RARE).subquery())
        return bool(self._run(room, f"rare {number}", lambda: counted)[0][0] < _RARE)

    def _walked(self, walk: _Walk) -> Select[Any]:
        statement, place, down = walk.rows.where(self._condition), self._place, self._query.order.descending
        if place is not None:
            here, there = tuple_(walk.value, walk.ids), tuple_(literal(place.value), literal(place.version_id))
            statement = statement.where(here < there if down else here > there)
        if down:
            return statement.order_by(walk.value.desc(), walk.ids.desc()).limit(self._limit)
        return statement.order_by(walk.value, walk.ids).limit(self._limit)

    def _lacking(self, walk: _Walk) -> Select[Any]:
        place, down = self._place, self._query.order.descending
        assert self._ordering.lacks is not None
        statement = select(version.c.id, null()).where(walk.among, self._ordering.lacks, self._condition)
        if place is not None and place.value is None:
            behind = version.c.id < place.version_id if down else version.c.id > place.version_id
            statement = statement.where(behind)
        return statement.order_by(version.c.id.desc() if down else version.c.id).limit(self._limit)

    def _run(self, room: int, name: str, build: Callable[[], Select[Any]]) -> list[Row]:
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compiled[name] = compile_for(self._session.dialect, build())
        return self._session.run(compiled.at(**{HERE.key: room}))


def _can_lead(term: Compare) -> bool:
    """Whether an index has the versions equal in this by time."""
    fact = FACTS.get(term.field.family)
    return term.operator is Operator.EQ and (term.field.family in _LEADS or bool(fact and fact.created_ms is not None))


def _among(ordering: Ordering, among: ColumnElement[bool]) -> _Walk:
    rows = select(version.c.id, ordering.value).where(among)
    if ordering.lacks is not None:
        rows = rows.where(~opaque(ordering.lacks))
    return _Walk(rows, version.c.id, ordering.value, among)


def _along_time(lead: Compare | None, bounds: Sequence[Compare]) -> _Walk:
    fact = FACTS.get(lead.field.family) if lead else None
    if lead is None or fact is None or fact.created_ms is None:
        ids: ColumnElement[Any] = version.c.id
        value: ColumnElement[Any] = version.c.created_ms
        # The index of commits is over all namespaces.
        is_here = opaque(_is_here) if lead and lead.field.family == "commit" else _is_here
        rows = select(ids, value).where(is_here, term_of(lead).holds if lead else true())
    else:
        ids, value = fact.version_id, fact.created_ms
        rows = select(ids, value).join_from(fact.table, version, version.c.id == ids)
        rows = rows.where(fact.here(lead.field.key, fact.compared(lead)))
    return _Walk(rows.where(*(compared_number(value, term) for term in bounds)), ids, value, _is_here)


def _along_fact(query: Query, bounds: Sequence[Compare]) -> _Walk:
    fact = FACTS[query.order.field.family]
    rows = (
        select(fact.version_id, fact.value)
        .join_from(fact.table, version, version.c.id == fact.version_id)
        .where(fact.here(query.order.field.key, *(fact.compared(term) for term in bounds)))
    )
    return _Walk(rows, fact.version_id, fact.value, _is_here)


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
