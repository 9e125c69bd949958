"""Importing MCP servers with their versions, and where they are reached; as ``bring`` walks."""

from dataclasses import dataclass
from typing import Final

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.ours_mcp import OursMcp
from budwood.client.carrying.reader_mcp import McpReader
from budwood.client.carrying.refusing import refusals
from budwood.domain.carrying.mcp import CarriedMcpServer, CarriedMcpVersion, server_told, version_told

SERVERS: Final = "MCP servers"
VERSIONS: Final = "MCP versions"


@dataclass(frozen=True, slots=True)
class BringingMcp:
    """All of them by ``all``."""

    reader: McpReader
    ours: OursMcp
    counts: Counts

    def all(self) -> None:
        """Raises Unavailable."""
        wanted = list(self.reader.servers())
        if not wanted:
            return
        here = self._here()
        self.counts.found(SERVERS, len(wanted))
        for each in wanted:
            with refusals(self.counts, SERVERS, each.name):
                self._server(each, here.get(each.name))
        after = self._here()
        for each in wanted:
            now = after.get(each.name)
            self.counts.compare(SERVERS, each.name, server_told(each), server_told(now) if now else None)

    def _here(self) -> dict[str, CarriedMcpServer]:
        return {each.name: each for each in self.ours.servers()}

    def _server(self, server: CarriedMcpServer, here: CarriedMcpServer | None) -> None:
        """Made before its versions, and told again behind them what leads to these."""
        is_same = here is not None and server_told(server) == server_told(here)
        if not is_same:
            self.ours.take_server(server)
        came = self._versions(server.name, is_new=here is None)
        if is_same:
            self.counts.kept(SERVERS)
            return
        if came:
            self.ours.take_server(server)
        self.counts.brought(SERVERS)

    def _versions(self, server: str, *, is_new: bool) -> bool:
        """Whether any came."""
        wanted = list(self.reader.versions(server))
        before = {} if is_new else self._versions_here(server)
        self.counts.found(VERSIONS, len(wanted))
        came = False
        for each in wanted:
            there = before.get(each.version)
            if there is not None and version_told(there) == version_told(each):
                self.counts.kept(VERSIONS)
                continue
            with refusals(self.counts, VERSIONS, named(each)):
                self.ours.take_version(each)
                self.counts.brought(VERSIONS)
                came = True
        after = self._versions_here(server) if came else before
        for each in wanted:
            now = after.get(each.version)
            self.counts.compare(VERSIONS, named(each), version_told(each), version_told(now) if now else None)
        return came

    def _versions_here(self, server: str) -> dict[str, CarriedMcpVersion]:
        return {each.version: each for each in self.ours.versions(server)}


def named(version: CarriedMcpVersion) -> str:
    """As a report calls it."""
    return f"{version.server} {version.version}"
