"""Versions of MCP servers: registered, found, changed, tagged, deleted, and what aliases point at.

A deleted version stays as a mark that its number was given. What it is reached by goes with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from budwood.catalog.api import Transaction
from budwood.catalog.mcp_api import McpSearch, McpVersionPage
from budwood.domain.canon import Json
from budwood.domain.limits import MCP_ALIASES, MCP_VERSIONS
from budwood.domain.mcp import checks
from budwood.domain.mcp.fields import VERSIONS
from budwood.domain.mcp.records import LATEST, McpServer, McpStatus, McpVersion
from budwood.domain.mcp.releases import release_key
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.errors import BadValue, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.mcp import found
from budwood.verbs.mcp.servers import add_server, check_tags

Tools = Sequence[Mapping[str, Json]]
Options = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class NewMcpVersion:
    """``definition`` is MCP's ``server.json``, whose name and version are the version's."""

    definition: Mapping[str, Json]
    status: McpStatus = McpStatus.DRAFT
    source: str | None = None
    tools: Tools | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class McpVersionWish:
    """What is to change. ``tools`` and ``options`` are empty where nothing is said of them."""

    status: McpStatus | None = None
    tools: Sequence[Tools | None] = ()
    options: Sequence[Options] = ()


def create_version(house: House, namespace: str, new: NewMcpVersion) -> McpVersion:
    """Its server is made where there is none. Raises BadValue, LimitExceeded, NamespaceNotFound, NameTaken."""
    name, version = str(new.definition.get("name", "")), str(new.definition.get("version", ""))
    checks.check_name(name)
    release_key(version, "server_json.version")
    checks.check_first(new.status)
    checks.check_source(new.source)
    definition = checks.written_definition(new.definition)
    tools = checks.written_tools(new.tools) if new.tools is not None else None
    options = checks.written_options(new.options)

    def work(transaction: Transaction) -> McpVersion:
        server = transaction.mcp_server(namespace, name) or add_server(house, transaction, namespace, name)
        check_new(transaction, server, version)
        now, by = house.clock(), house.author
        said = (definition, new.status, tools, new.source, options)
        made = transaction.add_mcp_version(McpVersion(0, server.id, name, version, *said, by, by, now, now))
        found.show_newest(transaction, server)
        body = {"version": version, "status": str(new.status), "digest": found.digest_of(definition, tools)}
        found.record(house, transaction, namespace, name, "version.created", body)
        return made

    return house.catalog.write(work)


def get_version(house: House, namespace: str, name: str, version: str) -> McpVersion:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return found.live_version(view, view.mcp_server(namespace, name), name, version)


def get_version_by_alias(house: House, namespace: str, name: str, alias: str) -> McpVersion:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        if alias == LATEST:
            return found.latest(view, found.server_named(view, namespace, name))
        server = view.mcp_server(namespace, name)
        version = server.aliases.get(alias) if server is not None else None
        if version is None:
            raise found.no_alias(name, alias)
        return found.live_version(view, server, name, version)


def find_versions(
    house: House, namespace: str, name: str, text: str, orders: Sequence[str], token: str, limit: int
) -> McpVersionPage:
    """Of a server that is not there there are none. Raises BadFilter, BadValue, LimitExceeded."""
    found.check_limit(limit)
    search = McpSearch(parse_filter(text, VERSIONS), parse_orders(orders, VERSIONS))
    found.check_orders(search.orders)
    with house.catalog.read() as view:
        server = view.mcp_server(namespace, name)
        if server is None:
            return McpVersionPage(())
        return view.find_mcp_versions(server.id, search, token=token, limit=limit)


def change_version(house: House, namespace: str, name: str, version: str, wish: McpVersionWish) -> McpVersion:
    """Raises BadValue, Held, LimitExceeded, RecordNotFound."""
    tools = [checks.written_tools(each) if each is not None else None for each in wish.tools]
    options = [checks.written_options(each) for each in wish.options]

    def work(transaction: Transaction) -> McpVersion:
        server = transaction.mcp_server(namespace, name)
        before = found.live_version(transaction, server, name, version)
        assert server is not None
        if wish.status is not None:
            checks.check_move(before.status, wish.status)
        if wish.status is McpStatus.DELETED:
            check_free(transaction, f"MCP server version '{name}' version '{version}'", namespace)
        after = replace(
            before,
            status=wish.status or before.status,
            tools=tools[0] if tools else before.tools,
            options=options[0] if options else before.options,
            updated_by=house.author,
            updated_ms=house.clock(),
        )
        transaction.change_mcp_version(after)
        found.show_newest(transaction, server)
        body = {
            "version": version,
            "status": str(after.status),
            "digest": found.digest_of(after.definition, after.tools),
        }
        found.record(house, transaction, namespace, name, "version.changed", body)
        return after

    return house.catalog.write(work)


def delete_version(house: House, namespace: str, name: str, version: str) -> None:
    """With its aliases, and the endpoints that lead to it. Raises BadValue, Held, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        server = transaction.mcp_server(namespace, name)
        before = found.any_version(transaction, server, name, version)
        assert server is not None
        checks.check_move(before.status, McpStatus.DELETED)
        check_free(transaction, f"MCP server version '{name}' version '{version}'", namespace)
        for alias in before.aliases:
            transaction.remove_mcp_endpoints_to(server.id, alias=alias)
            transaction.remove_mcp_alias(server.id, alias)
        transaction.remove_mcp_endpoints_to(server.id, version_id=before.id)
        transaction.change_mcp_version(
            replace(before, status=McpStatus.DELETED, updated_by=house.author, updated_ms=house.clock())
        )
        found.show_newest(transaction, server)
        body = {"version": version, "aliases": list(before.aliases)}
        found.record(house, transaction, namespace, name, "version.deleted", body)

    house.catalog.write(work)


