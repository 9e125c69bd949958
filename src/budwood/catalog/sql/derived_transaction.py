"""Writing probes, for every SQL database. ``transaction.py`` joins it with the rest."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from budwood.catalog.sql.derived_tables import probe
from budwood.catalog.sql.derived_view import DerivedReads
from budwood.catalog.sql.people_tables import namespace as rooms
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tables import version
from budwood.domain.manifest import BlockId

_ROOM: Final = Statement(select(rooms.c.id).where(rooms.c.name == bindparam("name")))
_ADD: Final = Statement(insert(probe).values({column.name: bindparam(column.name) for column in probe.columns}))

_SKETCH: Final = Statement(
    update(version).where(version.c.id == bindparam("version_id")).values(sketch=bindparam("new_sketch"))
)


class DerivedWrites(DerivedReads):
    """``catalog.derived_api.DerivedTransaction`` over one session."""

    __slots__ = ()

    def add_probes(self, version_id: int, namespace: str, probes: Sequence[int]) -> None:
        if not probes:
            return
        row = self._session.one(_ROOM, name=namespace)
        assert row is not None, f"there is no namespace {namespace}"
        values = [{"namespace_id": row[0], "probe": value, "version_id": version_id} for value in dict.fromkeys(probes)]
        self._session.change_many(_ADD, values)

    def put_sketch(self, version_id: int, sketch: BlockId) -> None:
        self._session.change(_SKETCH, version_id=version_id, new_sketch=sketch)
