"""Blocks that are a function of others: by which versions a copy's sources are found.

Versions pushed before have no probes; they are found as parents, and as versions of the same structure, alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "probe",
        sa.Column("namespace_id", ID, autoincrement=False, nullable=False),
        sa.Column("probe", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_probe_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("namespace_id", "probe", "version_id", name=op.f("pk_probe")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_probe_version_id"), "probe", ["version_id"], unique=False)
