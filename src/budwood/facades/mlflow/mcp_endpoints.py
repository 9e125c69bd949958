"""Where MCP servers are reached, as MLflow 3.17 has it. Addresses are told, and never asked."""

from collections.abc import Sequence
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.mcp.records import McpEndpoint, McpTransport
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow import mcp_bodies as bodies
from budwood.facades.mlflow.mcp_bodies import Body, body_of
from budwood.facades.mlflow.mcp_servers import ONE, ROOT, name_of, searched
from budwood.facades.mlflow.mcp_shapes import endpoint_shown
from budwood.facades.mlflow.values import text
from budwood.verbs.mcp import endpoints as verbs


def create(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.NEW_ENDPOINT)
    transport = _transport(body.get("transport_type", str(McpTransport.STREAMABLE_HTTP)))
    made = verbs.create_endpoint(
        asked.whole, asked.namespace, name_of(asked), str(body["url"]), transport, _leading(body)
    )
    return endpoint_shown(asked, made)


def get(asked: Asked) -> Json:
    return endpoint_shown(asked, verbs.get_endpoint(asked.whole, asked.namespace, *_which(asked)))


def search(asked: Asked) -> Json:
    page = verbs.find_endpoints(asked.whole, asked.namespace, name_of(asked), *_searched(asked))
    return _page_shown(asked, page.endpoints, page.token)


def search_all(asked: Asked) -> Json:
    page = verbs.find_endpoints(asked.whole, asked.namespace, None, *_searched(asked))
    return _page_shown(asked, page.endpoints, page.token)


def update(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.CHANGED_ENDPOINT)
    transport = _transport(body["transport_type"]) if body.get("transport_type") is not None else None
    if "url" in body and body["url"] is None:
        raise BadValue("MCP access endpoint url cannot be None")
    wish = verbs.EndpointWish(_said(body, "url"), transport, _leading(body))
    return endpoint_shown(asked, verbs.change_endpoint(asked.whole, asked.namespace, *_which(asked), wish))


def delete(asked: Asked) -> Json:
    verbs.delete_endpoint(asked.whole, asked.namespace, *_which(asked))
    return None


def _which(asked: Asked) -> tuple[str, str]:
    return name_of(asked), text(asked.values, "endpoint_id")


def _searched(asked: Asked) -> tuple[verbs.Leading, str, tuple[str, ...], str, int]:
    filter_string, orders, token, limit = searched(asked)
    return _leading(dict(asked.values)), filter_string, tuple(orders), token, limit


def _leading(body: Body) -> verbs.Leading:
    return verbs.Leading(_said(body, "server_version"), _said(body, "server_alias"))


def _said(body: Body, field: str) -> str | None:
    """Raises BadValue."""
    return text(body, field) if body.get(field) is not None else None


def _transport(word: Json) -> McpTransport:
    """Raises BadValue."""
    if word not in list(McpTransport):
        raise BadValue(f"Invalid transport_type: '{str(word)[:80]}'")
    return McpTransport(str(word))


def _page_shown(asked: Asked, endpoints: Sequence[McpEndpoint], token: str) -> Json:
    shown = [endpoint_shown(asked, each) for each in endpoints]
    return {"mcp_access_endpoints": shown, "next_page_token": token or None}


_OF_ONE: Final = f"{ONE}/endpoints"
_ENDPOINT: Final = f"{_OF_ONE}/{{endpoint_id}}"
ENDPOINTS: Final = (
    Endpoint("mlflow.mcp-endpoints.search-all", "GET", f"{ROOT}/endpoints", Permission.READ, search_all),
    Endpoint("mlflow.mcp-endpoints.create", "POST", _OF_ONE, Permission.PUSH, create),
    Endpoint("mlflow.mcp-endpoints.search", "GET", _OF_ONE, Permission.READ, search),
    Endpoint("mlflow.mcp-endpoints.get", "GET", _ENDPOINT, Permission.READ, get),
    Endpoint("mlflow.mcp-endpoints.update", "PATCH", _ENDPOINT, Permission.PUSH, update),
    Endpoint("mlflow.mcp-endpoints.delete", "DELETE", _ENDPOINT, Permission.PUSH, delete),
)
