"""Writing MCP servers into an MLflow server; beside ``stock_writer``. It gives times, users and endpoints' ids itself.

A server is marked as ours by a tag, once it is made.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from budwood.client.carrying.stock_mcp import ROOT, StockMcp, one
from budwood.client.carrying.web import Web
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.domain.mcp.records import McpStatus

_FIRST: Final = (McpStatus.DRAFT, McpStatus.ACTIVE)
"""What a version may be when it is made; anything else it becomes from active."""


@dataclass(frozen=True, slots=True)
class StockMcpWriter:
    """``reader`` reads the same server."""

    web: Web
    reader: StockMcp

    def make_server(self, name: str) -> None:
        self.web.post(ROOT, {"name": name})

    def describe_server(self, server: CarriedMcpServer) -> None:
        said = {
            "display_name": server.display_name,
            "description": server.description,
            "icons": None if server.icons is None else json.loads(server.icons),
        }
        self.web.post(_at(server.name), said, "PATCH")

    def tag_server(self, name: str, key: str, value: str) -> None:
        self.web.post(_at(name, "tags"), {"key": key, "value": value})

    def make_version(self, version: CarriedMcpVersion) -> None:
        first = version.status if version.status in _FIRST else str(McpStatus.ACTIVE)
        body: dict[str, Any] = {"server_json": json.loads(version.definition), "status": first, **_words(version)}
        if version.source is not None:
            body["source"] = version.source
        self.web.post(_at(version.server, "versions"), body)
        self._move(version, first)

    def change_version(self, version: CarriedMcpVersion, status: str) -> None:
        """``status`` is what it has there."""
        self.web.post(_at(version.server, "versions", version.version), _words(version), "PATCH")
        self._move(version, status)

    def tag_version(self, version: CarriedMcpVersion, key: str, value: str) -> None:
        self.web.post(_at(version.server, "versions", version.version, "tags"), {"key": key, "value": value})

    def point_alias(self, name: str, alias: str, version: str) -> None:
        self.web.post(_at(name, "aliases"), {"alias": alias, "version": version})

    def make_endpoint(self, name: str, endpoint: CarriedMcpEndpoint) -> None:
        leads = {"server_version": endpoint.version} if endpoint.version else {"server_alias": endpoint.alias}
        self.web.post(_at(name, "endpoints"), {"url": endpoint.url, "transport_type": endpoint.transport, **leads})

    def _move(self, version: CarriedMcpVersion, before: str) -> None:
        """From one status to another, by way of active where there is no other."""
        path = _at(version.server, "versions", version.version)
        if before != version.status and str(McpStatus.ACTIVE) not in (before, version.status):
            self.web.post(path, {"status": str(McpStatus.ACTIVE)}, "PATCH")
        if before != version.status:
            self.web.post(path, {"status": version.status}, "PATCH")


def _at(*parts: str) -> str:
    return "/".join((ROOT, *map(one, parts)))


def _words(version: CarriedMcpVersion) -> dict[str, Any]:
    """What may be changed of a version, but for its status."""
    tools = None if version.tools is None else json.loads(version.tools)
    return {"tools": tools, "connect_options": json.loads(version.options)}
