"""Changing MCP servers, for every SQL database. ``transaction.py`` joins it with the rest."""

from dataclasses import replace
from typing import Final

from sqlalchemy import Table, bindparam, delete, update

from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.mcp_tables import (
    mcp_alias,
    mcp_endpoint,
    mcp_server,
    mcp_tag,
    mcp_version,
    mcp_version_tag,
)
from budwood.catalog.sql.mcp_view import McpReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpVersion
from budwood.domain.mcp.releases import release_key


def _changing(table: Table, *names: str) -> Statement:
    """One row by its id."""
    return Statement(
        update(table).where(table.c.id == bindparam("of_id")).values({name: bindparam(f"to_{name}") for name in names})
    )


def _removing(table: Table) -> Statement:
    return Statement(delete(table).where(table.c.id == bindparam("of_id")))


def _removing_key(table: Table, owner: str, key: str) -> Statement:
    return Statement(delete(table).where(table.c[owner] == bindparam("of_owner"), table.c[key] == bindparam("of_key")))


_ADD_SERVER: Final = insert_numbered(mcp_server)
_CHANGE_SERVER: Final = _changing(
    mcp_server,
    *("display_name", "description", "icons", "updated_by", "updated_ms"),
    *("newest_id", "newest_version", "newest_status", "newest_description", "newest_icons"),
)
_REMOVE_SERVER: Final = _removing(mcp_server)
_ADD_VERSION: Final = insert_numbered(mcp_version)
_CHANGE_VERSION: Final = _changing(mcp_version, "status", "tools", "options", "size", "updated_by", "updated_ms")
_PUT_ALIAS: Final = upsert(mcp_alias, "server_id", "alias")
_REMOVE_ALIAS: Final = _removing_key(mcp_alias, "server_id", "alias")
_PUT_TAG: Final = upsert(mcp_tag, "server_id", "key")
_REMOVE_TAG: Final = _removing_key(mcp_tag, "server_id", "key")
_PUT_VERSION_TAG: Final = upsert(mcp_version_tag, "version_id", "key")
_REMOVE_VERSION_TAG: Final = _removing_key(mcp_version_tag, "version_id", "key")
_ADD_ENDPOINT: Final = insert_numbered(mcp_endpoint)
_CHANGE_ENDPOINT: Final = _changing(mcp_endpoint, "url", "transport", "version_id", "alias", "updated_by", "updated_ms")
_REMOVE_ENDPOINT: Final = _removing(mcp_endpoint)
_REMOVE_ENDPOINTS: Final = Statement(
    delete(mcp_endpoint).where(
        mcp_endpoint.c.server_id == bindparam("of_server"),
        mcp_endpoint.c.version_id == bindparam("of_version"),
        mcp_endpoint.c.alias == bindparam("of_alias"),
    )
)


class McpWrites(McpReads):
    """``catalog.mcp_api.McpTransaction`` over one session."""

    __slots__ = ()

    def add_mcp_server(self, server: McpServer) -> McpServer:
        id_ = self._session.add(
            _ADD_SERVER,
            namespace_id=known_room(self._session, server.namespace),
            name=server.name,
            display_name=server.display_name,
            description=server.description,
            icons=server.icons,
            created_by=server.created_by,
            updated_by=server.updated_by,
            created_ms=server.created_ms,
            updated_ms=server.updated_ms,
            **_newest(server),
        )
        return replace(server, id=id_)

    def change_mcp_server(self, server: McpServer) -> None:
        self._session.change(
            _CHANGE_SERVER,
            of_id=server.id,
            to_display_name=server.display_name,
            to_description=server.description,
            to_icons=server.icons,
            to_updated_by=server.updated_by,
            to_updated_ms=server.updated_ms,
            **{f"to_{name}": value for name, value in _newest(server).items()},
        )

    def remove_mcp_server(self, server_id: int) -> None:
        self._session.change(_REMOVE_SERVER, of_id=server_id)

    def add_mcp_version(self, version: McpVersion) -> McpVersion:
        major, minor, patch, key = release_key(version.version, "version")
        id_ = self._session.add(
            _ADD_VERSION,
            server_id=version.server_id,
            version=version.version,
            major=major,
            minor=minor,
            patch=patch,
            key=key,
            definition=version.definition,
            status=str(version.status),
            tools=version.tools,
            source=version.source,
            options=version.options,
            size=version.size,
            created_by=version.created_by,
            updated_by=version.updated_by,
            created_ms=version.created_ms,
            updated_ms=version.updated_ms,
        )
        return replace(version, id=id_)

    def change_mcp_version(self, version: McpVersion) -> None:
        self._session.change(
            _CHANGE_VERSION,
            of_id=version.id,
            to_status=str(version.status),
            to_tools=version.tools,
            to_options=version.options,
            to_size=version.size,
            to_updated_by=version.updated_by,
            to_updated_ms=version.updated_ms,
        )

    def put_mcp_alias(self, server_id: int, alias: str, version_id: int) -> None:
        self._session.change(_PUT_ALIAS, server_id=server_id, alias=alias, version_id=version_id)

    def remove_mcp_alias(self, server_id: int, alias: str) -> bool:
        return self._session.change(_REMOVE_ALIAS, of_owner=server_id, of_key=alias) > 0

    def put_mcp_tag(self, server_id: int, key: str, value: str) -> None:
        self._session.change(_PUT_TAG, server_id=server_id, key=key, value=value)

    def remove_mcp_tag(self, server_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_TAG, of_owner=server_id, of_key=key) > 0

    def put_mcp_version_tag(self, version_id: int, key: str, value: str) -> None:
        self._session.change(_PUT_VERSION_TAG, version_id=version_id, key=key, value=value)

    def remove_mcp_version_tag(self, version_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_VERSION_TAG, of_owner=version_id, of_key=key) > 0

    def add_mcp_endpoint(self, namespace: str, endpoint: McpEndpoint) -> McpEndpoint:
        id_ = self._session.add(
            _ADD_ENDPOINT,
            namespace_id=known_room(self._session, namespace),
            endpoint=endpoint.endpoint,
            server_id=endpoint.server_id,
            url=endpoint.url,
            transport=str(endpoint.transport),
            version_id=endpoint.version_id,
            alias=endpoint.alias or "",
            created_by=endpoint.created_by,
            updated_by=endpoint.updated_by,
            created_ms=endpoint.created_ms,
            updated_ms=endpoint.updated_ms,
        )
        return replace(endpoint, id=id_)

    def change_mcp_endpoint(self, endpoint: McpEndpoint) -> None:
        self._session.change(
            _CHANGE_ENDPOINT,
            of_id=endpoint.id,
            to_url=endpoint.url,
            to_transport=str(endpoint.transport),
            to_version_id=endpoint.version_id,
            to_alias=endpoint.alias or "",
            to_updated_by=endpoint.updated_by,
            to_updated_ms=endpoint.updated_ms,
        )

    def remove_mcp_endpoint(self, endpoint_id: int) -> None:
        self._session.change(_REMOVE_ENDPOINT, of_id=endpoint_id)

    def remove_mcp_endpoints_to(self, server_id: int, *, version_id: int = 0, alias: str = "") -> int:
        return self._session.change(_REMOVE_ENDPOINTS, of_server=server_id, of_version=version_id, of_alias=alias)


def _newest(server: McpServer) -> dict[str, object]:
    newest = server.newest
    return {
        "newest_id": newest.version_id if newest else 0,
        "newest_version": newest.version if newest else "",
        "newest_status": str(newest.status) if newest else "",
        "newest_description": newest.description if newest else None,
        "newest_icons": newest.icons if newest else None,
    }
