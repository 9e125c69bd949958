"""MCP servers as MLflow's messages and tables tell of them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from budwood.client.carrying import shapes
from budwood.client.carrying.shapes import Fields
from budwood.client.carrying.shapes_traced import optional, words
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.errors import Malformed


def server_of(each: Fields) -> CarriedMcpServer:
    """A server in a message, which shows what its newest version says where it says nothing. Raises Malformed."""
    return CarriedMcpServer(
        shapes.text(each, "name"),
        optional(each, "display_name"),
        optional(each, "description"),
        _own_icons(each.get("icons")),
        shapes.text(each, "created_by"),
        shapes.text(each, "last_updated_by"),
        shapes.whole(each, "creation_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
        words(each, "tags"),
        {shapes.text(one, "alias"): shapes.text(one, "version") for one in shapes.objects(each, "aliases")},
        tuple(endpoint_of(one) for one in shapes.objects(each, "access_endpoints")),
    )


def version_of(each: Fields) -> CarriedMcpVersion:
    """Raises Malformed."""
    return CarriedMcpVersion(
        shapes.text(each, "name"),
        shapes.text(each, "version"),
        json.dumps(shapes.inner(each, "server_json")),
        shapes.text(each, "status"),
        tools_said(shapes.objects(each, "tools")),
        optional(each, "source"),
        json.dumps(shapes.inner(each, "connect_options")),
        shapes.text(each, "created_by"),
        shapes.text(each, "last_updated_by"),
        shapes.whole(each, "creation_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
        words(each, "tags"),
    )


def endpoint_of(each: Fields) -> CarriedMcpEndpoint:
    """Raises Malformed."""
    return CarriedMcpEndpoint(
        shapes.text(each, "id"),
        shapes.text(each, "url"),
        shapes.text(each, "transport_type"),
        shapes.text(each, "server_version"),
        shapes.text(each, "server_alias"),
        shapes.text(each, "created_by"),
        shapes.text(each, "last_updated_by"),
        shapes.whole(each, "creation_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
    )


def tools_said(tools: Iterable[Fields]) -> str | None:
    """As JSON. Messages have every field of a tool, also what it does not say; where there is none, nobody said so."""
    said = [{key: value for key, value in each.items() if value is not None} for each in tools]
    return json.dumps(said) if said else None


def _own_icons(shown: Any) -> str | None:
    """Without those that a server shows of its newest version. Raises Malformed."""
    if shown is None:
        return None
    if not isinstance(shown, list) or not all(isinstance(each, Mapping) for each in shown):
        raise Malformed("The source says icons that are no list of objects.")
    own = [{key: value for key, value in each.items() if key != "source"} for each in shown if _is_own(each)]
    return json.dumps(own) if own or not shown else None


def _is_own(icon: Mapping[str, Any]) -> bool:
    return icon.get("source") != "version"
