"""What a walk needs of a place that holds MCP servers; beside ``reader``, and under the same rules."""

from collections.abc import Iterator
from typing import Protocol

from budwood.domain.carrying.mcp import CarriedMcpServer, CarriedMcpVersion


class McpReader(Protocol):
    """Raises ServerUnreachable, Malformed and whatever the place gives. A place from before MCP servers has none."""

    def servers(self) -> Iterator[CarriedMcpServer]:
        """With their aliases, and with the endpoints that lead to a version."""

    def versions(self, server: str) -> Iterator[CarriedMcpVersion]:
        """Without deleted ones."""


class NoMcp:
    """A place that cannot hold any."""

    def servers(self) -> Iterator[CarriedMcpServer]:
        return iter(())

    def versions(self, server: str) -> Iterator[CarriedMcpVersion]:
        return iter(())
