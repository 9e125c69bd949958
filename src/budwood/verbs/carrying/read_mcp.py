"""What a namespace holds of MCP servers, in the words of a carrying; page by page."""

from collections.abc import Sequence
from typing import Final

from budwood.catalog.mcp_api import McpSearch
from budwood.domain import asks_carrying as asks
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpVersion
from budwood.verbs.house import House

SERVERS_AT_ONCE: Final = 100
VERSIONS_AT_ONCE: Final = 100


def read_servers(house: House, namespace: str, token: str) -> asks.McpServersRead:
    """By name, with the endpoints that lead to a version. Raises BadValue."""
    with house.catalog.read() as view:
        page = view.find_mcp_servers(namespace, McpSearch(), token=token, limit=SERVERS_AT_ONCE)
        endpoints = view.mcp_endpoints([each.id for each in page.servers])
    return asks.McpServersRead(tuple(_server(each, endpoints.get(each.id, ())) for each in page.servers), page.token)


def read_versions(house: House, namespace: str, asked: asks.ReadMcpVersions) -> asks.McpVersionsRead:
    """By age; none of a server that is not there. Raises BadValue."""
    with house.catalog.read() as view:
        server = view.mcp_server(namespace, asked.server)
        if server is None:
            return asks.McpVersionsRead(())
        page = view.find_mcp_versions(server.id, McpSearch(), token=asked.token, limit=VERSIONS_AT_ONCE)
    return asks.McpVersionsRead(tuple(map(_version, page.versions)), page.token)


def _server(each: McpServer, endpoints: Sequence[McpEndpoint]) -> CarriedMcpServer:
    return CarriedMcpServer(
        each.name,
        each.display_name,
        each.description,
        each.icons,
        each.created_by,
        each.updated_by,
        each.created_ms,
        each.updated_ms,
        dict(each.tags),
        dict(each.aliases),
        tuple(map(_endpoint, endpoints)),
    )


def _endpoint(each: McpEndpoint) -> CarriedMcpEndpoint:
    return CarriedMcpEndpoint(
        each.endpoint,
        each.url,
        str(each.transport),
        each.version or "",
        each.alias or "",
        each.created_by,
        each.updated_by,
        each.created_ms,
        each.updated_ms,
    )


def _version(each: McpVersion) -> CarriedMcpVersion:
    return CarriedMcpVersion(
        each.server,
        each.version,
        each.definition,
        str(each.status),
        each.tools,
        each.source,
        each.options,
        each.created_by,
        each.updated_by,
        each.created_ms,
        each.updated_ms,
        dict(each.tags),
    )
