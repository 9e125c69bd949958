"""Probes, by which versions are found that a tensor may be derived from, and what derived blocks lean on."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table

from budwood.catalog.sql.tables import METADATA, Id

probe: Final = Table(
    "probe",
    METADATA,
    Column("namespace_id", Id, primary_key=True, autoincrement=False),
    Column("probe", BigInteger, primary_key=True, autoincrement=False),
    Column("version_id", Id, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # For removing a version.
    Index(None, "version_id"),
    sqlite_with_rowid=False,
)

# A difference is found by its base alone. A pair stays until its block is forgotten, so whoever looks one up
# also looks at what the block leans on now.
leaning: Final = Table(
    "leaning",
    METADATA,
    Column("base_id", LargeBinary, primary_key=True),
    Column("block_id", LargeBinary, primary_key=True),
    # For forgetting a block.
    Index(None, "block_id"),
    sqlite_with_rowid=False,
)
