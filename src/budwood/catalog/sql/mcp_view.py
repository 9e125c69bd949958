"""Reading MCP servers, for every SQL database. ``view.py`` joins it with the rest."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, func, select

from budwood.catalog.mcp_api import McpEndpointPage, McpSearch, McpServerPage, McpVersionPage
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.mcp_search import find_endpoint_ids, find_server_ids, find_version_ids, led
from budwood.catalog.sql.mcp_tables import (
    mcp_alias,
    mcp_endpoint,
    mcp_server,
    mcp_tag,
    mcp_version,
    mcp_version_tag,
)
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.rooms import room_of
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.domain.limits import MCP_SERVERS_PAGE
from budwood.domain.mcp.records import (
    McpEndpoint,
    McpRelease,
    McpServer,
    McpStatus,
    McpTransport,
    McpVersion,
    Newest,
)

_here: Final = namespace.c.name == bindparam("namespace")
_SERVER: Final = Statement(
    select(*mcp_server.c)
    .join_from(mcp_server, namespace, namespace.c.id == mcp_server.c.namespace_id)
    .where(_here, mcp_server.c.name == bindparam("name"))
)
_SERVERS: Final = widened(lambda each: select(*mcp_server.c).where(mcp_server.c.id.in_(each)))
_SERVER_COUNT: Final = Statement(
    select(func.count())
    .select_from(mcp_server)
    .where(mcp_server.c.namespace_id == select(namespace.c.id).where(_here).scalar_subquery())
)
_versions: Final[Select[Any]] = select(*mcp_version.c, mcp_server.c.name).join_from(
    mcp_version, mcp_server, mcp_server.c.id == mcp_version.c.server_id
)
_of_server: Final[BindParameter[int]] = bindparam("of_server")
_VERSION: Final = Statement(
    _versions.where(mcp_version.c.server_id == _of_server, mcp_version.c.version == bindparam("version"))
)
_VERSIONS: Final = widened(lambda each: _versions.where(mcp_version.c.id.in_(each)))
_RELEASES: Final = Statement(
    select(
        *(mcp_version.c.id, mcp_version.c.version, mcp_version.c.status, mcp_version.c.created_ms),
        *(mcp_version.c.major, mcp_version.c.minor, mcp_version.c.patch, mcp_version.c.key),
    )
    .where(mcp_version.c.server_id == _of_server)
    .order_by(mcp_version.c.version)
)
_TAGS: Final = widened(
    lambda each: select(*mcp_tag.c).where(mcp_tag.c.server_id.in_(each)).order_by(mcp_tag.c.server_id, mcp_tag.c.key)
)
_VERSION_TAGS: Final = widened(
    lambda each: (
        select(*mcp_version_tag.c)
        .where(mcp_version_tag.c.version_id.in_(each))
        .order_by(mcp_version_tag.c.version_id, mcp_version_tag.c.key)
    )
)
_ALIASES: Final = widened(
    lambda each: (
        select(mcp_alias.c.server_id, mcp_alias.c.alias, mcp_version.c.version)
        .join_from(mcp_alias, mcp_version, mcp_version.c.id == mcp_alias.c.version_id)
        .where(mcp_alias.c.server_id.in_(each))
        .order_by(mcp_alias.c.server_id, mcp_alias.c.alias)
    )
)
_POINTED: Final = widened(
    lambda each: (
        select(mcp_alias.c.version_id, mcp_alias.c.alias)
        .where(mcp_alias.c.version_id.in_(each))
        .order_by(mcp_alias.c.version_id, mcp_alias.c.alias)
    )
)
_said: Final = (
    select(mcp_version.c.version).where(mcp_version.c.id == mcp_endpoint.c.version_id).correlate(mcp_endpoint)
).scalar_subquery()
_endpoint_columns: Final = (*mcp_endpoint.c, mcp_server.c.name, func.coalesce(_said, ""))
_ENDPOINT: Final = Statement(
    select(*_endpoint_columns)
    .join_from(mcp_endpoint, mcp_server, mcp_server.c.id == mcp_endpoint.c.server_id)
    .join(namespace, namespace.c.id == mcp_endpoint.c.namespace_id)
    .where(mcp_endpoint.c.endpoint == bindparam("endpoint"), _here)
)
_ENDPOINT_ID: Final = Statement(select(mcp_endpoint.c.endpoint).where(mcp_endpoint.c.endpoint == bindparam("endpoint")))
_LED: Final = widened(
    lambda each: select(*_endpoint_columns, mcp_version.c.id).where(mcp_endpoint.c.id.in_(each), led())
)
_LED_OF: Final = widened(
    lambda each: (
        select(*_endpoint_columns, mcp_version.c.id)
        .where(mcp_endpoint.c.server_id.in_(each), led())
        .order_by(mcp_endpoint.c.server_id, mcp_endpoint.c.endpoint)
    )
)
_ENDPOINT_COUNT: Final = Statement(
    select(func.count()).select_from(mcp_endpoint).where(mcp_endpoint.c.server_id == _of_server)
)


class McpReads(LedgerReads):
    """``catalog.mcp_api.McpView`` over one session."""

    __slots__ = ()

    def mcp_server(self, namespace: str, name: str) -> McpServer | None:
        row = self._session.one(_SERVER, namespace=namespace, name=name)
        return self._mcp_servers(namespace, [row])[0] if row is not None else None

    def mcp_server_count(self, namespace: str) -> int:
        return self._mcp_count(_SERVER_COUNT, namespace=namespace)

    def find_mcp_servers(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpServerPage:
        room = room_of(self._session, namespace)
        if not room:
            return McpServerPage(())
        ids, token = find_server_ids(self._session, room, search, token, _bounded(limit))
        rows = {row[0]: row for row in self._mcp_rows(_SERVERS, ids)}
        return McpServerPage(tuple(self._mcp_servers(namespace, [rows[each] for each in ids])), token)

    def mcp_version(self, server_id: int, version: str) -> McpVersion | None:
        row = self._session.one(_VERSION, of_server=server_id, version=version)
        return self._mcp_versions([row])[row[0]] if row is not None else None

    def mcp_releases(self, server_id: int) -> Sequence[McpRelease]:
        rows = self._session.all(_RELEASES, of_server=server_id)
        return [McpRelease(row[0], row[1], known(McpStatus, row[2]), row[3], tuple(row[4:])) for row in rows]

    def find_mcp_versions(
        self, server_id: int, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpVersionPage:
        ids, token = find_version_ids(self._session, server_id, search, token, _bounded(limit))
        versions = self._mcp_versions(self._mcp_rows(_VERSIONS, ids))
        return McpVersionPage(tuple(versions[each] for each in ids), token)

    def mcp_endpoint(self, namespace: str, endpoint: str) -> McpEndpoint | None:
        row = self._session.one(_ENDPOINT, namespace=namespace, endpoint=endpoint)
        if row is None:
            return None
        return next(iter(self._mcp_endpoints(self._mcp_rows(_LED, [row[0]]))), None) or _endpoint(row)

    def mcp_endpoint_id_is_known(self, endpoint: str) -> bool:
        return self._session.one(_ENDPOINT_ID, endpoint=endpoint) is not None

    def mcp_endpoints(self, server_ids: Sequence[int]) -> Mapping[int, Sequence[McpEndpoint]]:
        found: defaultdict[int, list[McpEndpoint]] = defaultdict(list)
        for each in self._mcp_endpoints(self._mcp_rows(_LED_OF, server_ids)):
            found[each.server_id].append(each)
        return found

    def mcp_endpoint_count(self, server_id: int) -> int:
        return self._mcp_count(_ENDPOINT_COUNT, of_server=server_id)

    def find_mcp_endpoints(
        self, namespace: str, search: McpSearch, *, token: str = "", limit: int = 100
    ) -> McpEndpointPage:
        room = room_of(self._session, namespace)
        if not room:
            return McpEndpointPage(())
        ids, token = find_endpoint_ids(self._session, room, search, token, _bounded(limit))
        found = {each.id: each for each in self._mcp_endpoints(self._mcp_rows(_LED, ids))}
        return McpEndpointPage(tuple(found[each] for each in ids), token)

    def _mcp_servers(self, namespace: str, rows: Sequence[Row]) -> list[McpServer]:
        ids = [row[0] for row in rows]
        tags, aliases = self._mcp_pairs(_TAGS, ids), self._mcp_pairs(_ALIASES, ids)
        return [_server(namespace, row, tags[row[0]], aliases[row[0]]) for row in rows]

    def _mcp_versions(self, rows: Iterable[Row]) -> dict[int, McpVersion]:
        found = list(rows)
        ids = [row[0] for row in found]
        tags, aliases = self._mcp_pairs(_VERSION_TAGS, ids), defaultdict[int, list[str]](list)
        for id_, alias in self._mcp_rows(_POINTED, ids):
            aliases[id_].append(alias)
        return {row[0]: _version(row, tuple(aliases[row[0]]), tags[row[0]]) for row in found}

    def _mcp_endpoints(self, rows: Iterable[Row]) -> list[McpEndpoint]:
        """With the versions they lead to; several may lead to one."""
        found = list(rows)
        versions = self._mcp_versions(self._mcp_rows(_VERSIONS, list({row[-1] for row in found})))
        return [_endpoint(row[:-1], versions[row[-1]]) for row in found]

    def _mcp_pairs(self, statements: Mapping[int, Statement], ids: Sequence[int]) -> defaultdict[int, dict[str, str]]:
        pairs: defaultdict[int, dict[str, str]] = defaultdict(dict)
        for id_, key, value in self._mcp_rows(statements, ids):
            pairs[id_][key] = value
        return pairs

    def _mcp_rows(self, statements: Mapping[int, Statement], ids: Sequence[int]) -> Iterable[Row]:
        for width, each in in_parts(ids):
            yield from self._session.all(statements[width], **each)

    def _mcp_count(self, statement: Statement, **values: object) -> int:
        count: int = self._session.all(statement, **values)[0][0]
        return count


def _bounded(limit: int) -> int:
    return max(0, min(limit, MCP_SERVERS_PAGE))


def _server(namespace: str, row: Row, tags: Mapping[str, str], aliases: Mapping[str, str]) -> McpServer:
    id_, _, name, shown, description, icons, by, changed_by, created, updated, newest_id, version, status, *says = row
    newest = Newest(newest_id, version, known(McpStatus, status), *says) if newest_id else None
    said = (shown, description, icons, by, changed_by, created, updated)
    return McpServer(id_, namespace, name, *said, newest, tags, aliases)


def _version(row: Row, aliases: tuple[str, ...], tags: Mapping[str, str]) -> McpVersion:
    id_, server_id, version, _, _, _, _, definition, status, tools, source, options, _, *changed, server = row
    told = (definition, known(McpStatus, status), tools, source, options)
    return McpVersion(*(id_, server_id, server, version, *told, *changed, aliases, tags))


def _endpoint(row: Row, resolved: McpVersion | None = None) -> McpEndpoint:
    id_, _, endpoint, server_id, url, transport, version_id, alias, *changed, server, version = row
    said = (known(McpTransport, transport), version_id, version or None, alias or None)
    return McpEndpoint(*(id_, endpoint, server_id, server, url, *said, *changed, resolved))
