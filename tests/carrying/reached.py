"""MCP servers in any store that MLflow's client can write, and all of them as that client is told."""

from collections.abc import Mapping
from typing import Any

WEATHER, BARE = "com.example/weather", "com.example/bare"
ICON = {"src": "https://8.8.8.8/icon.png", "mimeType": "image/png"}


def fill_mcp(client: Any) -> None:
    """One with versions of every status, aliases, tags, tools and endpoints of all kinds; one that says nothing."""
    from mlflow.entities.mcp_server import MCPRemoteTransportType, MCPStatus, MCPTool
    from mlflow.entities.mcp_server_version import ConnectOptionSettings

    tools = [MCPTool("forecast", input_schema={"type": "object"}, icons=[ICON])]
    for version in ("1.0.0", "1.1.0", "2.0.0-rc.1", "0.1.0"):
        said = {"name": WEATHER, "version": version, "description": "tells the weather", "_meta": {"ü": [None, 0.5]}}
        client.create_mcp_server_version(
            said,
            source="git://x",
            status=MCPStatus.ACTIVE if version.startswith("1") else MCPStatus.DRAFT,
            tools=tools if version == "1.1.0" else None,
            connect_options={"npm": ConnectOptionSettings(hidden=True)} if version == "1.0.0" else None,
        )
    client.update_mcp_server_version(WEATHER, "1.0.0", status=MCPStatus.DEPRECATED)
    client.update_mcp_server(WEATHER, display_name="Wetter", icons=[{**ICON, "theme": "dark"}])
    client.set_mcp_server_tag(WEATHER, "team/of", "risk")
    client.set_mcp_server_version_tag(WEATHER, "1.1.0", "tried", "ja")
    client.set_mcp_server_alias(WEATHER, "next/best", "2.0.0-rc.1")
    client.create_mcp_access_endpoint(WEATHER, "https://a.example/mcp", server_version="1.0.0")
    client.create_mcp_access_endpoint(WEATHER, "https://b.example/mcp", server_alias="next/best")
    client.create_mcp_access_endpoint(
        WEATHER, "https://c.example/", transport_type=MCPRemoteTransportType.SSE, server_alias="latest"
    )
    client.delete_mcp_server_version(WEATHER, "0.1.0")
    client.create_mcp_server(BARE, description="")


def everything_reached(client: Any, *, ids: bool = True) -> Mapping[str, Any]:
    """Without ``ids``, what a server names and times by itself is left out."""
    return {each.name: (_server(each, ids), _versions(client, each.name, ids)) for each in client.search_mcp_servers()}


def _server(each: Any, ids: bool) -> tuple[Any, ...]:
    said = (each.display_name, each.description, each.icons, each.latest_version, each.status, dict(each.aliases))
    return (*said, _own(each.tags), sorted(_endpoint(one, ids) for one in each.access_endpoints), *_changed(each, ids))


def _versions(client: Any, name: str, ids: bool) -> list[tuple[Any, ...]]:
    several = sorted(client.search_mcp_server_versions(name), key=lambda each: str(each.version))
    return [
        (
            *(each.version, each.server_json, each.status, repr(each.tools), each.source, sorted(each.aliases)),
            *({name: option.hidden for name, option in each.connect_options.items()}, _own(each.tags)),
            *_changed(each, ids),
        )
        for each in several
    ]


def _endpoint(each: Any, ids: bool) -> tuple[Any, ...]:
    leads = each.server_version or "", each.server_alias or "", each.resolved_version.version
    return (each.url, str(each.transport_type), *leads, *((each.id,) if ids else ()), *_changed(each, ids))


def _changed(each: Any, ids: bool) -> tuple[Any, ...]:
    users = each.created_by or "", each.last_updated_by or ""
    return (*users, each.creation_timestamp, each.last_updated_timestamp) if ids else ()


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("budwood.")}
