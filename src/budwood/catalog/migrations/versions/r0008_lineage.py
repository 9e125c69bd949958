"""Lineage that one statement walks: edges with the rooms of both ends, what has a name elsewhere, and who is told.

What older versions say of relations and data sets is in their manifests alone, which a migration does not read: the
newest of them is remembered under ``lineage-unread``, and whoever traces those versions reads there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _edge()
    _outside()
    op.execute(
        "INSERT INTO edge (child, parent, child_room, parent_room, relation, told_by, told_ms)"
        " SELECT l.child_id, l.parent_id, c.namespace_id, coalesce(p.namespace_id, 0), '', '', 0"
        " FROM lineage l JOIN version c ON c.id = l.child_id LEFT JOIN version p ON p.id = l.parent_id"
    )
    op.execute(
        "INSERT INTO meta (key, value)"
        " SELECT 'lineage-unread', CAST(max(id) AS TEXT) FROM version HAVING max(id) IS NOT NULL"
    )
    op.drop_table("lineage")
    op.add_column("webhook", sa.Column("kind", TEXT, nullable=False, server_default="ledger"))


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _edge() -> None:
    op.create_table(
        "edge",
        sa.Column("child", ID, autoincrement=False, nullable=False),
        sa.Column("parent", ID, autoincrement=False, nullable=False),
        _big("child_room"),
        _big("parent_room"),
        *_words("relation", "told_by"),
        _big("told_ms"),
        sa.PrimaryKeyConstraint("child", "parent", name=op.f("pk_edge")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_edge_parent_child_child_room"), "edge", ["parent", "child", "child_room"], unique=False)


def _outside() -> None:
    op.create_table(
        "outside",
        sa.Column("id", ID, nullable=False),
        _big("namespace_id"),
        *_words("kind", "source", "name", "run"),
        _big("first_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("namespace_id", "digest", name=op.f("uq_outside_namespace_id_digest")),
        sqlite_autoincrement=True,
    )
