"""Writing lineage, for every SQL database. ``transaction.py`` joins it with the rest."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, delete, select

from budwood.catalog.api import NewVersion
from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.lineage_tables import edge, outside
from budwood.catalog.sql.lineage_view import LineageReads, digest_of
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tables import version
from budwood.domain.trace import Edge, Named, NamedKind

TRAINED_ON: Final = "trained-on"
"""What a version is to the data sets it names at its birth."""

_PUT_EDGE: Final = upsert(edge, "child", "parent")
_IS_EDGE: Final = Statement(
    select(edge.c.told_ms).where(edge.c.child == bindparam("of_child"), edge.c.parent == bindparam("of_parent"))
)
_REMOVE_EDGES: Final = Statement(delete(edge).where(edge.c.child == bindparam("of_child")))
_ADD_NAMED: Final = insert_numbered(outside)
_ROOM_OF_VERSION: Final = Statement(select(version.c.namespace_id).where(version.c.id == bindparam("of_id")))
_ROOM_OF_NAMED: Final = Statement(select(outside.c.namespace_id).where(outside.c.id == bindparam("of_id")))


class LineageWrites(LineageReads):
    """``catalog.lineage_api.LineageTransaction`` over one session."""

    __slots__ = ()

    def name_thing(self, named: Named, *, at_ms: int) -> Named:
        there = self.named_as(named.namespace, named.kind, named.source, named.name, named.run)
        if there is not None:
            return there
        room = known_room(self._session, named.namespace)
        added = self._session.add(
            _ADD_NAMED,
            namespace_id=room,
            kind=str(named.kind),
            source=named.source,
            name=named.name,
            run=named.run,
            first_ms=at_ms,
            digest=digest_of(named.kind, named.source, named.name, named.run),
        )
        return replace(named, id=-added)

    def add_edge(self, edge: Edge) -> bool:
        if self._session.one(_IS_EDGE, of_child=edge.child, of_parent=edge.parent) is not None:
            return False
        self._put_edges([edge])
        return True

    def _add_lineage(self, version_id: int, room: str, new: NewVersion) -> None:
        """What a version says at its birth of where it came from."""
        relations = dict(zip(new.parent_ids, new.relations, strict=False))
        edges = [Edge(version_id, parent, relations.get(parent, "")) for parent in dict.fromkeys(new.parent_ids)]
        for name in dict.fromkeys(new.datasets):
            named = self.name_thing(Named(0, room, NamedKind.DATASET, "", name), at_ms=new.created_ms)
            edges.append(Edge(version_id, named.id, TRAINED_ON))
        self._put_edges(edges)

    def _remove_lineage(self, version_id: int) -> None:
        self._session.change(_REMOVE_EDGES, of_child=version_id)

    def _put_edges(self, edges: Iterable[Edge]) -> None:
        rows = [
            {
                "child": each.child,
                "parent": each.parent,
                "child_room": self._room_of(each.child),
                "parent_room": self._room_of(each.parent),
                "relation": each.relation,
                "told_by": each.told_by,
                "told_ms": each.told_ms,
            }
            for each in edges
        ]
        if rows:
            self._session.change_many(_PUT_EDGE, rows)

    def _room_of(self, node: int) -> int:
        row = self._session.one(_ROOM_OF_VERSION if node > 0 else _ROOM_OF_NAMED, of_id=abs(node))
        assert row is not None, "an edge has two ends"
        room: int = row[0]
        return room
