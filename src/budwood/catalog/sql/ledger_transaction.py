"""Writing the ledger's tree, for every SQL database. ``transaction.py`` joins it with the rest."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import bindparam, delete, update

from budwood.catalog.ledger_api import KeptCheckpoint
from budwood.catalog.sql.changes import insert_row, upsert
from budwood.catalog.sql.ledger_tables import ledger_checkpoint, ledger_leaf, ledger_opening, ledger_tile
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.session import Session, Statement
from budwood.catalog.sql.tables import ledger
from budwood.domain import canon
from budwood.domain.limits import LEAF_BYTES
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.bundle import KeptOpening
from budwood.domain.tree.leaf import SALT_BYTES, Sealed, seal
from budwood.errors import LimitExceeded

Salts = Callable[[], bytes]
FRESH: Final[Salts] = partial(os.urandom, SALT_BYTES)
"""The salts of a catalog that is given no source of its own."""

_ADD_LEAF: Final = insert_row(ledger_leaf)
_ADD_OPENING: Final = insert_row(ledger_opening)
_PUT_TILE: Final = upsert(ledger_tile, "level", "index")
_ADD_CHECKPOINT: Final = insert_row(ledger_checkpoint)
_CHANGE_CHECKPOINT: Final = Statement(
    update(ledger_checkpoint).where(ledger_checkpoint.c.size == bindparam("of_size")).values(note=bindparam("to_note"))
)
_FORGET_CHECKPOINT: Final = Statement(delete(ledger_checkpoint).where(ledger_checkpoint.c.size == bindparam("of_size")))
_FORGET_OPENING: Final = Statement(
    delete(ledger_opening).where(
        ledger_opening.c.sequence == bindparam("of_sequence"), ledger_opening.c.field == bindparam("of_field")
    )
)
_BLANK_ENTRY: Final = Statement(
    update(ledger)
    .where(ledger.c.sequence == bindparam("of_sequence"))
    .values(actor=bindparam("to_actor"), subject=bindparam("to_subject"), body=bindparam("to_body"))
)


class LedgerWrites(LedgerReads):
    """``catalog.ledger_api.LedgerTransaction`` over one session."""

    __slots__ = ()

    def put_tile(self, level: int, index: int, body: bytes) -> None:
        self._session.change(_PUT_TILE, level=level, index=index, body=body)

    def add_checkpoint(self, checkpoint: KeptCheckpoint) -> None:
        self._session.change(_ADD_CHECKPOINT, size=checkpoint.size, note=checkpoint.note, at_ms=checkpoint.at_ms)

    def change_checkpoint(self, checkpoint: KeptCheckpoint) -> bool:
        return self._session.change(_CHANGE_CHECKPOINT, of_size=checkpoint.size, to_note=checkpoint.note) > 0

    def forget_checkpoints(self, sizes: Sequence[int]) -> None:
        self._session.change_many(_FORGET_CHECKPOINT, ({"of_size": size} for size in sizes))

    def forget_openings(self, openings: Sequence[KeptOpening]) -> None:
        rows = ({"of_sequence": each.index + 1, "of_field": each.opening.field} for each in openings)
        self._session.change_many(_FORGET_OPENING, rows)

    def blank_entry(self, entry: LedgerEntry) -> None:
        self._session.change(
            _BLANK_ENTRY,
            of_sequence=entry.sequence,
            to_actor=entry.actor,
            to_subject=entry.subject,
            to_body=canon.dumps(canon.pack(entry.body)).decode(),
        )


def sealed(entry: LedgerEntry, salts: Salts) -> Sealed:
    """Raises LimitExceeded for an entry that no leaf can hold."""
    try:
        return seal(entry, salts)
    except ValueError as error:
        message = f"An entry of the ledger has at most {LEAF_BYTES} bytes."
        raise LimitExceeded(message, limit="LEAF_BYTES") from error


def keep(session: Session, sequence: int, one: Sealed) -> None:
    """Write an entry's leaf, and what opens it."""
    session.change_soon(_ADD_LEAF, sequence=sequence, leaf=one.leaf)
    for opening in one.openings:
        value = canon.dumps(opening.value).decode()
        session.change_soon(_ADD_OPENING, sequence=sequence, field=opening.field, salt=opening.salt, value=value)
