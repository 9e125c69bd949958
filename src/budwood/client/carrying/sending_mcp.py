"""Exporting MCP servers with their versions, and where they are reached; as ``sending`` walks.

Compared is what went: the server gives ids, times and users itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budwood.client.carrying.bring_mcp import SERVERS, VERSIONS, named
from budwood.client.carrying.counts import Counts
from budwood.client.carrying.ours_mcp import OursMcp
from budwood.client.carrying.refusing import refusals
from budwood.client.carrying.stock_mcp_writer import StockMcpWriter
from budwood.domain.carrying.mcp import (
    CarriedMcpServer,
    CarriedMcpVersion,
    endpoint_words,
    server_words_told,
    version_words_told,
)
from budwood.domain.carrying.records import WENT_FROM, unmarked
from budwood.errors import BadValue, NameTaken

MARK: Final = "budwood"
_ELSEWHERE: Final = "Export into a server, or a workspace of it, that has none of this name."


@dataclass(frozen=True, slots=True)
class SendingMcp:
    """All of them by ``all``."""

    ours: OursMcp
    there: StockMcpWriter
    counts: Counts

    def all(self) -> None:
        """Raises Unavailable."""
        wanted = list(self.ours.servers())
        if not wanted:
            return
        there = self._there()
        self.counts.found(SERVERS, len(wanted))
        for each in wanted:
            with refusals(self.counts, SERVERS, each.name):
                self._server(each, there.get(each.name))
        after = self._there()
        for each in wanted:
            now = after.get(each.name)
            self.counts.compare(SERVERS, each.name, server_words_told(each), server_words_told(now) if now else None)

    def _there(self) -> dict[str, CarriedMcpServer]:
        return {each.name: each for each in self.there.reader.servers()}

    def _server(self, server: CarriedMcpServer, there: CarriedMcpServer | None) -> None:
        """What leads to versions comes behind these."""
        if there is None:
            self.there.make_server(server.name)
        self._mark(server, there)
        self._versions(server.name)
        if there is not None and server_words_told(server) == server_words_told(there):
            self.counts.kept(SERVERS)
            return
        self.there.describe_server(server)
        for key, value in _new(unmarked(server.tags), there.tags if there else {}):
            self.there.tag_server(server.name, key, value)
        for alias, version in _new(server.aliases, there.aliases if there else {}):
            self.there.point_alias(server.name, alias, version)
        known = [endpoint_words(each) for each in there.endpoints] if there else []
        for each in server.endpoints:
            if endpoint_words(each) not in known:
                self.there.make_endpoint(server.name, each)
        self.counts.brought(SERVERS)

    def _mark(self, server: CarriedMcpServer, there: CarriedMcpServer | None) -> None:
        """As ours; one that is empty was made by an export that was cut short. Raises NameTaken for any other."""
        if there is not None and WENT_FROM in there.tags:
            return
        if there is not None and (_says_anything(there) or any(self.there.reader.versions(server.name))):
            raise NameTaken("It is there already, and not from here.", hint=_ELSEWHERE)
        self.there.tag_server(server.name, WENT_FROM, MARK)

    def _versions(self, server: str) -> None:
        wanted = list(self.ours.versions(server))
        there = self._versions_there(server)
        self.counts.found(VERSIONS, len(wanted))
        for each in wanted:
            with refusals(self.counts, VERSIONS, named(each)):
                if self._version(each, there.get(each.version)):
                    self.counts.brought(VERSIONS)
                else:
                    self.counts.kept(VERSIONS)
        after = self._versions_there(server)
        for each in wanted:
            now = after.get(each.version)
            told = version_words_told(now) if now else None
            self.counts.compare(VERSIONS, named(each), version_words_told(each), told)

    def _versions_there(self, server: str) -> dict[str, CarriedMcpVersion]:
        return {each.version: each for each in self.there.reader.versions(server)}

    def _version(self, version: CarriedMcpVersion, there: CarriedMcpVersion | None) -> bool:
        """Whether something had to be done. Raises BadValue where it is another there."""
        if there is not None and version_words_told(version) == version_words_told(there):
            return False
        if there is None:
            self.there.make_version(version)
        elif version_words_told(version)["definition"] != version_words_told(there)["definition"]:
            raise BadValue("It has another definition there, which never changes.")
        else:
            self.there.change_version(version, there.status)
        for key, value in _new(unmarked(version.tags), there.tags if there else {}):
            self.there.tag_version(version, key, value)
        return True


def _says_anything(server: CarriedMcpServer) -> bool:
    return server_words_told(server) != server_words_told(CarriedMcpServer(server.name))


def _new(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is not said there, or otherwise."""
    return [(key, value) for key, value in wanted.items() if there.get(key) != value]
