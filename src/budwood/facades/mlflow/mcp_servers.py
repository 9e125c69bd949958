"""The registry of MCP servers, as MLflow 3.17 has it: servers and their tags.

A name has a slash in it. MLflow's client sends it as one segment of an address, people write it as two; both are
served. What definitions say is kept as it came: nothing in them is fetched or run.
"""

from collections.abc import Sequence
from typing import Final, cast

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.mcp.records import Icons
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow import mcp_bodies as bodies
from budwood.facades.mlflow.mcp_bodies import body_of
from budwood.facades.mlflow.mcp_shapes import server_shown
from budwood.facades.mlflow.values import text, texts
from budwood.verbs.mcp import servers as verbs

ROOT: Final = "/api/3.0/mlflow/mcp-servers"
ONE: Final = f"{ROOT}/{{name}}"
"""A server; ``protocol.addresses`` knows its other spelling."""
_PAGE: Final = 100


def create(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.NEW_SERVER)
    name, icons = str(body["name"]), cast(Icons | None, body.get("icons"))
    said = cast(str | None, body.get("description"))
    return server_shown(asked, verbs.Reached(verbs.create_server(asked.whole, asked.namespace, name, said, icons)))


def get(asked: Asked) -> Json:
    return server_shown(asked, verbs.get_server(asked.whole, asked.namespace, name_of(asked)))


def search(asked: Asked) -> Json:
    page = verbs.find_servers(asked.whole, asked.namespace, *searched(asked))
    return {"mcp_servers": [server_shown(asked, each) for each in page.servers], "next_page_token": page.token or None}


def update(asked: Asked) -> Json:
    if "latest_version" in asked.values:
        message = "latest_version is read-only; it is resolved automatically from semantic-version ordering"
        raise BadValue(f"Invalid request: Value error, {message}")
    body = body_of(asked.values, bodies.CHANGED_SERVER)
    words = {name: cast(str | None, said) for name, said in body.items() if name != "icons"}
    icons = [cast(Icons | None, body["icons"])] if "icons" in body else []
    return server_shown(asked, verbs.change_server(asked.whole, asked.namespace, name_of(asked), words, icons))


def delete(asked: Asked) -> Json:
    verbs.delete_server(asked.whole, asked.namespace, name_of(asked))
    return None


def set_tag(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.TAG)
    verbs.tag_server(asked.whole, asked.namespace, name_of(asked), str(body["key"]), str(body["value"]))
    return None


def delete_tag(asked: Asked) -> Json:
    verbs.untag_server(asked.whole, asked.namespace, name_of(asked), text(asked.values, "key"))
    return None


def name_of(asked: Asked) -> str:
    """The server of an address, in one segment or in two."""
    domain, slug = text(asked.values, "domain"), text(asked.values, "slug")
    return f"{domain}/{slug}" if domain and slug else text(asked.values, "name")


def searched(asked: Asked) -> tuple[str, Sequence[str], str, int]:
    """A filter, orders, a page token, and how many at most. Raises BadValue."""
    values = asked.values
    written = text(values, "max_results", str(_PAGE))
    if not written.removeprefix("-").isdigit() or len(written) > 18:
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise BadValue(f"Invalid request: query.max_results: {message}")
    return text(values, "filter_string"), texts(values, "order_by"), text(values, "page_token"), int(written)


ENDPOINTS: Final = (
    Endpoint("mlflow.mcp-servers.create", "POST", ROOT, Permission.PUSH, create),
    Endpoint("mlflow.mcp-servers.search", "GET", ROOT, Permission.READ, search),
    Endpoint("mlflow.mcp-servers.get", "GET", ONE, Permission.READ, get),
    Endpoint("mlflow.mcp-servers.update", "PATCH", ONE, Permission.PUSH, update),
    Endpoint("mlflow.mcp-servers.delete", "DELETE", ONE, Permission.REMOVE, delete),
    Endpoint("mlflow.mcp-servers.set-tag", "POST", f"{ONE}/tags", Permission.PUSH, set_tag),
    Endpoint("mlflow.mcp-servers.delete-tag", "DELETE", f"{ONE}/tags/{{key*}}", Permission.PUSH, delete_tag),
)
