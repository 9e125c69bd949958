"""The tables of metadata standards, and of the facts versions were born with."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, SmallInteger, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, big, words

standard: Final = Table(
    "standard",
    METADATA,
    Column("id", Id, primary_key=True),
    # No key: the editions outlive the namespace, and no later one has its id.
    Column("namespace_id", Id, nullable=False),
    big("number"),
    words("digest"),
    words("body"),
    words("author"),
    big("created_ms"),
    big("removed_ms"),
    # 1 for the newest edition that was not removed.
    Column("in_force", SmallInteger, nullable=False),
    UniqueConstraint("namespace_id", "number"),
    Index(None, "namespace_id", "in_force"),
    sqlite_autoincrement=True,
)

birth: Final = Table(
    "birth",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # Names of fields, as canonical JSON: a metric may be called anything.
    words("fields"),
    words("short_of"),
    big("standard"),
)
