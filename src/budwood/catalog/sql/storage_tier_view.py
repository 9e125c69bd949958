"""Reading about storage tiers, for every SQL database. ``view.py`` joins it with the rest."""

from typing import Final

from sqlalchemy import bindparam, select

from budwood.catalog.sql import storage_tier_tables as tables
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import Statement, known
from budwood.domain.storage_tiers.values import StorageTier, TieringRecord, TierState, VersionUse

_TIERING: Final = Statement(
    select(
        namespace.c.name,
        tables.tiering.c.number,
        tables.tiering.c.body,
        tables.tiering.c.author,
        tables.tiering.c.at_ms,
    )
    .join_from(tables.tiering, namespace, namespace.c.id == tables.tiering.c.namespace_id)
    .where(namespace.c.name == bindparam("namespace"))
    .order_by(tables.tiering.c.number.desc())
    .limit(bindparam("limit"))
)
_ANY: Final = Statement(select(tables.tiering.c.id).where(tables.tiering.c.id > bindparam("after")).limit(1))
_STATE: Final = Statement(select(*tables.tier_state.c).where(tables.tier_state.c.version_id == bindparam("version_id")))
_USE: Final = Statement(select(*tables.version_use.c).where(tables.version_use.c.version_id == bindparam("version_id")))


class StorageTierReads(LedgerReads):
    """``catalog.storage_tiers_api.StorageTiersView`` over one session, but for ``leaning_on`` (``index.py``)."""

    __slots__ = ()

    def tiering(self, namespace: str) -> TieringRecord | None:
        row = self._session.one(_TIERING, namespace=namespace, limit=1)
        return TieringRecord(*row) if row else None

    def tiering_anywhere(self) -> bool:
        return self._session.one(_ANY, after=0) is not None

    def tier_state(self, version_id: int) -> TierState | None:
        row = self._session.one(_STATE, version_id=version_id)
        return TierState(row[0], known(StorageTier, row[1]), row[2]) if row else None

    def version_use(self, version_id: int) -> VersionUse | None:
        row = self._session.one(_USE, version_id=version_id)
        return VersionUse(*row) if row else None
