"""MCP servers in the database of an MLflow server; beside ``database``. One from before 3.15 has none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from budwood.client.carrying import shapes
from budwood.client.carrying.shapes_mcp import tools_said
from budwood.client.carrying.shapes_traced import json_in, optional, parsed
from budwood.client.carrying.tables import Row, Tables
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.domain.limits import CARRIED_AT_ONCE
from budwood.domain.mcp.records import LATEST, McpStatus

_CHANGED: Final = "created_by, last_updated_by, created_at, last_updated_at"
_SERVERS: Final = f"SELECT name, display_name, {{description}} AS description, {{icons}} AS icons, {_CHANGED}"
_VERSIONS: Final = (
    "SELECT name, version, {server_json} AS server_json, status, {tools} AS tools, source,"
    f" {{connect_options}} AS connect_options, {_CHANGED}"
)
_OF_SERVER: Final = "name = :name"


class DatabaseMcp:
    """``reader_mcp.McpReader`` over SQL."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def servers(self) -> Iterator[CarriedMcpServer]:
        if "mcp_servers" not in self._tables.columns:
            return
        where = self._tables.of_workspace("mcp_servers")
        for row in self._tables.rows(f"{_SERVERS} FROM mcp_servers {where} ORDER BY name"):
            yield self._server(row)

    def versions(self, server: str) -> Iterator[CarriedMcpVersion]:
        there = self._tables.of_workspace("mcp_server_versions", f"{_OF_SERVER} AND version > :after")
        sql = f"{_VERSIONS} FROM mcp_server_versions {there} ORDER BY version LIMIT :limit"
        after = ""
        while page := self._tables.rows(sql, name=server, after=after, limit=CARRIED_AT_ONCE):
            after = page[-1]["version"]
            tags = self._tags_of_versions(server)
            for row in page:
                if row["status"] != McpStatus.DELETED:
                    yield _version(row, tags.get(row["version"], {}))

    def _server(self, row: Row) -> CarriedMcpServer:
        name = shapes.text(row, "name")
        status = {each["version"]: each["status"] for each in self._of("mcp_server_versions", "version, status", name)}
        live = {version for version, status in status.items() if status != McpStatus.DELETED}
        aliases = {
            shapes.text(each, "alias"): shapes.text(each, "version")
            for each in self._of("mcp_server_aliases", "alias, version", name)
            if each["version"] in live
        }
        leading = {*aliases, *([LATEST] if live else [])}
        endpoints = (each for each in self._endpoints(name) if each.version in live or each.alias in leading)
        tags = self._of("mcp_server_tags", "key, {value} AS value", name)
        icons = json_in(row, "icons")
        return CarriedMcpServer(
            name,
            optional(row, "display_name"),
            optional(row, "description"),
            None if icons is None else shapes.text(row, "icons"),
            shapes.text(row, "created_by"),
            shapes.text(row, "last_updated_by"),
            shapes.whole(row, "created_at"),
            shapes.whole(row, "last_updated_at"),
            {shapes.text(each, "key"): shapes.text(each, "value") for each in tags},
            aliases,
            tuple(endpoints),
        )

    def _endpoints(self, server: str) -> Iterator[CarriedMcpEndpoint]:
        where = self._tables.of_workspace("mcp_access_endpoints", "server_name = :name")
        for row in self._tables.rows(f"SELECT * FROM mcp_access_endpoints {where} ORDER BY id", name=server):  # noqa: S608
            yield CarriedMcpEndpoint(
                shapes.text(row, "id"),
                shapes.text(row, "url"),
                shapes.text(row, "transport_type"),
                shapes.text(row, "server_version"),
                shapes.text(row, "server_alias"),
                shapes.text(row, "created_by"),
                shapes.text(row, "last_updated_by"),
                shapes.whole(row, "created_at"),
                shapes.whole(row, "last_updated_at"),
            )

    def _tags_of_versions(self, server: str) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for row in self._of("mcp_server_version_tags", "version, key, {value} AS value", server):
            found.setdefault(row["version"], {})[shapes.text(row, "key")] = shapes.text(row, "value")
        return found

    def _of(self, table: str, columns: str, server: str) -> Sequence[Row]:
        where = self._tables.of_workspace(table, _OF_SERVER)
        return self._tables.rows(f"SELECT {columns} FROM {table} {where}", name=server)  # noqa: S608


def _version(row: Row, tags: Mapping[str, str]) -> CarriedMcpVersion:
    tools: Any = json_in(row, "tools")
    options: Any = json_in(row, "connect_options")
    definition = shapes.text(row, "server_json")
    parsed(definition, "server_json")
    return CarriedMcpVersion(
        shapes.text(row, "name"),
        shapes.text(row, "version"),
        definition,
        shapes.text(row, "status"),
        tools_said(shapes.objects({"tools": tools}, "tools")),
        optional(row, "source"),
        "{}" if options is None else shapes.text(row, "connect_options"),
        shapes.text(row, "created_by"),
        shapes.text(row, "last_updated_by"),
        shapes.whole(row, "created_at"),
        shapes.whole(row, "last_updated_at"),
        tags,
    )
