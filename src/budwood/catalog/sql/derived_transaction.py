"""Writing probes, for every SQL database. ``transaction.py`` joins it with the rest."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, insert, update

from budwood.catalog.sql.derived_tables import probe
from budwood.catalog.sql.derived_view import DerivedReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tables import version
from budwood.domain.manifest import BlockId

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
        room = known_room(self._session, namespace)
        values = [{"namespace_id": room, "probe": value, "version_id": version_id} for value in dict.fromkeys(probes)]
        self._session.change_many(_ADD, values)

    def put_sketch(self, version_id: int, sketch: BlockId) -> None:
        self._session.change(_SKETCH, version_id=version_id, new_sketch=sketch)
