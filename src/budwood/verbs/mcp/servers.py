"""MCP servers: made, found, described, tagged, deleted. A server may be there before its first version is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import Transaction
from budwood.catalog.mcp_api import McpSearch
from budwood.domain.limits import MCP_SERVERS, MCP_SERVERS_PAGE, MCP_TAGS
from budwood.domain.mcp import checks
from budwood.domain.mcp.fields import SERVERS
from budwood.domain.mcp.records import Icons, McpEndpoint, McpServer, McpStatus
from budwood.domain.tracking.filters import Comparison, parse_filter, parse_orders
from budwood.errors import BadValue, LimitExceeded, NamespaceNotFound, NameTaken, RecordNotFound
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.mcp import found


@dataclass(frozen=True, slots=True)
class Reached:
    """A server, and where it is reached."""

    server: McpServer
    endpoints: Sequence[McpEndpoint] = ()


@dataclass(frozen=True, slots=True)
class ReachedPage:
    """``token`` is empty at the end."""

    servers: tuple[Reached, ...]
    token: str = ""


def create_server(house: House, namespace: str, name: str, description: str | None, icons: Icons | None) -> McpServer:
    """Raises BadValue, LimitExceeded, NamespaceNotFound, NameTaken."""
    checks.check_name(name)
    checks.check_words("description", description)
    written = checks.written_icons(icons) if icons is not None else None

    def work(transaction: Transaction) -> McpServer:
        if transaction.mcp_server(namespace, name) is not None:
            raise NameTaken(f"MCP server with name '{name}' already exists")
        return add_server(house, transaction, namespace, name, description, written)

    return house.catalog.write(work)


def add_server(
    house: House,
    transaction: Transaction,
    namespace: str,
    name: str,
    description: str | None = None,
    icons: str | None = None,
) -> McpServer:
    """One whose name is free. Raises LimitExceeded, NamespaceNotFound."""
    check_room(transaction, namespace)
    now, by = house.clock(), house.author
    made = McpServer(0, namespace, name, None, description, icons, by, by, now, now)
    made = transaction.add_mcp_server(made)
    found.record(house, transaction, namespace, name, "server.created", {})
    return made


def check_room(transaction: Transaction, namespace: str) -> None:
    """That a namespace may have one more. Raises LimitExceeded, NamespaceNotFound."""
    if transaction.namespace(namespace) is None:
        raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
    if transaction.mcp_server_count(namespace) >= MCP_SERVERS:
        raise LimitExceeded(f"A namespace has at most {MCP_SERVERS} MCP servers.", limit="MCP_SERVERS")


def get_server(house: House, namespace: str, name: str) -> Reached:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        server = view.mcp_server(namespace, name)
        if server is None:
            raise RecordNotFound(f"MCP server '{name[:300]}' not found")
        return Reached(server, view.mcp_endpoints([server.id]).get(server.id, ()))


def find_servers(house: House, namespace: str, text: str, orders: Sequence[str], token: str, limit: int) -> ReachedPage:
    """Raises BadFilter, BadValue, LimitExceeded."""
    found.check_limit(limit)
    if limit > MCP_SERVERS_PAGE:
        message = f"Invalid value for max_results. It must be at most {MCP_SERVERS_PAGE}, but got {limit}"
        raise BadValue(message)
    search = McpSearch(parse_filter(text, SERVERS), parse_orders(orders, SERVERS))
    _check_reach(search.comparisons)
    found.check_orders(search.orders)
    with house.catalog.read() as view:
        page = view.find_mcp_servers(namespace, search, token=token, limit=limit)
        endpoints = view.mcp_endpoints([each.id for each in page.servers])
    return ReachedPage(tuple(Reached(each, endpoints.get(each.id, ())) for each in page.servers), page.token)


def change_server(
    house: House, namespace: str, name: str, words: Mapping[str, str | None], icons: Sequence[Icons | None]
) -> Reached:
    """``words`` are ``display_name`` and ``description``, as far as they are said; ``icons`` is empty where nothing is
    said of them. Raises BadValue, LimitExceeded, RecordNotFound."""
    for what, text in words.items():
        checks.check_words(what, text)
    written = [checks.written_icons(each) if each is not None else None for each in icons]

    def work(transaction: Transaction) -> Reached:
        before = found.server_named(transaction, namespace, name)
        after = replace(
            before,
            display_name=words.get("display_name", before.display_name),
            description=words.get("description", before.description),
            icons=written[0] if written else before.icons,
            updated_by=house.author,
            updated_ms=house.clock(),
        )
        transaction.change_mcp_server(after)
        changed = [*sorted(words), *(["icons"] if written else [])]
        found.record(house, transaction, namespace, name, "server.changed", {"fields": changed})
        return Reached(after, transaction.mcp_endpoints([after.id]).get(after.id, ()))

    return house.catalog.write(work)


def delete_server(house: House, namespace: str, name: str) -> None:
    """With its versions and endpoints, for good. Raises BadValue, Held, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        server = found.server_named(transaction, namespace, name)
        check_free(transaction, f"MCP server '{name}'", namespace)
        releases = transaction.mcp_releases(server.id)
        active = next((each.version for each in releases if each.status is McpStatus.ACTIVE), None)
        if active is not None:
            raise BadValue(
                f"Cannot delete MCP server '{name}' while it still has an active version ('{active}'). Delete or "
                "deactivate the active version first."
            )
        transaction.remove_mcp_server(server.id)
        found.record(house, transaction, namespace, name, "server.deleted", {"versions": len(releases)})

    house.catalog.write(work)


def tag_server(house: House, namespace: str, name: str, key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.check_tag(key, value)

    def work(transaction: Transaction) -> None:
        server = found.server_named(transaction, namespace, name)
        check_tags(server.tags, key)
        transaction.put_mcp_tag(server.id, key, value)
        found.record(house, transaction, namespace, name, "server.tagged", {"key": key})

    house.catalog.write(work)


def untag_server(house: House, namespace: str, name: str, key: str) -> None:
    """Raises RecordNotFound."""

    def work(transaction: Transaction) -> None:
        server = transaction.mcp_server(namespace, name)
        if server is None or not transaction.remove_mcp_tag(server.id, key):
            raise RecordNotFound(f"Tag '{key[:300]}' not found on MCP server '{name[:300]}'")
        found.record(house, transaction, namespace, name, "server.untagged", {"key": key})

    house.catalog.write(work)


def check_tags(tags: Mapping[str, str], key: str) -> None:
    """That there is room for one more. Raises LimitExceeded."""
    if key not in tags and len(tags) >= MCP_TAGS:
        raise LimitExceeded(f"A server, and a version, has at most {MCP_TAGS} tags.", limit="MCP_TAGS")


def _check_reach(comparisons: Sequence[Comparison]) -> None:
    """Raises BadValue."""
    for each in comparisons:
        if each.place.key == "has_access_endpoints" and str(each.value).lower() not in ("true", "false"):
            raise BadValue("has_access_endpoints only supports '= true' or '= false'")
