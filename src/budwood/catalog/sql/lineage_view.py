"""Walking lineage, for every SQL database. ``view.py`` joins it with the rest.

A walk is one recursive statement along one index, whatever the direction; a node that was reached is not gone through
again, so rings end. Many ids travel as one JSON array: a statement is prepared once, not once a number of ids.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import CTE, BigInteger, Column, Select, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

from budwood.catalog.people_api import Reach
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.lineage_tables import edge, outside
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.search import ids_within
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tables import model, pointer, version
from budwood.domain.names import Kind, Stage
from budwood.domain.trace import Edge, Named, NamedKind, TracedVersion


def _many(dialect: Dialect, name: str) -> "Select[tuple[int]]":
    """The numbers of a JSON array."""
    if dialect.name == "postgresql":
        array = func.jsonb_array_elements_text(cast(bindparam(name), JSONB)).table_valued("value")
        return select(cast(array.c.value, BigInteger))
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def _walking(
    dialect: Dialect, near: Column[int], far: Column[int], room: Column[int], *, everywhere: bool
) -> "Select[tuple[int]]":
    walk: CTE = select(bindparam("start", type_=BigInteger).label("node")).cte("walk", recursive=True)
    step = select(far).join_from(walk, edge, near == walk.c.node)
    if not everywhere:
        step = step.where(room.in_(_many(dialect, "rooms")))
    return select(walk.union(step).c.node).limit(bindparam("limit"))


_UP: Final = (edge.c.child, edge.c.parent, edge.c.parent_room)
_DOWN: Final = (edge.c.parent, edge.c.child, edge.c.child_room)
_WALK_UP: Final = Statement(lambda dialect: _walking(dialect, *_UP, everywhere=True))
_WALK_DOWN: Final = Statement(lambda dialect: _walking(dialect, *_DOWN, everywhere=True))
_WALK_UP_NEAR: Final = Statement(lambda dialect: _walking(dialect, *_UP, everywhere=False))
_WALK_DOWN_NEAR: Final = Statement(lambda dialect: _walking(dialect, *_DOWN, everywhere=False))
_EDGES: Final = Statement(
    lambda dialect: (
        select(edge.c.child, edge.c.parent, edge.c.relation, edge.c.told_by, edge.c.told_ms)
        .where(edge.c.child.in_(_many(dialect, "ids")))
        .order_by(edge.c.child, edge.c.parent)
        .limit(bindparam("limit"))
    )
)
_TRACED: Final = Statement(
    lambda dialect: (
        select(
            version.c.id,
            model.c.namespace,
            model.c.name,
            version.c.number,
            version.c.label,
            version.c.digest,
            version.c.kind,
            version.c.stage,
            version.c.author,
            version.c.created_ms,
            version.c.retired_ms,
        )
        .join_from(version, model, version.c.model_id == model.c.id)
        .where(version.c.id.in_(_many(dialect, "ids")))
    )
)
_POINTED: Final = Statement(
    lambda dialect: (
        select(pointer.c.version_id, pointer.c.pointer)
        .where(pointer.c.version_id.in_(_many(dialect, "ids")))
        .order_by(pointer.c.version_id, pointer.c.pointer)
    )
)
_named: Final = select(
    outside.c.id, namespace.c.name, outside.c.kind, outside.c.source, outside.c.name, outside.c.run
).join_from(outside, namespace, namespace.c.id == outside.c.namespace_id)
_NAMED: Final = Statement(lambda dialect: _named.where(outside.c.id.in_(_many(dialect, "ids"))))
_NAMED_AS: Final = Statement(
    _named.where(namespace.c.name == bindparam("namespace"), outside.c.digest == bindparam("digest"))
)


class LineageReads(LedgerReads):
    """``catalog.lineage_api.LineageView`` over one session."""

    __slots__ = ()

    def walk(self, start: int, *, up: bool, limit: int, reach: Reach = None) -> Sequence[int]:
        if reach is None:
            rows = self._session.all(_WALK_UP if up else _WALK_DOWN, start=start, limit=limit)
        else:
            rooms = json.dumps(ids_within(self._session, reach))
            statement = _WALK_UP_NEAR if up else _WALK_DOWN_NEAR
            rows = self._session.all(statement, start=start, limit=limit, rooms=rooms)
        return [row[0] for row in rows]

    def edges_of(self, nodes: Sequence[int], *, limit: int) -> Sequence[Edge]:
        return [Edge(*row) for row in self._session.all(_EDGES, ids=json.dumps(list(nodes)), limit=limit)]

    def traced(self, ids: Sequence[int]) -> Mapping[int, TracedVersion]:
        return {row[0]: _traced(row) for row in self._rows_of(_TRACED, ids)}

    def pointed(self, ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
        found: dict[int, list[str]] = {}
        for version_id, pointed in self._rows_of(_POINTED, ids):
            found.setdefault(version_id, []).append(pointed)
        return found

    def named(self, ids: Sequence[int]) -> Mapping[int, Named]:
        return {-row[0]: _named_from(row) for row in self._rows_of(_NAMED, [-each for each in ids])}

    def named_as(self, namespace: str, kind: NamedKind, source: str, name: str, run: str = "") -> Named | None:
        digest = digest_of(kind, source, name, run)
        row = self._session.one(_NAMED_AS, namespace=namespace, digest=digest)
        return _named_from(row) if row else None

    def _rows_of(self, statement: Statement, ids: Sequence[int]) -> list[Row]:
        return self._session.all(statement, ids=json.dumps(list(ids))) if ids else []


def digest_of(kind: NamedKind, source: str, name: str, run: str) -> bytes:
    """What tells a thing from all others of its namespace."""
    return hashlib.sha256(json.dumps([str(kind), source, name, run]).encode()).digest()


def _traced(row: Row) -> TracedVersion:
    id_, room, name, number, label, digest, kind, stage, author, created_ms, retired_ms = row
    return TracedVersion(
        id_, room, name, number, label, digest, known(Kind, kind), known(Stage, stage), author, created_ms, retired_ms
    )


def _named_from(row: Row) -> Named:
    id_, room, kind, source, name, run = row
    return Named(-id_, room, known(NamedKind, kind), source, name, run)
