"""Classes of retention and legal holds."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_index(op.f("ix_move_version_id_id"), "move", ["version_id", "id"], unique=False)
    _rules()
    _class()
    _gone()
    _hold()
    _held()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _rules() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        _big("number"),
        *_words("body", "author"),
        _big("at_ms"),
        *_words("reason"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rules")),
        sa.UniqueConstraint("namespace_id", "number", name=op.f("uq_retention_rules_namespace_id_number")),
        sqlite_autoincrement=True,
    )


def _class() -> None:
    op.create_table(
        "retention_class",
        sa.Column("model_id", ID, autoincrement=False, nullable=False),
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        *_words("name", "author"),
        _big("at_ms"),
        *_words("reason"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_retention_class_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "version_id", name=op.f("pk_retention_class")),
        sqlite_with_rowid=False,
    )


def _gone() -> None:
    op.create_table(
        "gone",
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        _big("at_ms"),
        *_words("body"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_gone_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_gone")),
    )


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("scope", "subject", "reason", "reference", "author"),
        _big("placed_ms"),
        _big("model_id"),
        _big("versions"),
        _big("lifted_ms"),
        *_words("lifted_by", "lifted_reason"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sqlite_autoincrement=True,
    )
    for columns in (["namespace_id", "id"], ["namespace_id", "lifted_ms", "id"], ["lifted_ms", "id"]):
        op.create_index(op.f(f"ix_hold_{'_'.join(columns)}"), "hold", columns, unique=False)


def _held() -> None:
    op.create_table(
        "held",
        sa.Column("hold_id", ID, autoincrement=False, nullable=False),
        sa.Column("version_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name=op.f("fk_held_hold_id")),
        sa.PrimaryKeyConstraint("hold_id", "version_id", name=op.f("pk_held")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_held_version_id_hold_id"), "held", ["version_id", "hold_id"], unique=False)
