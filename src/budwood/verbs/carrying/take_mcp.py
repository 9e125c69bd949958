"""MCP servers and their versions as they are elsewhere: with their users, times, statuses and ids of endpoints.

Everything may be sent again, as with runs: what is here becomes what was sent, but for what a version defines, which
never changes. Definitions and addresses are kept as text; icons are judged as everywhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.canon import Json
from budwood.domain.carrying.compare import same_json
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.domain.carrying.records import CAME_FROM, unmarked
from budwood.domain.limits import MCP_ALIASES, MCP_ENDPOINTS, MCP_TAGS, TRACKING_KEY_CHARS
from budwood.domain.mcp import checks
from budwood.domain.mcp.records import (
    LATEST,
    Icons,
    McpEndpoint,
    McpServer,
    McpStatus,
    McpTransport,
    McpVersion,
)
from budwood.domain.mcp.releases import release_key
from budwood.domain.tracking.checks import too_many
from budwood.domain.tracking.evaluation import check_text, check_user, read_json
from budwood.errors import BadValue, NameTaken
from budwood.verbs.carrying.take_runs import check_source
from budwood.verbs.house import House
from budwood.verbs.mcp import found
from budwood.verbs.mcp.endpoints import check_count
from budwood.verbs.mcp.servers import check_room
from budwood.verbs.mcp.versions import check_new

_ELSEWHERE: Final = "Bring it into a namespace that has none of this name."


def take_server(house: House, namespace: str, source: str, sent: CarriedMcpServer) -> int:
    """With those aliases and endpoints whose versions are here; the others wait until it is sent again.

    How many of these there are. Raises BadValue, LimitExceeded, NamespaceNotFound, NameTaken for one from elsewhere.
    """
    check_source(source)
    wanted = _server(namespace, source, sent)
    endpoints = [_endpoint(each) for each in sent.endpoints]

    def work(transaction: Transaction) -> int:
        server = _put_server(transaction, wanted)
        versions = {each.version: each.id for each in transaction.mcp_releases(server.id) if not each.is_deleted}
        aliases = {alias: versions[version] for alias, version in sent.aliases.items() if version in versions}
        too_many("aliases", {*server.aliases, *aliases}, MCP_ALIASES, "MCP_ALIASES")
        for alias, version_id in aliases.items():
            transaction.put_mcp_alias(server.id, alias, version_id)
        leading = [each for each in endpoints if _leads(each, server, versions, aliases)]
        for each in leading:
            _put_endpoint(transaction, server, replace(each, version_id=versions.get(each.version or "", 0)))
        check_count(transaction.mcp_endpoint_count(server.id))
        found.record(house, transaction, namespace, sent.name, "server.imported", {"source": source})
        return len(aliases) + len(leading)

    return house.catalog.write(work)


def take_version(house: House, namespace: str, source: str, sent: CarriedMcpVersion) -> int:
    """Of a server that is here. Raises BadValue, LimitExceeded, RecordNotFound, NameTaken for another definition."""
    check_source(source)
    wanted = _version(sent)
    _check_tags(sent.tags)

    def work(transaction: Transaction) -> int:
        server = found.server_named(transaction, namespace, sent.server)
        there = transaction.mcp_version(server.id, sent.version)
        if there is None:
            check_new(transaction, server, sent.version)
            there = transaction.add_mcp_version(replace(wanted, server_id=server.id))
        else:
            _check_same(there, wanted)
            transaction.change_mcp_version(replace(wanted, id=there.id, server_id=server.id))
        too_many("tags", {*there.tags, *sent.tags}, MCP_TAGS, "MCP_TAGS")
        for key, value in unmarked(sent.tags).items():
            transaction.put_mcp_version_tag(there.id, key, value)
        found.show_newest(transaction, server)
        body = {"version": sent.version, "source": source, "digest": found.digest_of(wanted.definition, wanted.tools)}
        found.record(house, transaction, namespace, sent.server, "version.imported", body)
        return 1

    return house.catalog.write(work)


def _server(namespace: str, source: str, sent: CarriedMcpServer) -> McpServer:
    """Raises BadValue, LimitExceeded."""
    checks.check_name(sent.name)
    checks.check_words("display_name", sent.display_name)
    checks.check_words("description", sent.description)
    for user in (sent.created_by, sent.updated_by):
        check_user(user)
    too_many("aliases", sent.aliases, MCP_ALIASES, "MCP_ALIASES")
    too_many("endpoints", sent.endpoints, MCP_ENDPOINTS, "MCP_ENDPOINTS")
    for alias in sent.aliases:
        checks.check_alias(alias)
    tags = {**unmarked(sent.tags), CAME_FROM: source}
    _check_tags(tags)
    return McpServer(
        id=0,
        namespace=namespace,
        name=sent.name,
        display_name=sent.display_name,
        description=sent.description,
        icons=_icons(sent.icons),
        created_by=sent.created_by,
        updated_by=sent.updated_by,
        created_ms=sent.created_ms,
        updated_ms=sent.updated_ms,
        tags=tags,
    )


def _version(sent: CarriedMcpVersion) -> McpVersion:
    """Raises BadValue, LimitExceeded."""
    release_key(sent.version, "server_json.version")
    if sent.status not in list(McpStatus) or sent.status == McpStatus.DELETED:
        raise BadValue(f"{sent.status[:80]!r} is no status of a version that is there.")
    checks.check_source(sent.source)
    for user in (sent.created_by, sent.updated_by):
        check_user(user)
    definition, options = _object("server_json", sent.definition), _object("connect_options", sent.options)
    if (definition.get("name"), definition.get("version")) != (sent.server, sent.version):
        raise BadValue("A definition names another server, or another version, than it was sent for.")
    checks.check_icons(definition.get("icons"))
    return McpVersion(
        id=0,
        server_id=0,
        server=sent.server,
        version=sent.version,
        definition=checks.written_definition(definition),
        status=McpStatus(sent.status),
        tools=_tools(sent.tools),
        source=sent.source,
        options=checks.written_options(options),
        created_by=sent.created_by,
        updated_by=sent.updated_by,
        created_ms=sent.created_ms,
        updated_ms=sent.updated_ms,
    )


def _endpoint(sent: CarriedMcpEndpoint) -> McpEndpoint:
    """Raises BadValue, LimitExceeded."""
    checks.check_address(sent.url)
    check_text("id", sent.endpoint, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
    if sent.transport not in list(McpTransport):
        raise BadValue(f"Invalid transport_type: '{sent.transport[:80]}'")
    if bool(sent.version) == bool(sent.alias):
        raise BadValue("Exactly one of server_version or server_alias must be provided")
    return McpEndpoint(
        id=0,
        endpoint=sent.endpoint,
        server_id=0,
        server="",
        url=sent.url,
        transport=McpTransport(sent.transport),
        version_id=0,
        version=sent.version or None,
        alias=sent.alias or None,
        created_by=sent.created_by,
        updated_by=sent.updated_by,
        created_ms=sent.created_ms,
        updated_ms=sent.updated_ms,
    )


def _put_server(transaction: Transaction, wanted: McpServer) -> McpServer:
    """Raises LimitExceeded, NamespaceNotFound, NameTaken."""
    there = transaction.mcp_server(wanted.namespace, wanted.name)
    if there is None:
        check_room(transaction, wanted.namespace)
        there = transaction.add_mcp_server(wanted)
    elif CAME_FROM not in there.tags:
        raise NameTaken(f"The MCP server {wanted.name} is here already, and was not imported.", hint=_ELSEWHERE)
    too_many("tags", {*there.tags, *wanted.tags}, MCP_TAGS, "MCP_TAGS")
    server = replace(wanted, id=there.id, newest=there.newest, aliases=there.aliases)
    transaction.change_mcp_server(server)
    for key, value in wanted.tags.items():
        transaction.put_mcp_tag(server.id, key, value)
    return server


def _leads(endpoint: McpEndpoint, server: McpServer, versions: Mapping[str, int], aliases: Mapping[str, int]) -> bool:
    """Whether it comes to a version that is here."""
    if endpoint.version is not None:
        return endpoint.version in versions
    if endpoint.alias == LATEST:
        return bool(versions)
    return endpoint.alias in aliases or endpoint.alias in server.aliases


def _put_endpoint(transaction: Transaction, server: McpServer, wanted: McpEndpoint) -> None:
    """Raises NameTaken."""
    there = transaction.mcp_endpoint(server.namespace, wanted.endpoint)
    whole = replace(wanted, server_id=server.id, server=server.name)
    if there is not None and there.server == server.name:
        transaction.change_mcp_endpoint(replace(whole, id=there.id))
    elif transaction.mcp_endpoint_id_is_known(wanted.endpoint):
        raise NameTaken(f"The access endpoint {wanted.endpoint} is another server's here.", hint=_ELSEWHERE)
    else:
        transaction.add_mcp_endpoint(server.namespace, whole)


def _check_same(there: McpVersion, wanted: McpVersion) -> None:
    """Raises NameTaken."""
    if there.status is McpStatus.DELETED:
        raise NameTaken(f"Version {there.version} of {there.server} was deleted here; it is given once.")
    if same_json(there.definition) != same_json(wanted.definition):
        raise NameTaken(f"Version {there.version} of {there.server} is here already, with another definition.")


def _check_tags(tags: Mapping[str, str]) -> None:
    """Raises BadValue, LimitExceeded."""
    too_many("tags", tags, MCP_TAGS, "MCP_TAGS")
    for key, value in tags.items():
        checks.check_tag(key, value)


def _icons(said: str | None) -> str | None:
    """Raises BadValue, LimitExceeded."""
    if said is None:
        return None
    icons = _objects("icons", said)
    checks.check_icons(icons)
    return checks.written_icons(icons)


def _tools(said: str | None) -> str | None:
    """Raises BadValue, LimitExceeded."""
    if said is None:
        return None
    tools = _objects("tools", said)
    for each in tools:
        checks.check_icons(each.get("icons"))
    return checks.written_tools(tools)


def _objects(what: str, said: str) -> Icons:
    """Raises BadValue."""
    value = read_json(what, said)
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it is no list of objects.")
    return [each for each in value if isinstance(each, Mapping)]


def _object(what: str, said: str) -> Mapping[str, Json]:
    """Raises BadValue."""
    value = read_json(what, said)
    if not isinstance(value, Mapping):
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it is no object.")
    return value
