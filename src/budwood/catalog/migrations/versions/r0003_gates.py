"""Gates: policies, evidence about versions, promotions and what people said to them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _policy()
    _tier()
    _evidence()
    _promotion()
    _review()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _policy() -> None:
    op.create_table(
        "policy",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("name"),
        _big("number"),
        *_words("digest", "body", "author"),
        _big("created_ms"),
        _big("removed_ms"),
        sa.Column("in_force", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
        sa.UniqueConstraint("namespace_id", "name", "number", name=op.f("uq_policy_namespace_id_name_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_policy_namespace_id_in_force_name"), "policy", ["namespace_id", "in_force", "name"], unique=False
    )


def _tier() -> None:
    op.create_table(
        "tier",
        sa.Column("model_id", ID, autoincrement=False, nullable=False),
        *_words("tier", "author"),
        _big("at_ms"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_tier_model_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_tier")),
    )


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("subject", "kind", "author"),
        _big("at_ms"),
        *_words("digest", "body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_evidence_namespace_id_subject_id"), "evidence", ["namespace_id", "subject", "id"], unique=False
    )


def _promotion() -> None:
    op.create_table(
        "promotion",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("model"),
        _big("model_id"),
        _big("version_id"),
        _big("version_number"),
        *_words("digest", "pointer", "requester", "reason"),
        _big("requested_ms"),
        *_words("binds", "state"),
        _big("decided_ms"),
        *_words("decided_by", "checks"),
        sa.Column("broke_glass", sa.SmallInteger(), nullable=False),
        _big("due_ms"),
        *_words("looked_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion")),
        sqlite_autoincrement=True,
    )
    for columns in (
        ["namespace_id", "id"],
        ["namespace_id", "state", "id"],
        ["version_id", "pointer", "id"],
        ["namespace_id", "broke_glass", "looked_by", "id"],
    ):
        op.create_index(op.f(f"ix_promotion_{'_'.join(columns)}"), "promotion", columns, unique=False)


def _review() -> None:
    op.create_table(
        "review",
        sa.Column("id", ID, nullable=False),
        sa.Column("promotion_id", ID, nullable=False),
        *_words("body"),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotion.id"], name=op.f("fk_review_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_review_promotion_id_id"), "review", ["promotion_id", "id"], unique=False)
