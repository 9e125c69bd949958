"""Evaluation datasets, scorers, label schemas and issues, in MLflow's words."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _datasets()
    _records()
    _scorers()
    _label_schema()
    _issue()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _small(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.SmallInteger(), nullable=False) for name in names]


def _id(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, ID, nullable=False, autoincrement="auto" if name == "id" else False)


def _goes_with(table: str, parent: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete="CASCADE")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_" + "_".join(columns)))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_" + "_".join(columns)), table, list(columns), unique=False)


def _datasets() -> None:
    op.create_table(
        "evaluation_dataset",
        _id(),
        sa.Column("namespace_id", ID, nullable=False),
        *_words("dataset", "name", "digest"),
        *_big("created_ms", "updated_ms"),
        *_words("created_by", "updated_by", "schema"),
        *_big("records"),
        _key("evaluation_dataset", "id"),
        _unique("evaluation_dataset", "dataset"),
        sqlite_autoincrement=True,
    )
    _index("evaluation_dataset", "namespace_id", "created_ms", "id")
    op.create_table(
        "evaluation_tag",
        _id("dataset_id"),
        *_words("key", "value"),
        _goes_with("evaluation_tag", "evaluation_dataset", "dataset_id"),
        _key("evaluation_tag", "dataset_id", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evaluation_use",
        _id("dataset_id"),
        _id("experiment_id"),
        _goes_with("evaluation_use", "evaluation_dataset", "dataset_id"),
        _goes_with("evaluation_use", "experiment", "experiment_id"),
        _key("evaluation_use", "dataset_id", "experiment_id"),
        sqlite_with_rowid=False,
    )
    _index("evaluation_use", "experiment_id", "dataset_id")


def _records() -> None:
    op.create_table(
        "evaluation_record",
        _id(),
        _id("dataset_id"),
        *_words("record", "mark", "content"),
        *_big("size", "created_ms", "updated_ms"),
        *_words("created_by", "updated_by"),
        _key("evaluation_record", "id"),
        _unique("evaluation_record", "dataset_id", "mark"),
        _unique("evaluation_record", "dataset_id", "record"),
        _goes_with("evaluation_record", "evaluation_dataset", "dataset_id"),
        sqlite_autoincrement=True,
    )
    _index("evaluation_record", "dataset_id", "id", "size")


def _scorers() -> None:
    op.create_table(
        "scorer",
        _id(),
        sa.Column("experiment_id", ID, nullable=False),
        *_words("scorer", "name"),
        *_big("last_number"),
        *_words("config"),
        sa.Column("sample_rate", sa.Double(), nullable=False),
        *_words("sample_filter"),
        _key("scorer", "id"),
        _unique("scorer", "scorer"),
        _unique("scorer", "experiment_id", "name"),
        _goes_with("scorer", "experiment", "experiment_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scorer_version",
        _id("scorer_id"),
        _id("number"),
        *_words("body", "author"),
        *_big("at_ms"),
        _goes_with("scorer_version", "scorer", "scorer_id"),
        _key("scorer_version", "scorer_id", "number"),
        sqlite_with_rowid=False,
    )


def _label_schema() -> None:
    op.create_table(
        "label_schema",
        _id(),
        sa.Column("experiment_id", ID, nullable=False),
        *_words("schema", "name", "kind", "input", "instruction"),
        *_small("has_comment", "is_default"),
        *_words("author"),
        *_big("created_ms", "updated_ms"),
        _key("label_schema", "id"),
        _unique("label_schema", "schema"),
        _unique("label_schema", "experiment_id", "name"),
        _goes_with("label_schema", "experiment", "experiment_id"),
        sqlite_autoincrement=True,
    )
    _index("label_schema", "experiment_id", "id")


def _issue() -> None:
    op.create_table(
        "issue",
        _id(),
        sa.Column("experiment_id", ID, nullable=False),
        *_words("issue", "name", "description", "status"),
        *_small("severity"),
        *_words("root_causes", "categories", "run", "created_by"),
        *_big("created_ms", "updated_ms"),
        _key("issue", "id"),
        _unique("issue", "issue"),
        _goes_with("issue", "experiment", "experiment_id"),
        sqlite_autoincrement=True,
    )
    _index("issue", "experiment_id", "severity", "created_ms", "id")
