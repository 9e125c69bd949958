"""The part of the catalog's port that speaks of MCP servers: their versions, aliases, tags, and where they are reached.

A server is found in its namespace; what begins at the id of one found so names no namespace again, and goes with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.mcp.records import McpEndpoint, McpRelease, McpServer, McpVersion
from budwood.domain.tracking.filters import Comparison, Order


@dataclass(frozen=True, slots=True)
class McpSearch:
    """``server_id`` 0: all of the namespace. ``version`` and ``alias`` are what endpoints say they lead to; one that is
    said to lead to both is not there."""

    comparisons: tuple[Comparison, ...] = ()
    orders: tuple[Order, ...] = ()
    server_id: int = 0
    version: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class McpServerPage:
    """With tags and aliases; ``token`` is empty at the end. It ends before ``MCP_PAGE_BYTES``, with what the versions
    take that their endpoints lead to, but has at least one."""

    servers: tuple[McpServer, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class McpVersionPage:
    """With tags and aliases, without deleted ones; bounded as servers are."""

    versions: tuple[McpVersion, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class McpEndpointPage:
    """Those that lead to a version, with it; bounded as servers are."""

    endpoints: tuple[McpEndpoint, ...]
    token: str = ""


class McpView(Protocol):
    """What can be read of MCP servers."""

    def mcp_server(self, namespace: str, name: str) -> McpServer | None:
        """With tags and aliases."""

    def mcp_server_count(self, namespace: str) -> int: ...
    def find_mcp_servers(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpServerPage:
        """By name where nothing else is asked. Raises BadValue for a token of another search."""

    def mcp_version(self, server_id: int, version: str) -> McpVersion | None:
        """Deleted or not; with tags and aliases."""

    def mcp_releases(self, server_id: int) -> Sequence[McpRelease]:
        """All of them, deleted or not, by their text."""

    def find_mcp_versions(
        self, server_id: int, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpVersionPage:
        """The oldest first where nothing else is asked. Raises BadValue for a token of another search."""

    def mcp_endpoint(self, namespace: str, endpoint: str) -> McpEndpoint | None:
        """Also one that leads nowhere now."""

    def mcp_endpoint_id_is_known(self, endpoint: str) -> bool:
        """Whether one has this id, in any namespace."""

    def mcp_endpoints(self, server_ids: Sequence[int]) -> Mapping[int, Sequence[McpEndpoint]]:
        """Of each server those that lead to a version, by their ids."""

    def mcp_endpoint_count(self, server_id: int) -> int: ...
    def find_mcp_endpoints(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpEndpointPage:
        """By id where nothing else is asked. Raises BadValue for a token of another search."""


class McpTransaction(Protocol):
    """What can be changed of MCP servers. Names, texts and amounts are checked by the domain before they come here."""

    def add_mcp_server(self, server: McpServer) -> McpServer:
        """The server with its id; nothing of its name is there."""

    def change_mcp_server(self, server: McpServer) -> None:
        """What it says of itself, what it shows of its newest version, and when and by whom it was changed last."""

    def remove_mcp_server(self, server_id: int) -> None:
        """With its versions, aliases, tags and endpoints."""

    def add_mcp_version(self, version: McpVersion) -> McpVersion:
        """The version with its id; its server has none of that text."""

    def change_mcp_version(self, version: McpVersion) -> None:
        """Its status, tools and options, and when and by whom it was changed last."""

    def put_mcp_alias(self, server_id: int, alias: str, version_id: int) -> None: ...
    def remove_mcp_alias(self, server_id: int, alias: str) -> bool:
        """Whether there was one. Endpoints that say it stay."""

    def put_mcp_tag(self, server_id: int, key: str, value: str) -> None: ...
    def remove_mcp_tag(self, server_id: int, key: str) -> bool:
        """Whether there was one."""

    def put_mcp_version_tag(self, version_id: int, key: str, value: str) -> None: ...
    def remove_mcp_version_tag(self, version_id: int, key: str) -> bool:
        """Whether there was one."""

    def add_mcp_endpoint(self, namespace: str, endpoint: McpEndpoint) -> McpEndpoint:
        """The endpoint with its id."""

    def change_mcp_endpoint(self, endpoint: McpEndpoint) -> None:
        """Where it is, how it is spoken to, what it leads to, and when and by whom it was changed last."""

    def remove_mcp_endpoint(self, endpoint_id: int) -> None: ...
    def remove_mcp_endpoints_to(self, server_id: int, *, version_id: int = 0, alias: str = "") -> int:
        """Those of a server that say a version, or an alias. How many there were."""
