"""Writing probes, and what derived blocks lean on, for every SQL database. ``transaction.py`` joins it with them."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, delete, select, update

from budwood.catalog.sql.changes import add_once
from budwood.catalog.sql.derived_tables import leaning, probe
from budwood.catalog.sql.derived_view import DerivedReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tables import block, version
from budwood.domain.limits import DERIVED_DEPTH
from budwood.domain.manifest import BlockId
from budwood.store.api import BlockRow

_ADD: Final = add_once(probe, "namespace_id", "probe", "version_id")

_SKETCH: Final = Statement(
    update(version).where(version.c.id == bindparam("version_id")).values(sketch=bindparam("new_sketch"))
)

_LEAN: Final = add_once(leaning, "base_id", "block_id")
_LEAN_NO_MORE: Final = Statement(
    delete(leaning).where(
        leaning.c.block_id == bindparam("of_id"), ~select(block.c.id).where(block.c.id == bindparam("of_id")).exists()
    )
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

    def _note_leaning(self, rows: Sequence[BlockRow]) -> None:
        pairs = sorted({(base, row.id) for row in rows if row.depth == DERIVED_DEPTH for base in row.bases})
        self._session.change_many(_LEAN, ({"base_id": base, "block_id": block_id} for base, block_id in pairs))

    def _forget_leaning(self, ids: Sequence[BlockId]) -> None:
        """Of those blocks that are not there any more."""
        self._session.change_many(_LEAN_NO_MORE, ({"of_id": block_id} for block_id in sorted(ids)))
