"""Files of runs and logged models, and logged models."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _stored_file()
    _logged_model()
    for name in ("logged_tag", "logged_param"):
        _said(name, "key")
    _logged_metric()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _stored_file() -> None:
    op.create_table(
        "stored_file",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("path"),
        *_big("size"),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        *_words("author"),
        *_big("at_ms"),
        *_words("structure"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_file")),
        sa.UniqueConstraint("namespace_id", "path", name=op.f("uq_stored_file_namespace_id_path")),
        sqlite_autoincrement=True,
    )
    columns = ["namespace_id", "structure", "id"]
    op.create_index(op.f("ix_stored_file_" + "_".join(columns)), "stored_file", columns, unique=False)


def _logged_model() -> None:
    op.create_table(
        "logged_model",
        sa.Column("id", ID, nullable=False),
        *_words("model"),
        sa.Column("experiment_id", ID, nullable=False),
        *_words("name", "kind", "status", "run", "location", "author"),
        *_big("created_ms", "updated_ms", "removed_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_model")),
        sa.UniqueConstraint("model", name=op.f("uq_logged_model_model")),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiment.id"], name=op.f("fk_logged_model_experiment_id")),
        sqlite_autoincrement=True,
    )
    columns = ["experiment_id", "removed_ms", "created_ms", "id"]
    op.create_index(op.f("ix_logged_model_" + "_".join(columns)), "logged_model", columns, unique=False)


def _said(name: str, *keys: str) -> None:
    op.create_table(
        name,
        sa.Column("model_id", ID, autoincrement=False, nullable=False),
        *_words(*keys, "value"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["logged_model.id"], name=op.f(f"fk_{name}_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", *keys, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )


def _logged_metric() -> None:
    keys = ("key", "run", "dataset_name", "dataset_digest")
    op.create_table(
        "logged_metric",
        sa.Column("model_id", ID, autoincrement=False, nullable=False),
        *_words(*keys),
        sa.Column("nan", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        *_big("at_ms", "step"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["logged_model.id"], name=op.f("fk_logged_metric_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", *keys, name=op.f("pk_logged_metric")),
        sqlite_with_rowid=False,
    )
