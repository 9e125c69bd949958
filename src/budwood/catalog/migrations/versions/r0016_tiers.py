"""Hot, warm and cold: where blocks lie, and policies that say so."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _tiering()
    _of_version("tier_state", sa.Column("tier", TEXT, nullable=False), _big("at_ms"))
    _of_version("version_use", _big("times"), _big("since_ms"), _big("last_ms"))
    leans = sa.text("depth > 0")
    op.create_index(op.f("ix_block_base"), "block", ["base"], unique=False, sqlite_where=leans, postgresql_where=leans)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _tiering() -> None:
    op.create_table(
        "tiering",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        _big("number"),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        _big("at_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tiering")),
        sa.UniqueConstraint("namespace_id", "number", name=op.f("uq_tiering_namespace_id_number")),
        sqlite_autoincrement=True,
    )


def _of_version(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f(f"fk_{name}_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", name=op.f(f"pk_{name}")),
    )
