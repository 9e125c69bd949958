"""The registry of MCP servers: servers, versions, aliases, tags, and where they are reached."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _server()
    _version()
    _alias()
    _tags("mcp_tag", "mcp_server", "server_id")
    _tags("mcp_version_tag", "mcp_version", "version_id")
    _endpoint()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _perhaps(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=True) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _id(name: str = "id") -> sa.Column[int]:
    return sa.Column(name, ID, nullable=False, autoincrement="auto" if name == "id" else False)


def _changed() -> list[sa.Column[str] | sa.Column[int]]:
    return [*_words("created_by", "updated_by"), *_big("created_ms", "updated_ms")]


def _goes_with(table: str, parent: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete="CASCADE")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_" + "_".join(columns)))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_" + "_".join(columns)), table, list(columns), unique=False)


def _server() -> None:
    op.create_table(
        "mcp_server",
        _id(),
        _id("namespace_id"),
        *_words("name"),
        *_perhaps("display_name", "description", "icons"),
        *_changed(),
        *_big("newest_id"),
        *_words("newest_version", "newest_status"),
        *_perhaps("newest_description", "newest_icons"),
        _key("mcp_server", "id"),
        _unique("mcp_server", "namespace_id", "name"),
        sqlite_autoincrement=True,
    )


def _version() -> None:
    op.create_table(
        "mcp_version",
        _id(),
        _id("server_id"),
        *_words("version"),
        *_big("major", "minor", "patch"),
        *_words("key", "definition", "status"),
        *_perhaps("tools", "source"),
        *_words("options"),
        *_big("size"),
        *_changed(),
        _key("mcp_version", "id"),
        _unique("mcp_version", "server_id", "version"),
        _goes_with("mcp_version", "mcp_server", "server_id"),
        sqlite_autoincrement=True,
    )


def _alias() -> None:
    op.create_table(
        "mcp_alias",
        _id("server_id"),
        *_words("alias"),
        _id("version_id"),
        _goes_with("mcp_alias", "mcp_server", "server_id"),
        _key("mcp_alias", "server_id", "alias"),
        sqlite_with_rowid=False,
    )
    _index("mcp_alias", "version_id", "alias")


def _tags(table: str, parent: str, column: str) -> None:
    op.create_table(
        table,
        _id(column),
        *_words("key", "value"),
        _goes_with(table, parent, column),
        _key(table, column, "key"),
        sqlite_with_rowid=False,
    )


def _endpoint() -> None:
    op.create_table(
        "mcp_endpoint",
        _id(),
        _id("namespace_id"),
        *_words("endpoint"),
        _id("server_id"),
        *_words("url", "transport"),
        _id("version_id"),
        *_words("alias"),
        *_changed(),
        _key("mcp_endpoint", "id"),
        _unique("mcp_endpoint", "endpoint"),
        _goes_with("mcp_endpoint", "mcp_server", "server_id"),
        sqlite_autoincrement=True,
    )
    _index("mcp_endpoint", "namespace_id", "endpoint")
    _index("mcp_endpoint", "server_id", "endpoint")
