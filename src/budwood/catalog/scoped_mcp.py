"""The part of a caller's catalog that speaks of MCP servers; ``scoped.py`` joins it with the rest."""

from budwood.catalog.api import Transaction
from budwood.catalog.mcp_api import McpEndpointPage, McpSearch, McpServerPage
from budwood.domain.access import Within
from budwood.domain.mcp.records import McpEndpoint, McpServer


class ScopedMcp:
    """What names a namespace of ``catalog.mcp_api``, within reach."""

    __slots__ = ()
    _inner: Transaction
    _reach: frozenset[str] | Within

    def mcp_server(self, namespace: str, name: str) -> McpServer | None:
        return self._inner.mcp_server(namespace, name) if namespace in self._reach else None

    def mcp_server_count(self, namespace: str) -> int:
        return self._inner.mcp_server_count(namespace) if namespace in self._reach else 0

    def find_mcp_servers(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpServerPage:
        if namespace not in self._reach:
            return McpServerPage(())
        return self._inner.find_mcp_servers(namespace, search, token=token, limit=limit)

    def mcp_endpoint(self, namespace: str, endpoint: str) -> McpEndpoint | None:
        return self._inner.mcp_endpoint(namespace, endpoint) if namespace in self._reach else None

    def find_mcp_endpoints(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpEndpointPage:
        if namespace not in self._reach:
            return McpEndpointPage(())
        return self._inner.find_mcp_endpoints(namespace, search, token=token, limit=limit)

    def add_mcp_server(self, server: McpServer) -> McpServer:
        assert server.namespace in self._reach, f"{server.namespace} is out of reach"
        return self._inner.add_mcp_server(server)

    def add_mcp_endpoint(self, namespace: str, endpoint: McpEndpoint) -> McpEndpoint:
        assert namespace in self._reach, f"{namespace} is out of reach"
        return self._inner.add_mcp_endpoint(namespace, endpoint)
