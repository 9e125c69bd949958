"""The tables of retention: rules, classes, versions whose bytes went, holds and the versions they name.

Rules and holds outlive what they are about: no key binds them to a namespace, a model or a version.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, big, words

retention_rules: Final = Table(
    "retention_rules",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    big("number"),
    words("body"),
    words("author"),
    big("at_ms"),
    words("reason"),
    UniqueConstraint("namespace_id", "number"),
    sqlite_autoincrement=True,
)

# version_id is 0 for what is said of the model itself.
retention_class: Final = Table(
    "retention_class",
    METADATA,
    Column("model_id", Id, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("version_id", Id, primary_key=True, autoincrement=False),
    words("name"),
    words("author"),
    big("at_ms"),
    words("reason"),
    sqlite_with_rowid=False,
)

# Beside the version and not in it: few versions have one, and every read of a version looks here by key.
gone: Final = Table(
    "gone",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    big("at_ms"),
    # Canonical JSON of the whole record.
    words("body"),
)

hold: Final = Table(
    "hold",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("scope"),
    words("subject"),
    words("reason"),
    words("reference"),
    words("author"),
    big("placed_ms"),
    # Of a hold on a model; 0 for others.
    big("model_id"),
    # How many it names one by one.
    big("versions"),
    big("lifted_ms"),
    words("lifted_by"),
    words("lifted_reason"),
    Index(None, "namespace_id", "id"),
    Index(None, "namespace_id", "lifted_ms", "id"),
    Index(None, "lifted_ms", "id"),
    sqlite_autoincrement=True,
)

held: Final = Table(
    "held",
    METADATA,
    Column("hold_id", Id, ForeignKey("hold.id"), primary_key=True, autoincrement=False),
    Column("version_id", Id, primary_key=True, autoincrement=False),
    Index(None, "version_id", "hold_id"),
    sqlite_with_rowid=False,
)
