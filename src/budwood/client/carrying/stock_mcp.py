"""MCP servers on an MLflow server, read over its own endpoints; beside ``stock``. One from before 3.15 has none."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from budwood.client.carrying import shapes, shapes_mcp
from budwood.client.carrying.web import Web, paged
from budwood.domain.carrying.mcp import CarriedMcpServer, CarriedMcpVersion
from budwood.errors import RecordNotFound

ROOT: Final = "/api/3.0/mlflow/mcp-servers"
_PAGE: Final = 100


class StockMcp:
    """``reader_mcp.McpReader`` over HTTP."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def servers(self) -> Iterator[CarriedMcpServer]:
        with suppress(RecordNotFound):
            for each in paged(lambda more: self._web.get(ROOT, max_results=_PAGE, **more), "mcp_servers"):
                yield self._told(shapes_mcp.server_of(each), shapes.text(each, "latest_version"))

    def versions(self, server: str) -> Iterator[CarriedMcpVersion]:
        path = f"{ROOT}/{one(server)}/versions"
        for each in paged(lambda more: self._web.get(path, max_results=_PAGE, **more), "mcp_server_versions"):
            yield shapes_mcp.version_of(each)

    def _told(self, server: CarriedMcpServer, newest: str) -> CarriedMcpServer:
        """Without a description that it shows of its newest version."""
        if not newest or not server.description:
            return server
        try:
            said = self._web.get(f"{ROOT}/{one(server.name)}/versions/{one(newest)}")
        except RecordNotFound:
            return server  # It was deleted just now.
        shown = shapes.inner(said, "server_json").get("description")
        return replace(server, description=None) if shown == server.description else server


def one(segment: str) -> str:
    """A part of an address, whatever is in it."""
    return quote(segment, safe="")