def tag_version(house: House, namespace: str, name: str, version: str, key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.check_tag(key, value)

    def work(transaction: Transaction) -> None:
        there = found.live_version(transaction, transaction.mcp_server(namespace, name), name, version)
        check_tags(there.tags, key)
        transaction.put_mcp_version_tag(there.id, key, value)
        found.record(house, transaction, namespace, name, "version.tagged", {"version": version, "key": key})

    house.catalog.write(work)


def untag_version(house: House, namespace: str, name: str, version: str, key: str) -> None:
    """Raises RecordNotFound."""

    def work(transaction: Transaction) -> None:
        there = found.live_version(transaction, transaction.mcp_server(namespace, name), name, version)
        if not transaction.remove_mcp_version_tag(there.id, key):
            raise RecordNotFound(
                f"Tag '{key[:300]}' not found on MCP server version '{name[:300]}' version '{version[:200]}'"
            )
        found.record(house, transaction, namespace, name, "version.untagged", {"version": version, "key": key})

    house.catalog.write(work)


def set_alias(house: House, namespace: str, name: str, alias: str, version: str) -> None:
    """Endpoints that say it lead there from now on. Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.check_alias(alias)

    def work(transaction: Transaction) -> None:
        server = found.server_named(transaction, namespace, name)
        target = found.any_version(transaction, server, name, version)
        if target.status is McpStatus.DELETED:
            raise BadValue(f"Cannot set alias '{alias}' to deleted MCP server version '{name}' version '{version}'")
        if alias not in server.aliases and len(server.aliases) >= MCP_ALIASES:
            raise LimitExceeded(f"An MCP server has at most {MCP_ALIASES} aliases.", limit="MCP_ALIASES")
        transaction.put_mcp_alias(server.id, alias, target.id)
        body = {"alias": alias, "version": version, "before": server.aliases.get(alias, "")}
        found.record(house, transaction, namespace, name, "alias.set", body)

    house.catalog.write(work)


def delete_alias(house: House, namespace: str, name: str, alias: str) -> None:
    """With the endpoints that say it. Raises Held, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        server = transaction.mcp_server(namespace, name)
        if server is None or not transaction.remove_mcp_alias(server.id, alias):
            raise RecordNotFound(f"Alias '{alias[:300]}' not found on MCP server '{name[:300]}'")
        gone = transaction.remove_mcp_endpoints_to(server.id, alias=alias)
        if gone:
            check_free(transaction, f"An access endpoint of MCP server '{name}'", namespace)
        body = {"alias": alias, "version": server.aliases[alias], "endpoints": gone}
        found.record(house, transaction, namespace, name, "alias.removed", body)

    house.catalog.write(work)


def check_new(transaction: Transaction, server: McpServer, version: str) -> None:
    """That a server has none of this number, and may have one more. Raises LimitExceeded, NameTaken."""
    if transaction.mcp_version(server.id, version) is not None:
        raise NameTaken(f"MCP server version '{server.name}' version '{version}' already exists")
    if len(transaction.mcp_releases(server.id)) >= MCP_VERSIONS:
        raise LimitExceeded(f"An MCP server has at most {MCP_VERSIONS} versions.", limit="MCP_VERSIONS")
