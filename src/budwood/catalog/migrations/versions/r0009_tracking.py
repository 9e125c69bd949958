"""Experiments, runs, parameters, metrics and tags."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _experiment()
    _experiment_tag()
    _run()
    for name in ("run_tag", "run_param"):
        _run_words(name)
    _run_metric()
    _metric_point()
    _run_dataset()
    _run_input()
    _run_model()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, ID, autoincrement=False, nullable=False)


def _id(name: str) -> sa.Column[int]:
    return sa.Column(name, ID, nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _foreign(table: str, column: str, target: str, *, goes_along: bool = True) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE" if goes_along else None)


def _experiment() -> None:
    op.create_table(
        "experiment",
        _id("id"),
        _id("namespace_id"),
        *_big("number"),
        *_words("name", "location"),
        *_big("created_ms", "updated_ms", "removed_ms"),
        _primary("experiment", "id"),
        _unique("experiment", "namespace_id", "number"),
        _unique("experiment", "namespace_id", "name"),
        sqlite_autoincrement=True,
    )
    _index("experiment", "namespace_id", "created_ms", "number")


def _experiment_tag() -> None:
    op.create_table(
        "experiment_tag",
        _key("experiment_id"),
        *_words("key", "value"),
        _foreign("experiment_tag", "experiment_id", "experiment.id"),
        _primary("experiment_tag", "experiment_id", "key"),
        sqlite_with_rowid=False,
    )


def _run() -> None:
    op.create_table(
        "run",
        _id("id"),
        *_words("run"),
        _id("experiment_id"),
        *_words("name", "run_by", "author", "status"),
        *_big("start_ms"),
        sa.Column("end_ms", sa.BigInteger(), nullable=True),
        *_words("location"),
        *_big("removed_ms"),
        _primary("run", "id"),
        _unique("run", "run"),
        _foreign("run", "experiment_id", "experiment.id", goes_along=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_run_newest_first"),
        "run",
        ["experiment_id", "removed_ms", sa.text("start_ms DESC"), "run"],
        unique=False,
    )


def _run_words(name: str) -> None:
    op.create_table(
        name,
        _key("run_id"),
        *_words("key"),
        _id("experiment_id"),
        *_words("head", "value"),
        _foreign(name, "run_id", "run.id"),
        _primary(name, "run_id", "key"),
        sqlite_with_rowid=False,
    )
    _index(name, "experiment_id", "key", "head", "run_id")


def _run_metric() -> None:
    op.create_table(
        "run_metric",
        _id("id"),
        _id("run_id"),
        *_words("key"),
        _id("experiment_id"),
        sa.Column("nan", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        *_big("at_ms", "step"),
        _primary("run_metric", "id"),
        _unique("run_metric", "run_id", "key"),
        _foreign("run_metric", "run_id", "run.id"),
        sqlite_autoincrement=True,
    )
    _index("run_metric", "experiment_id", "key", "nan", "value", "run_id")


def _metric_point() -> None:
    op.create_table(
        "metric_point",
        _key("metric_id"),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), autoincrement=False, nullable=False),
        sa.Column("nan", sa.SmallInteger(), autoincrement=False, nullable=False),
        _foreign("metric_point", "metric_id", "run_metric.id"),
        _primary("metric_point", "metric_id", "at_ms", "step", "value", "nan"),
        sqlite_with_rowid=False,
    )


def _run_dataset() -> None:
    op.create_table(
        "run_dataset",
        _id("id"),
        _id("experiment_id"),
        *_words("name", "digest", "source_type", "source", "schema", "profile"),
        _primary("run_dataset", "id"),
        _unique("run_dataset", "experiment_id", "name", "digest"),
        _foreign("run_dataset", "experiment_id", "experiment.id", goes_along=False),
        sqlite_autoincrement=True,
    )


def _run_input() -> None:
    op.create_table(
        "run_input",
        _key("run_id"),
        _key("dataset_id"),
        *_words("context", "tags"),
        _foreign("run_input", "run_id", "run.id"),
        _foreign("run_input", "dataset_id", "run_dataset.id", goes_along=False),
        _primary("run_input", "run_id", "dataset_id"),
        sqlite_with_rowid=False,
    )
    _index("run_input", "dataset_id", "run_id")


def _run_model() -> None:
    op.create_table(
        "run_model",
        _key("run_id"),
        sa.Column("is_output", sa.SmallInteger(), autoincrement=False, nullable=False),
        *_words("model"),
        *_big("step"),
        _foreign("run_model", "run_id", "run.id"),
        _primary("run_model", "run_id", "is_output", "model"),
        sqlite_with_rowid=False,
    )
    _index("run_model", "model", "is_output", "run_id")
