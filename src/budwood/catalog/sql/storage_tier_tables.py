"""The tables of storage tiers: policies, where versions lie, how often they are pulled; and who leans on a block.

Policies outlive their namespace, as its rules of retention do: no key binds them to it.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, text

from budwood.catalog.sql.tables import METADATA, Id, big, block, words

tiering: Final = Table(
    "tiering",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    big("number"),
    words("body"),
    words("author"),
    big("at_ms"),
    UniqueConstraint("namespace_id", "number"),
    sqlite_autoincrement=True,
)

tier_state: Final = Table(
    "tier_state",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    words("tier"),
    big("at_ms"),
)

version_use: Final = Table(
    "version_use",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    big("times"),
    big("since_ms"),
    big("last_ms"),
)

# A block may be written anew only as long as whoever leans on it lies deeper, and none may go that another leans on.
# What is derived (of depth 3) leans on several: ``derived_tables.py`` has a row for each of them.
Index(
    None,
    block.c.base,
    sqlite_where=text("depth > 0 AND depth <> 3"),
    postgresql_where=text("depth > 0 AND depth <> 3"),
)
