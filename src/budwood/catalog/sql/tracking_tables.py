"""The tables of tracking: experiments, runs, and what runs log.

Metrics are kept twice: ``run_metric`` has the newest value of each key, which is what is searched, and ``metric_point``
all there ever were, in the order they are read in. What a run logged repeats the run's experiment, and ``head`` the
beginning of a value, so that one range of one index answers "runs of this experiment where"; a whole value would not
fit into an index of PostgreSQL. No number is NULL for NaN, which SQLite has not: ``nan`` says it.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from budwood.catalog.sql.tables import METADATA, Id, Text, big, words

HEAD_CHARS: Final = 100


def small(name: str) -> Column[int]:
    """A column of yes and no."""
    return Column(name, SmallInteger, nullable=False)


def of_run() -> Column[int]:
    return Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


experiment: Final = Table(
    "experiment",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    big("number"),
    words("name"),
    words("location"),
    big("created_ms"),
    big("updated_ms"),
    big("removed_ms"),
    UniqueConstraint("namespace_id", "number"),
    UniqueConstraint("namespace_id", "name"),
    Index(None, "namespace_id", "created_ms", "number"),
    sqlite_autoincrement=True,
)

experiment_tag: Final = Table(
    "experiment_tag",
    METADATA,
    Column("experiment_id", Id, ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

run: Final = Table(
    "run",
    METADATA,
    Column("id", Id, primary_key=True),
    words("run"),
    Column("experiment_id", Id, ForeignKey("experiment.id"), nullable=False),
    words("name"),
    words("run_by"),
    words("author"),
    words("status"),
    big("start_ms"),
    Column("end_ms", BigInteger, nullable=True),
    words("location"),
    big("removed_ms"),
    UniqueConstraint("run"),
    sqlite_autoincrement=True,
)
# As runs are listed: the newest first, and those that began together by their ids.
Index("ix_run_newest_first", run.c.experiment_id, run.c.removed_ms, run.c.start_ms.desc(), run.c.run)

run_tag: Final = Table(
    "run_tag",
    METADATA,
    of_run(),
    Column("key", Text, primary_key=True),
    Column("experiment_id", Id, nullable=False),
    words("head"),
    words("value"),
    Index(None, "experiment_id", "key", "head", "run_id"),
    sqlite_with_rowid=False,
)

run_param: Final = Table(
    "run_param",
    METADATA,
    of_run(),
    Column("key", Text, primary_key=True),
    Column("experiment_id", Id, nullable=False),
    words("head"),
    words("value"),
    Index(None, "experiment_id", "key", "head", "run_id"),
    sqlite_with_rowid=False,
)

run_metric: Final = Table(
    "run_metric",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, ForeignKey("run.id", ondelete="CASCADE"), nullable=False),
    words("key"),
    Column("experiment_id", Id, nullable=False),
    small("nan"),
    Column("value", Double, nullable=False),
    big("at_ms"),
    big("step"),
    UniqueConstraint("run_id", "key"),
    Index(None, "experiment_id", "key", "nan", "value", "run_id"),
    sqlite_autoincrement=True,
)

metric_point: Final = Table(
    "metric_point",
    METADATA,
    Column("metric_id", Id, ForeignKey("run_metric.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, primary_key=True, autoincrement=False),
    Column("nan", SmallInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

run_dataset: Final = Table(
    "run_dataset",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("experiment_id", Id, ForeignKey("experiment.id"), nullable=False),
    words("name"),
    words("digest"),
    words("source_type"),
    words("source"),
    words("schema"),
    words("profile"),
    UniqueConstraint("experiment_id", "name", "digest"),
    sqlite_autoincrement=True,
)

run_input: Final = Table(
    "run_input",
    METADATA,
    of_run(),
    Column("dataset_id", Id, ForeignKey("run_dataset.id"), primary_key=True, autoincrement=False),
    words("context"),
    # All tags of the use, as JSON; the context is one of them.
    words("tags"),
    Index(None, "dataset_id", "run_id"),
    sqlite_with_rowid=False,
)

run_model: Final = Table(
    "run_model",
    METADATA,
    of_run(),
    Column("is_output", SmallInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    big("step"),
    Index(None, "model", "is_output", "run_id"),
    sqlite_with_rowid=False,
)
