"""Where MCP servers are reached: an address, and what answers there: a version, or an alias. Nobody here goes there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.mcp_api import McpEndpointPage, McpSearch
from budwood.domain.limits import MCP_ENDPOINTS
from budwood.domain.mcp import checks
from budwood.domain.mcp.fields import ENDPOINTS
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpStatus, McpTransport, McpVersion
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.mcp import found


@dataclass(frozen=True, slots=True)
class Leading:
    """What an endpoint leads to: exactly one of both."""

    version: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointWish:
    """What is to change; None leaves it as it is."""

    url: str | None = None
    transport: McpTransport | None = None
    leading: Leading = Leading()


def create_endpoint(
    house: House, namespace: str, name: str, url: str, transport: McpTransport, leading: Leading
) -> McpEndpoint:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    if (leading.version is None) == (leading.alias is None):
        raise BadValue("Exactly one of server_version or server_alias must be provided")
    checks.check_address(url)

    def work(transaction: Transaction) -> McpEndpoint:
        server = found.server_named(transaction, namespace, name)
        target = _target(transaction, server, leading, "create")
        check_count(transaction.mcp_endpoint_count(server.id) + 1)
        now, by = house.clock(), house.author
        id_ = f"ae-{house.ids().replace('-', '')}"
        says = (target.id if leading.version is not None else 0, leading.version, leading.alias)
        made = McpEndpoint(0, id_, server.id, name, url, transport, *says, by, by, now, now, target)
        made = transaction.add_mcp_endpoint(namespace, made)
        _record(house, transaction, namespace, made, "created")
        return made

    return house.catalog.write(work)


def get_endpoint(house: House, namespace: str, name: str, id_: str) -> McpEndpoint:
    """Raises RecordNotFound, also for one that leads nowhere."""
    with house.catalog.read() as view:
        there = view.mcp_endpoint(namespace, id_)
    if there is None or there.resolved is None:
        raise RecordNotFound(f"MCPAccessEndpoint {id_[:100]} not found")
    return _of(there, name)


def find_endpoints(
    house: House,
    namespace: str,
    name: str | None,
    leading: Leading,
    text: str,
    orders: Sequence[str],
    token: str,
    limit: int,
) -> McpEndpointPage:
    """Of one server, or of all. Raises BadFilter, BadValue, LimitExceeded."""
    found.check_limit(limit)
    search = McpSearch(
        parse_filter(text, ENDPOINTS), parse_orders(orders, ENDPOINTS), 0, leading.version, leading.alias
    )
    found.check_orders(search.orders)
    with house.catalog.read() as view:
        if name is not None:
            server = view.mcp_server(namespace, name)
            if server is None:
                return McpEndpointPage(())
            search = replace(search, server_id=server.id)
        return view.find_mcp_endpoints(namespace, search, token=token, limit=limit)


def change_endpoint(house: House, namespace: str, name: str, id_: str, wish: EndpointWish) -> McpEndpoint:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    leading = wish.leading
    if leading.version is not None and leading.alias is not None:
        raise BadValue("Cannot set both server_version and server_alias in a single update")
    if wish.url is not None:
        checks.check_address(wish.url)

    def work(transaction: Transaction) -> McpEndpoint:
        before = _there(transaction, namespace, name, id_)
        after = before
        if leading != Leading():
            server = found.server_named(transaction, namespace, name)
            target = _target(transaction, server, leading, "update")
            says = target.id if leading.version is not None else 0
            after = replace(after, version_id=says, version=leading.version, alias=leading.alias, resolved=target)
        after = replace(
            after,
            url=after.url if wish.url is None else wish.url,
            transport=wish.transport or after.transport,
            updated_by=house.author,
            updated_ms=house.clock(),
        )
        transaction.change_mcp_endpoint(after)
        _record(house, transaction, namespace, after, "changed")
        return after

    return house.catalog.write(work)


def delete_endpoint(house: House, namespace: str, name: str, id_: str) -> None:
    """Raises Held, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        there = _there(transaction, namespace, name, id_)
        check_free(transaction, f"MCPAccessEndpoint {there.endpoint}", namespace)
        transaction.remove_mcp_endpoint(there.id)
        _record(house, transaction, namespace, there, "deleted")

    house.catalog.write(work)


def check_count(count: int) -> None:
    """So many of one server. Raises LimitExceeded."""
    if count > MCP_ENDPOINTS:
        raise LimitExceeded(f"An MCP server has at most {MCP_ENDPOINTS} access endpoints.", limit="MCP_ENDPOINTS")


def _target(view: View, server: McpServer, leading: Leading, doing: str) -> McpVersion:
    """What it is to lead to. Raises BadValue, RecordNotFound."""
    if leading.version is None:
        assert leading.alias is not None
        return found.pointed(view, server, leading.alias)
    target = found.any_version(view, server, server.name, leading.version)
    if target.status is McpStatus.DELETED:
        raise BadValue(
            f"Cannot {doing} MCP access endpoint to deleted MCP server version '{server.name}' version "
            f"'{leading.version}'"
        )
    return target


def _there(view: View, namespace: str, name: str, id_: str) -> McpEndpoint:
    """Raises RecordNotFound."""
    there = view.mcp_endpoint(namespace, id_)
    if there is None:
        raise RecordNotFound(f"MCPAccessEndpoint not found (id='{id_[:100]}')")
    return _of(there, name)


def _of(endpoint: McpEndpoint, name: str) -> McpEndpoint:
    """Raises RecordNotFound where it is another server's."""
    if endpoint.server != name:
        message = f"MCPAccessEndpoint {endpoint.endpoint} does not belong to server '{name[:300]}'"
        raise RecordNotFound(message)
    return endpoint


def _record(house: House, transaction: Transaction, namespace: str, endpoint: McpEndpoint, action: str) -> None:
    body = {
        "endpoint": endpoint.endpoint,
        "version": endpoint.version or "",
        "alias": endpoint.alias or "",
        "address": found.digest_of(endpoint.url),
    }
    found.record(house, transaction, namespace, endpoint.server, f"endpoint.{action}", body)
