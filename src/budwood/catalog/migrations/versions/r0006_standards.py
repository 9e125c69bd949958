"""What a namespace asks of a version's facts, and which namespaces may descend from it.

The facts of older versions are in their manifests, which a migration does not read: setting a standard reads them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _standard()
    _birth()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _standard() -> None:
    op.create_table(
        "standard",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_big("number"),
        *_words("digest", "body", "author"),
        *_big("created_ms", "removed_ms"),
        sa.Column("in_force", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standard")),
        sa.UniqueConstraint("namespace_id", "number", name=op.f("uq_standard_namespace_id_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_standard_namespace_id_in_force"), "standard", ["namespace_id", "in_force"], unique=False)


def _birth() -> None:
    op.create_table(
        "birth",
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        *_words("fields", "short_of"),
        *_big("standard"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_birth_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_birth")),
    )
