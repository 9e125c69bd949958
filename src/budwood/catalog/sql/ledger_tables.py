"""The tables of the ledger's tree. No key binds them to the entries: a check must find what was removed."""

from typing import Final

from sqlalchemy import Column, SmallInteger, Table

from budwood.catalog.sql.tables import METADATA, Id, big, blob, words

ledger_leaf: Final = Table(
    "ledger_leaf",
    METADATA,
    Column("sequence", Id, primary_key=True, autoincrement=False),
    blob("leaf"),
)

ledger_opening: Final = Table(
    "ledger_opening",
    METADATA,
    Column("sequence", Id, primary_key=True, autoincrement=False),
    Column("field", words("field").type, primary_key=True),
    blob("salt"),
    # Canonical JSON: the very bytes that were hashed behind the salt.
    words("value"),
    sqlite_with_rowid=False,
)

ledger_tile: Final = Table(
    "ledger_tile",
    METADATA,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("index", Id, primary_key=True, autoincrement=False),
    blob("body"),
)

ledger_checkpoint: Final = Table(
    "ledger_checkpoint",
    METADATA,
    Column("size", Id, primary_key=True, autoincrement=False),
    blob("note"),
    big("at_ms"),
)
