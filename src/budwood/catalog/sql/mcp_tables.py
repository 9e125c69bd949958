"""The tables of MCP servers: their versions, aliases and tags, and the endpoints at which they are reached.

A server repeats what it shows of its newest version, so that searches and pages of servers read no definitions. An
endpoint says a version (``version_id``) or an alias, never both: 0 and the empty text stand for neither. ``key`` orders
pre-releases; ``size`` is what a version takes in an answer, so that a page can be cut by bytes before it is read.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, words


def of_server(*, key: bool = False) -> Column[int]:
    """What goes with its server."""
    told = ForeignKey("mcp_server.id", ondelete="CASCADE")
    return Column("server_id", Id, told, primary_key=key, nullable=False, autoincrement=False)


def perhaps(name: str) -> Column[str | None]:
    """A column of text that may not be said, which is not the same as empty."""
    return Column(name, Text, nullable=True)


def changed() -> tuple[Column[str], Column[str], Column[int], Column[int]]:
    """By whom and when a row was made, and changed last."""
    return words("created_by"), words("updated_by"), big("created_ms"), big("updated_ms")


mcp_server: Final = Table(
    "mcp_server",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("name"),
    *(perhaps(name) for name in ("display_name", "description", "icons")),
    *changed(),
    # 0 and empty before there is a version.
    big("newest_id"),
    words("newest_version"),
    words("newest_status"),
    *(perhaps(name) for name in ("newest_description", "newest_icons")),
    UniqueConstraint("namespace_id", "name"),
    sqlite_autoincrement=True,
)

mcp_version: Final = Table(
    "mcp_version",
    METADATA,
    Column("id", Id, primary_key=True),
    of_server(),
    words("version"),
    *(big(name) for name in ("major", "minor", "patch")),
    words("key"),
    words("definition"),
    words("status"),
    *(perhaps(name) for name in ("tools", "source")),
    words("options"),
    big("size"),
    *changed(),
    UniqueConstraint("server_id", "version"),
    sqlite_autoincrement=True,
)

mcp_alias: Final = Table(
    "mcp_alias",
    METADATA,
    of_server(key=True),
    Column("alias", Text, primary_key=True),
    Column("version_id", Id, nullable=False),
    Index(None, "version_id", "alias"),
    sqlite_with_rowid=False,
)

mcp_tag: Final = Table(
    "mcp_tag",
    METADATA,
    of_server(key=True),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

mcp_version_tag: Final = Table(
    "mcp_version_tag",
    METADATA,
    Column("version_id", Id, ForeignKey("mcp_version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

mcp_endpoint: Final = Table(
    "mcp_endpoint",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("endpoint"),
    of_server(),
    words("url"),
    words("transport"),
    Column("version_id", Id, nullable=False),
    words("alias"),
    *changed(),
    UniqueConstraint("endpoint"),
    Index(None, "namespace_id", "endpoint"),
    Index(None, "server_id", "endpoint"),
    sqlite_autoincrement=True,
)
