"""The tables of files that are no version's yet, and of logged models.

``stored_file`` has what a manifest says of a file, as text, so that a version can be made of rows without reading
their bytes. Its ids only grow: a sweep sees by them that a file came while it looked.
"""

from typing import Final

from sqlalchemy import Column, Double, ForeignKey, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, blob, words
from budwood.catalog.sql.tracking_tables import small


def of_model() -> Column[int]:
    """The logged model something was said of; it goes with it."""
    key = ForeignKey("logged_model.id", ondelete="CASCADE")
    return Column("model_id", Id, key, primary_key=True, autoincrement=False)


stored_file: Final = Table(
    "stored_file",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("path"),
    big("size"),
    blob("entry"),
    blob("facts"),
    words("author"),
    big("at_ms"),
    # Empty where the file has no typed tensors.
    words("structure"),
    UniqueConstraint("namespace_id", "path"),
    Index(None, "namespace_id", "structure", "id"),
    sqlite_autoincrement=True,
)

logged_model: Final = Table(
    "logged_model",
    METADATA,
    Column("id", Id, primary_key=True),
    words("model"),
    Column("experiment_id", Id, ForeignKey("experiment.id"), nullable=False),
    words("name"),
    words("kind"),
    words("status"),
    words("run"),
    words("location"),
    words("author"),
    big("created_ms"),
    big("updated_ms"),
    big("removed_ms"),
    UniqueConstraint("model"),
    Index(None, "experiment_id", "removed_ms", "created_ms", "id"),
    sqlite_autoincrement=True,
)

logged_tag: Final = Table(
    "logged_tag",
    METADATA,
    of_model(),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

logged_param: Final = Table(
    "logged_param",
    METADATA,
    of_model(),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

# The newest of each metric for each run and dataset.
logged_metric: Final = Table(
    "logged_metric",
    METADATA,
    of_model(),
    Column("key", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("dataset_name", Text, primary_key=True),
    Column("dataset_digest", Text, primary_key=True),
    small("nan"),
    Column("value", Double, nullable=False),
    big("at_ms"),
    big("step"),
    sqlite_with_rowid=False,
)
