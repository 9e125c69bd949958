"""The table of probes: by which versions are found that a tensor may be derived from."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

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
