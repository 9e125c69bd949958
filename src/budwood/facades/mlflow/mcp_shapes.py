"""MCP servers, their versions and endpoints as MLflow's messages; every field is there, null where nothing is said."""

import json
from collections.abc import Mapping
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpVersion
from budwood.facades.face import Asked
from budwood.verbs.mcp.servers import Reached

_TOOL_FIELDS: Final = (
    *("name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "execution"),
)


def server_shown(asked: Asked, reached: Reached) -> Json:
    server = reached.server
    return {
        "name": server.name,
        "display_name": server.display_name,
        "description": server.shown_description,
        "icons": server.shown_icons,
        "workspace": asked.namespace,
        "status": str(server.newest.status) if server.newest else None,
        "access_endpoints": [endpoint_summary(asked, each) for each in reached.endpoints],
        "latest_version": server.newest.version if server.newest else None,
        "aliases": [{"alias": alias, "version": version} for alias, version in server.aliases.items()],
        "tags": dict(server.tags),
        **_changed(server),
    }


def version_shown(asked: Asked, version: McpVersion) -> dict[str, Json]:
    return {
        "name": version.server,
        "version": version.version,
        "server_json": json.loads(version.definition),
        "workspace": asked.namespace,
        "status": str(version.status),
        "tools": _tools(version) or [],
        "aliases": list(version.aliases),
        "tags": dict(version.tags),
        "connect_options": json.loads(version.options),
        "source": version.source,
        **_changed(version),
    }


def endpoint_shown(asked: Asked, endpoint: McpEndpoint) -> Json:
    """With the tools of the version it leads to, beside that version."""
    resolved = endpoint.resolved
    return {**endpoint_summary(asked, endpoint), "tools": _tools(resolved) if resolved is not None else None}


def endpoint_summary(asked: Asked, endpoint: McpEndpoint) -> dict[str, Json]:
    resolved = endpoint.resolved
    return {
        "id": endpoint.endpoint,
        "server_name": endpoint.server,
        "url": endpoint.url,
        "transport_type": str(endpoint.transport),
        "workspace": asked.namespace,
        "server_version": endpoint.version,
        "server_alias": endpoint.alias,
        "resolved_version": version_shown(asked, resolved) if resolved is not None else None,
        **_changed(endpoint),
    }


def _changed(thing: McpServer | McpVersion | McpEndpoint) -> dict[str, Json]:
    return {
        "created_by": thing.created_by or None,
        "last_updated_by": thing.updated_by or None,
        "creation_timestamp": thing.created_ms,
        "last_updated_timestamp": thing.updated_ms,
    }


def _tools(version: McpVersion) -> list[Json] | None:
    if version.tools is None:
        return None
    tools: list[Mapping[str, Json]] = json.loads(version.tools)
    return [{name: each.get(name) for name in _TOOL_FIELDS} for each in tools]
