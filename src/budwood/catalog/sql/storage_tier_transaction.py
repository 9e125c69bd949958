"""Changing storage tiers, for every SQL database. ``transaction.py`` joins it with the rest."""

from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, func, select

from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.storage_tier_tables import tier_state, tiering, version_use
from budwood.catalog.sql.storage_tier_view import StorageTierReads
from budwood.domain.storage_tiers.values import TieringRecord, TierState

_LAST_NUMBER: Final = Statement(
    select(func.coalesce(func.max(tiering.c.number), 0)).where(tiering.c.namespace_id == bindparam("room"))
)
_ADD_TIERING: Final = insert_numbered(tiering)
_PUT_STATE: Final = upsert(tier_state, "version_id")
_PUT_USE: Final = upsert(version_use, "version_id")


class StorageTierWrites(StorageTierReads):
    """``catalog.storage_tiers_api.StorageTiersTransaction`` over one session."""

    __slots__ = ()

    def add_tiering(self, tiering: TieringRecord) -> TieringRecord:
        room = known_room(self._session, tiering.namespace)
        numbered = replace(tiering, number=self._session.all(_LAST_NUMBER, room=room)[0][0] + 1)
        self._session.add(
            _ADD_TIERING,
            namespace_id=room,
            number=numbered.number,
            body=numbered.text,
            author=numbered.author,
            at_ms=numbered.at_ms,
        )
        return numbered

    def put_tier_state(self, state: TierState) -> None:
        self._session.change(_PUT_STATE, version_id=state.version_id, tier=str(state.tier), at_ms=state.at_ms)

    def note_use(self, version_id: int, *, at_ms: int) -> None:
        before = self.version_use(version_id)
        times, since_ms = (before.times, before.since_ms) if before else (0, at_ms)
        self._session.change(_PUT_USE, version_id=version_id, times=times + 1, since_ms=since_ms, last_ms=at_ms)
