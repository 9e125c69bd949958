"""The tables of lineage. The room of both ends stands in an edge, so that a walk reads nothing but edges."""

from typing import Final

from sqlalchemy import Column, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, big, blob, words

# A number above 0 is a version's id; below, the negative of an ``outside`` one. No foreign keys: that a version came
# from one since deleted stays true.
edge: Final = Table(
    "edge",
    METADATA,
    Column("child", Id, primary_key=True, autoincrement=False),
    Column("parent", Id, primary_key=True, autoincrement=False),
    big("child_room"),
    big("parent_room"),
    words("relation"),
    words("told_by"),
    # 0 for what was fixed at the child's birth.
    big("told_ms"),
    Index(None, "parent", "child", "child_room"),
    sqlite_with_rowid=False,
)

outside: Final = Table(
    "outside",
    METADATA,
    Column("id", Id, primary_key=True),
    big("namespace_id"),
    words("kind"),
    words("source"),
    words("name"),
    words("run"),
    big("first_ms"),
    # Of kind, source, name and run: names may be longer than an index takes.
    blob("digest"),
    UniqueConstraint("namespace_id", "digest"),
    sqlite_autoincrement=True,
)
