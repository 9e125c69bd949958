"""The tables of evaluation: datasets and their records, scorers, label schemas, issues.

A record is told from others of its dataset by ``mark``, a digest of its inputs; ``size`` is what its content takes, so
that a page can be cut by bytes before it is read.
"""

from typing import Final

from sqlalchemy import Column, Double, ForeignKey, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, words
from budwood.catalog.sql.tracking_tables import small


def of_experiment() -> Column[int]:
    """What goes with its experiment."""
    return Column("experiment_id", Id, ForeignKey("experiment.id", ondelete="CASCADE"), nullable=False)


def of_dataset(*, key: bool) -> Column[int]:
    """What goes with its dataset."""
    told = ForeignKey("evaluation_dataset.id", ondelete="CASCADE")
    return Column("dataset_id", Id, told, primary_key=key, nullable=False, autoincrement=False)


evaluation_dataset: Final = Table(
    "evaluation_dataset",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("dataset"),
    words("name"),
    words("digest"),
    big("created_ms"),
    big("updated_ms"),
    words("created_by"),
    words("updated_by"),
    words("schema"),
    big("records"),
    UniqueConstraint("dataset"),
    Index(None, "namespace_id", "created_ms", "id"),
    sqlite_autoincrement=True,
)

evaluation_tag: Final = Table(
    "evaluation_tag",
    METADATA,
    of_dataset(key=True),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

evaluation_use: Final = Table(
    "evaluation_use",
    METADATA,
    of_dataset(key=True),
    Column("experiment_id", Id, ForeignKey("experiment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Index(None, "experiment_id", "dataset_id"),
    sqlite_with_rowid=False,
)

evaluation_record: Final = Table(
    "evaluation_record",
    METADATA,
    Column("id", Id, primary_key=True),
    of_dataset(key=False),
    words("record"),
    words("mark"),
    words("content"),
    big("size"),
    big("created_ms"),
    big("updated_ms"),
    words("created_by"),
    words("updated_by"),
    UniqueConstraint("dataset_id", "mark"),
    UniqueConstraint("dataset_id", "record"),
    Index(None, "dataset_id", "id", "size"),
    sqlite_autoincrement=True,
)

scorer: Final = Table(
    "scorer",
    METADATA,
    Column("id", Id, primary_key=True),
    of_experiment(),
    words("scorer"),
    words("name"),
    big("last_number"),
    # Empty until it is said how much of the traffic to score.
    words("config"),
    Column("sample_rate", Double, nullable=False),
    words("sample_filter"),
    UniqueConstraint("scorer"),
    UniqueConstraint("experiment_id", "name"),
    sqlite_autoincrement=True,
)

scorer_version: Final = Table(
    "scorer_version",
    METADATA,
    Column("scorer_id", Id, ForeignKey("scorer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Id, primary_key=True, autoincrement=False),
    words("body"),
    words("author"),
    big("at_ms"),
    sqlite_with_rowid=False,
)

label_schema: Final = Table(
    "label_schema",
    METADATA,
    Column("id", Id, primary_key=True),
    of_experiment(),
    words("schema"),
    words("name"),
    words("kind"),
    words("input"),
    words("instruction"),
    small("has_comment"),
    small("is_default"),
    words("author"),
    big("created_ms"),
    big("updated_ms"),
    UniqueConstraint("schema"),
    UniqueConstraint("experiment_id", "name"),
    Index(None, "experiment_id", "id"),
    sqlite_autoincrement=True,
)

issue: Final = Table(
    "issue",
    METADATA,
    Column("id", Id, primary_key=True),
    of_experiment(),
    words("issue"),
    words("name"),
    words("description"),
    words("status"),
    # How bad it is, from 0; -1 where nobody said.
    small("severity"),
    words("root_causes"),
    words("categories"),
    words("run"),
    words("created_by"),
    big("created_ms"),
    big("updated_ms"),
    UniqueConstraint("issue"),
    Index(None, "experiment_id", "severity", "created_ms", "id"),
    sqlite_autoincrement=True,
)
