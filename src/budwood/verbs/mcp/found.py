"""Finding an MCP server, a version or an alias, or saying in MLflow's words that it is not there; and what all changes
of one share: the record, and what a server shows of its newest version."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.mcp.records import LATEST, McpServer, McpStatus, McpVersion, newest_of
from budwood.domain.tracking.filters import Order
from budwood.errors import BadValue, RecordNotFound, StillInUse
from budwood.verbs.house import House

_ASKED: Final = 50_000
"""The most rows a client may ask for at once; a page has fewer."""


def server_named(view: View, namespace: str, name: str) -> McpServer:
    """Raises RecordNotFound."""
    found = view.mcp_server(namespace, name)
    if found is None:
        raise RecordNotFound(f"MCPServer not found (name='{name[:300]}')")
    return found


def live_version(view: View, server: McpServer | None, name: str, version: str) -> McpVersion:
    """Raises RecordNotFound, also for a deleted one."""
    found = any_version(view, server, name, version)
    if found.status is McpStatus.DELETED:
        raise no_version(name, version)
    return found


def any_version(view: View, server: McpServer | None, name: str, version: str) -> McpVersion:
    """Deleted or not. Raises RecordNotFound."""
    found = view.mcp_version(server.id, version) if server is not None else None
    if found is None:
        raise no_version(name, version)
    return found


def no_version(name: str, version: str) -> RecordNotFound:
    """For one that is not there."""
    return RecordNotFound(f"MCP server version '{name[:300]}' version '{version[:200]}' not found")


def latest(view: View, server: McpServer) -> McpVersion:
    """Raises RecordNotFound."""
    if server.newest is None:
        raise RecordNotFound(f"No resolved latest version found for MCP server '{server.name}'")
    return any_version(view, server, server.name, server.newest.version)


def pointed(view: View, server: McpServer, alias: str) -> McpVersion:
    """What an alias comes to. Raises BadValue, RecordNotFound."""
    if alias == LATEST:
        return latest(view, server)
    version = server.aliases.get(alias)
    if version is None:
        raise no_alias(server.name, alias)
    found = any_version(view, server, server.name, version)
    if found.status is McpStatus.DELETED:
        raise BadValue(f"Alias '{alias}' for MCP server '{server.name}' points to deleted version '{version}'")
    return found


def no_alias(name: str, alias: str) -> RecordNotFound:
    """For one that is not there."""
    return RecordNotFound(f"Alias '{alias[:300]}' not found for MCP server '{name[:300]}'")


def check_limit(asked: int) -> None:
    """How many rows a page is to have. Raises BadValue."""
    begins = f"Invalid value {asked} for parameter 'max_results' supplied. It must be"
    if asked < 1:
        raise BadValue(f"{begins} a positive integer")
    if asked > _ASKED:
        raise BadValue(f"{begins} at most {_ASKED}")


def check_orders(orders: Sequence[Order]) -> None:
    """That each field is named once. Raises BadValue."""
    keys = [each.place.key for each in orders]
    if twice := next((key for at, key in enumerate(keys) if key in keys[:at]), None):
        raise BadValue(f"Duplicate order_by field: '{twice}'")


def check_no_servers(view: View, namespace: str) -> None:
    """That a namespace may go. Raises StillInUse."""
    if view.mcp_server_count(namespace):
        raise StillInUse(f"{namespace} still holds MCP servers.", hint="Delete them first.")


def show_newest(transaction: Transaction, server: McpServer) -> McpServer:
    """The server as its versions are now; endpoints that lead to the newest go where there is none."""
    release = newest_of(transaction.mcp_releases(server.id))
    version = transaction.mcp_version(server.id, release.version) if release is not None else None
    changed = replace(server, newest=version.as_newest() if version is not None else None)
    transaction.change_mcp_server(changed)
    if version is None:
        transaction.remove_mcp_endpoints_to(server.id, alias=LATEST)
    return changed


def digest_of(*texts: str | None) -> str:
    """Of what a version holds, for the ledger."""
    return "sha256:" + hashlib.sha256("\n".join(each or "" for each in texts).encode()).hexdigest()


def record(
    house: House, transaction: Transaction, namespace: str, name: str, action: str, body: Mapping[str, object]
) -> None:
    """One entry of the ledger. Addresses are not in it: they may hold secrets, and it forgets nothing."""
    transaction.add_ledger(
        house.clock(), house.author, f"mcp-{action}", f"mcp-server:{namespace}/{name}", body, namespace
    )
