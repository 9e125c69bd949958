"""Reading the ledger's tree, for every SQL database. ``view.py`` joins it with the rest."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select

from budwood.catalog.ledger_api import KeptCheckpoint, KeptLeaf, WrittenEntry, WrittenOpening
from budwood.catalog.sql.gate_view import GateReads
from budwood.catalog.sql.ledger_tables import ledger_checkpoint, ledger_leaf, ledger_opening, ledger_tile
from budwood.catalog.sql.session import Row, Statement
from budwood.catalog.sql.tables import ledger
from budwood.domain import canon
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.tree.bundle import KeptOpening
from budwood.domain.tree.leaf import Opening
from budwood.errors import CatalogDamaged

_LEAF_COUNT: Final = Statement(select(func.coalesce(func.max(ledger_leaf.c.sequence), 0)))
_LEAVES: Final = Statement(
    select(ledger_leaf.c.sequence, ledger_leaf.c.leaf)
    .where(ledger_leaf.c.sequence > bindparam("after"))
    .order_by(ledger_leaf.c.sequence)
    .limit(bindparam("limit"))
)
_openings = (
    select(*ledger_opening.c)
    .where(ledger_opening.c.sequence > bindparam("after"))
    .order_by(ledger_opening.c.sequence, ledger_opening.c.field)
)
_OPENINGS: Final = Statement(_openings.where(ledger_opening.c.sequence <= bindparam("through")))
_OPENINGS_WITH: Final = Statement(
    _openings.where(ledger_opening.c.value.contains(bindparam("text"), autoescape=False)).limit(bindparam("limit"))
)
_WRITTEN: Final = Statement(
    select(
        ledger.c.sequence,
        ledger.c.at_ms,
        ledger.c.actor,
        ledger.c.action,
        ledger.c.subject,
        ledger.c.namespace,
        ledger.c.body,
        ledger_leaf.c.leaf,
    )
    .join_from(ledger, ledger_leaf, ledger_leaf.c.sequence == ledger.c.sequence)
    .where(ledger.c.sequence > bindparam("after"))
    .order_by(ledger.c.sequence)
    .limit(bindparam("limit"))
)
_TILE: Final = Statement(
    select(ledger_tile.c.body).where(
        ledger_tile.c.level == bindparam("of_level"), ledger_tile.c.index == bindparam("of_index")
    )
)
_NEWEST: Final = Statement(
    select(*ledger_checkpoint.c).order_by(ledger_checkpoint.c.size.desc()).limit(bindparam("limit"))
)
_CHECKPOINTS: Final = Statement(
    select(*ledger_checkpoint.c)
    .where(ledger_checkpoint.c.size > bindparam("after"))
    .order_by(ledger_checkpoint.c.size)
    .limit(bindparam("limit"))
)


class LedgerReads(GateReads):
    """``catalog.ledger_api.LedgerView`` over one session."""

    __slots__ = ()

    def leaf_count(self) -> int:
        count: int = self._session.all(_LEAF_COUNT)[0][0]
        return count

    def leaves(self, *, after: int = 0, limit: int = 1000) -> Sequence[KeptLeaf]:
        rows = self._session.all(_LEAVES, after=after, limit=min(limit, PAGE_ROWS))
        return [KeptLeaf(sequence, bytes(leaf)) for sequence, leaf in rows]

    def openings(self, *, after: int, through: int) -> Sequence[KeptOpening]:
        return [_opening(row) for row in self._session.all(_OPENINGS, after=after, through=through)]

    def written(self, *, after: int = 0, limit: int = 1000) -> Sequence[WrittenEntry]:
        rows = self._session.all(_WRITTEN, after=after, limit=min(limit, PAGE_ROWS))
        return list(map(WrittenEntry._make, rows))

    def written_openings(self, *, after: int, through: int) -> Sequence[WrittenOpening]:
        return list(map(WrittenOpening._make, self._session.all(_OPENINGS, after=after, through=through)))

    def openings_with(self, text: str, *, after: int = 0, limit: int = 1000) -> Sequence[KeptOpening]:
        rows = self._session.all(_OPENINGS_WITH, after=after, text=text, limit=min(limit, PAGE_ROWS))
        return [_opening(row) for row in rows]

    def tile(self, level: int, index: int) -> bytes:
        row = self._session.one(_TILE, of_level=level, of_index=index)
        return bytes(row[0]) if row else b""

    def checkpoint(self) -> KeptCheckpoint | None:
        row = self._session.one(_NEWEST, limit=1)
        return _checkpoint(row) if row else None

    def checkpoints(self, *, after: int = 0, limit: int = 1000) -> Sequence[KeptCheckpoint]:
        rows = self._session.all(_CHECKPOINTS, after=after, limit=min(limit, PAGE_ROWS))
        return [_checkpoint(row) for row in rows]


def _opening(row: Row) -> KeptOpening:
    sequence, field, salt, value = row
    try:
        return KeptOpening(sequence - 1, Opening(field, bytes(salt), canon.loads(value)))
    except (ValueError, RecursionError) as error:
        raise CatalogDamaged(f"What is kept of entry {sequence} of the ledger cannot be read.") from error


def _checkpoint(row: Row) -> KeptCheckpoint:
    size, note, at_ms = row
    return KeptCheckpoint(size, bytes(note), at_ms)
