"""The first schema: models, versions and what stands beside them, moves, the ledger, the block index, leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _lease()
    _ledger()
    _model()
    _pack()
    _block()
    _move()
    _version()
    _lineage()
    _metric()
    _param()
    _pointer()
    _stage_change()
    _tag()


def _lease() -> None:
    op.create_table(
        "lease",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("namespace", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_expires_ms"), "lease", ["expires_ms"], unique=False)
    op.create_index(op.f("ix_lease_namespace_expires_ms"), "lease", ["namespace", "expires_ms"], unique=False)


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("sequence", ID, autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("namespace", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_subject_sequence"), "ledger", ["subject", "sequence"], unique=False)
    op.create_index(op.f("ix_ledger_namespace_sequence"), "ledger", ["namespace", "sequence"], unique=False)


def _model() -> None:
    op.create_table(
        "model",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_model_namespace_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "removed_model",
        sa.Column("namespace", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", name=op.f("pk_removed_model")),
    )
    op.create_table(
        "removed_label",
        sa.Column("namespace", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("label_key", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name", "label_key", name=op.f("pk_removed_label")),
    )


def _pack() -> None:
    op.create_table(
        "pack",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("namespace_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack")),
        sa.UniqueConstraint("name", name=op.f("uq_pack_name")),
    )


def _block() -> None:
    op.create_table(
        "block",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("pack_id", ID, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("raw_length", sa.BigInteger(), nullable=False),
        sa.Column("encoding", sa.SmallInteger(), nullable=False),
        sa.Column("crc", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.LargeBinary(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("is_manifest", sa.SmallInteger(), nullable=False),
        sa.Column("condemned_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_block")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_block_condemned_ms"),
        "block",
        ["condemned_ms"],
        unique=False,
        sqlite_where=sa.text("condemned_ms > 0"),
        postgresql_where=sa.text("condemned_ms > 0"),
    )
    op.create_index(op.f("ix_block_pack_id_id"), "block", ["pack_id", "id"], unique=False)


def _move() -> None:
    op.create_table(
        "move",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", ID, nullable=False),
        sa.Column("pointer", TEXT, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("version_number", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("before_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_move_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_move")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_move_model_id_id"), "move", ["model_id", "id"], unique=False)
    op.create_index(
        op.f("ix_move_model_id_pointer_id_at_ms"), "move", ["model_id", "pointer", "id", "at_ms"], unique=False
    )


def _version() -> None:
    op.create_table(
        "version",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", ID, nullable=False),
        sa.Column("namespace_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("label_key", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("manifest_size", sa.BigInteger(), nullable=False),
        sa.Column("structure", TEXT, nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("commit_id", TEXT, nullable=False),
        sa.Column("retired_ms", sa.BigInteger(), nullable=False),
        sa.Column("retired_reason", TEXT, nullable=False),
        sa.Column("manifest_blocks", sa.LargeBinary(), nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_version_model_id_number")),
        sa.UniqueConstraint("model_id", "label_key", name=op.f("uq_version_model_id_label_key")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_version_model_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_version_namespace_id_author_created_ms_id"),
        "version",
        ["namespace_id", "author", "created_ms", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_version_commit_id_created_ms_id"), "version", ["commit_id", "created_ms", "id"], unique=False
    )
    op.create_index(
        op.f("ix_version_namespace_id_created_ms_id"), "version", ["namespace_id", "created_ms", "id"], unique=False
    )
    op.create_index(op.f("ix_version_namespace_id_id"), "version", ["namespace_id", "id"], unique=False)
    op.create_index(op.f("ix_version_digest"), "version", ["digest"], unique=False)
    op.create_index(
        op.f("ix_version_namespace_id_kind_created_ms_id"),
        "version",
        ["namespace_id", "kind", "created_ms", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_version_model_id_commit_id"), "version", ["model_id", "commit_id"], unique=False)
    op.create_index(
        op.f("ix_version_namespace_id_stage_created_ms_id"),
        "version",
        ["namespace_id", "stage", "created_ms", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_version_namespace_id_structure_id"), "version", ["namespace_id", "structure", "id"], unique=False
    )


def _lineage() -> None:
    op.create_table(
        "lineage",
        sa.Column("child_id", ID, autoincrement=False, nullable=False),
        sa.Column("parent_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["version.id"], name=op.f("fk_lineage_child_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("child_id", "parent_id", name=op.f("pk_lineage")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_lineage_parent_id_child_id"), "lineage", ["parent_id", "child_id"], unique=False)


def _metric() -> None:
    op.create_table(
        "metric",
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("namespace_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_metric_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_metric")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_metric_namespace_id_key_value_version_id"),
        "metric",
        ["namespace_id", "key", "value", "version_id"],
        unique=False,
    )


def _param() -> None:
    op.create_table(
        "param",
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("namespace_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_param_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_param")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_param_namespace_id_key_value_created_ms_version_id"),
        "param",
        ["namespace_id", "key", "value", "created_ms", "version_id"],
        unique=False,
    )


def _pointer() -> None:
    op.create_table(
        "pointer",
        sa.Column("model_id", ID, autoincrement=False, nullable=False),
        sa.Column("pointer", TEXT, nullable=False),
        sa.Column("move_id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_pointer_model_id")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_pointer_version_id")),
        sa.PrimaryKeyConstraint("model_id", "pointer", name=op.f("pk_pointer")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_pointer_pointer_version_id"), "pointer", ["pointer", "version_id"], unique=False)
    op.create_index(op.f("ix_pointer_version_id_pointer"), "pointer", ["version_id", "pointer"], unique=False)


def _stage_change() -> None:
    op.create_table(
        "stage_change",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_stage_change_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_change")),
    )
    op.create_index(op.f("ix_stage_change_version_id_id"), "stage_change", ["version_id", "id"], unique=False)


def _tag() -> None:
    op.create_table(
        "tag",
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("namespace_id", sa.BigInteger(), nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_tag_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_tag_namespace_id_key_value_created_ms_version_id"),
        "tag",
        ["namespace_id", "key", "value", "created_ms", "version_id"],
        unique=False,
    )
