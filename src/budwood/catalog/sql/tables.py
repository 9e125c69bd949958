"""The catalog's tables, written once for every database; migrations build exactly these.

Three kinds of column repeat a fact of another table on purpose: ``created_ms`` in tag and param (so that "newest
with this tag" is one range of one index), ``namespace_id`` in what is searched (so that the range is one tenant's),
and ``label_key`` (the label without build metadata, which must be unique). Ids come from sequences that never give
a number twice: moves remember versions that are gone.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as AnyText

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only when the key is exactly INTEGER.
Id: Final = BigInteger().with_variant(Integer(), "sqlite")
# Ordered by code point everywhere; a PostgreSQL database may have been made with the rules of any language.
Text: Final = AnyText().with_variant(AnyText(collation="C"), "postgresql")


def words(name: str) -> Column[str]:
    """A column of text."""
    return Column(name, Text, nullable=False)


def big(name: str) -> Column[int]:
    """A column of whole numbers: times, sizes, counts."""
    return Column(name, BigInteger, nullable=False)


def blob(name: str) -> Column[bytes]:
    """A column of bytes."""
    return Column(name, LargeBinary, nullable=False)


model: Final = Table(
    "model",
    METADATA,
    Column("id", Id, primary_key=True),
    words("namespace"),
    words("name"),
    words("kind"),
    words("owner"),
    big("created_ms"),
    big("last_number"),
    UniqueConstraint("namespace", "name"),
    sqlite_autoincrement=True,
)

# A name may be used again after its model is gone, its version numbers never: what was read of name@v1 stays true.
removed_model: Final = Table(
    "removed_model",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    big("last_number"),
)

# A label is given once, whoever deletes what: it may only ever come back to the version that had it.
removed_label: Final = Table(
    "removed_label",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("label_key", Text, primary_key=True),
    big("number"),
    words("digest"),
)

version: Final = Table(
    "version",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("model_id", Id, ForeignKey("model.id"), nullable=False),
    # Whose it is, a fact of its model: it leads the indexes of search, so that a tenant's page is found among its own.
    big("namespace_id"),
    big("number"),
    words("digest"),
    words("label"),
    Column("label_key", Text),
    words("kind"),
    words("stage"),
    words("author"),
    big("created_ms"),
    big("size_bytes"),
    big("manifest_size"),
    words("structure"),
    blob("sketch"),
    words("commit_id"),
    big("retired_ms"),
    words("retired_reason"),
    # The long ones last: a row is read only as far as its last wanted column.
    blob("manifest_blocks"),
    words("message"),
    UniqueConstraint("model_id", "number"),
    UniqueConstraint("model_id", "label_key"),
    Index(None, "model_id", "commit_id"),
    Index(None, "model_id", "stage", "number"),
    Index(None, "digest"),
    Index(None, "namespace_id", "id"),
    Index(None, "namespace_id", "created_ms", "id"),
    Index(None, "namespace_id", "stage", "created_ms", "id"),
    Index(None, "namespace_id", "kind", "created_ms", "id"),
    Index(None, "namespace_id", "author", "created_ms", "id"),
    Index(None, "namespace_id", "structure", "id"),
    Index(None, "commit_id", "created_ms", "id"),
    sqlite_autoincrement=True,
)

metric: Final = Table(
    "metric",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Double, nullable=False),
    big("namespace_id"),
    Index(None, "namespace_id", "key", "value", "version_id"),
    sqlite_with_rowid=False,
)

param: Final = Table(
    "param",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    words("value"),
    big("created_ms"),
    big("namespace_id"),
    Index(None, "namespace_id", "key", "value", "created_ms", "version_id"),
    sqlite_with_rowid=False,
)

tag: Final = Table(
    "tag",
    METADATA,
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    words("value"),
    big("created_ms"),
    big("namespace_id"),
    words("author"),
    big("at_ms"),
    Index(None, "namespace_id", "key", "value", "created_ms", "version_id"),
    sqlite_with_rowid=False,
)

move: Final = Table(
    "move",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("model_id", Id, ForeignKey("model.id"), nullable=False),
    words("pointer"),
    # History outlives what it names: 0 where the pointer was taken away.
    big("version_id"),
    big("version_number"),
    big("at_ms"),
    words("author"),
    words("reason"),
    big("before_id"),
    Index(None, "model_id", "pointer", "id", "at_ms"),
    Index(None, "model_id", "id"),
    Index(None, "version_id", "id"),
    sqlite_autoincrement=True,
)

pointer: Final = Table(
    "pointer",
    METADATA,
    Column("model_id", Id, ForeignKey("model.id"), primary_key=True, autoincrement=False),
    Column("pointer", Text, primary_key=True),
    Column("move_id", Id, nullable=False),
    Column("version_id", Id, ForeignKey("version.id")),
    Index(None, "version_id", "pointer"),
    Index(None, "pointer", "version_id"),
    sqlite_with_rowid=False,
)

stage_change: Final = Table(
    "stage_change",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), nullable=False),
    big("at_ms"),
    words("stage"),
    words("author"),
    Index(None, "version_id", "id"),
)

ledger: Final = Table(
    "ledger",
    METADATA,
    Column("sequence", Id, primary_key=True, autoincrement=False),
    big("at_ms"),
    words("actor"),
    words("action"),
    words("subject"),
    # Empty for what concerns the registry as a whole.
    words("namespace"),
    words("body"),
    Index(None, "subject", "sequence"),
    Index(None, "namespace", "sequence"),
)

pack: Final = Table(
    "pack",
    METADATA,
    Column("id", Id, primary_key=True),
    words("name"),
    # Who wrote it: a tenant sees what lies in its own packs. 0 where that is not known.
    big("namespace_id"),
    UniqueConstraint("name"),
)

block: Final = Table(
    "block",
    METADATA,
    Column("id", LargeBinary, primary_key=True),
    # No foreign key: checking one makes SQLite journal each row of a bulk write by itself, 100 times as slow.
    Column("pack_id", Id, nullable=False),
    big("position"),
    big("length"),
    big("raw_length"),
    Column("encoding", SmallInteger, nullable=False),
    big("crc"),
    blob("base"),
    Column("depth", SmallInteger, nullable=False),
    Column("is_manifest", SmallInteger, nullable=False),
    # 0 while in force.
    big("condemned_ms"),
    Index(None, "pack_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    None,
    block.c.condemned_ms,
    sqlite_where=text("condemned_ms > 0"),
    postgresql_where=text("condemned_ms > 0"),
)

lease: Final = Table(
    "lease",
    METADATA,
    Column("id", Text, primary_key=True),
    words("holder"),
    words("namespace"),
    words("author"),
    big("taken_ms"),
    big("expires_ms"),
    Index(None, "expires_ms"),
    Index(None, "namespace", "expires_ms"),
)
