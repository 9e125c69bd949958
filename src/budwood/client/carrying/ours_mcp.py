"""MCP servers in a registry of ours, read and written in the words of a carrying; beside ``ours``."""

from collections.abc import Iterator

from budwood.client.carrying.asking import Ask, pages
from budwood.domain import asks_carrying as asks
from budwood.domain.carrying.mcp import CarriedMcpServer, CarriedMcpVersion
from budwood.domain.routes import carrying as routes


class OursMcp:
    """``reader_mcp.McpReader`` over one namespace, and what is written there."""

    def __init__(self, ask: Ask, source: str = "") -> None:
        self._ask, self._source = ask, source

    def servers(self) -> Iterator[CarriedMcpServer]:
        for page in pages(self._ask, routes.READ_MCP_SERVERS, asks.ReadSome()):
            yield from page.servers

    def versions(self, server: str) -> Iterator[CarriedMcpVersion]:
        for page in pages(self._ask, routes.READ_MCP_VERSIONS, asks.ReadMcpVersions(server)):
            yield from page.versions

    def take_server(self, server: CarriedMcpServer) -> None:
        """With what leads to versions that are here; the rest comes when it is taken again."""
        self._ask(routes.TAKE_MCP_SERVER, asks.TakeMcpServer(self._source, server))

    def take_version(self, version: CarriedMcpVersion) -> None:
        """Of a server that is here."""
        self._ask(routes.TAKE_MCP_VERSION, asks.TakeMcpVersion(self._source, version))
