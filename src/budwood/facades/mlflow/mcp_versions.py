"""Versions of MCP servers, as MLflow 3.17 has them: registered, found, changed, tagged, and pointed at by aliases."""

from collections.abc import Mapping
from typing import Final, cast

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.mcp.checks import check_name
from budwood.domain.mcp.records import McpStatus
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow import mcp_bodies as bodies
from budwood.facades.mlflow.mcp_bodies import body_of
from budwood.facades.mlflow.mcp_servers import ONE, name_of, searched
from budwood.facades.mlflow.mcp_shapes import version_shown
from budwood.facades.mlflow.values import text
from budwood.verbs.mcp import versions as verbs


def create(asked: Asked) -> Json:
    values = asked.values
    if "server_json" in values:
        values = {**values, "server_json": _unwrapped(values["server_json"])}
    body = body_of(values, bodies.NEW_VERSION)
    definition = cast(Mapping[str, Json], body["server_json"])
    named, name = str(definition["name"]), name_of(asked)
    check_name(named)
    check_name(name)
    if named != name:
        raise BadValue(f"server_json.name '{named}' does not match path parameter '{name}'")
    new = verbs.NewMcpVersion(
        definition,
        _status(body.get("status", str(McpStatus.DRAFT))),
        cast(str | None, body.get("source")),
        _tools(body.get("tools")),
        _options(body.get("connect_options")),
    )
    return version_shown(asked, verbs.create_version(asked.whole, asked.namespace, new))


def get(asked: Asked) -> Json:
    return version_shown(asked, verbs.get_version(asked.whole, asked.namespace, *_which(asked)))


def search(asked: Asked) -> Json:
    page = verbs.find_versions(asked.whole, asked.namespace, name_of(asked), *searched(asked))
    shown: list[Json] = [version_shown(asked, each) for each in page.versions]
    return {"mcp_server_versions": shown, "next_page_token": page.token or None}


def update(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.CHANGED_VERSION)
    if "status" in body and body["status"] is None:
        raise BadValue("status cannot be null; omit the field to leave it unchanged")
    wish = verbs.McpVersionWish(
        _status(body["status"]) if "status" in body else None,
        [_tools(body["tools"])] if "tools" in body else [],
        [_options(body["connect_options"])] if "connect_options" in body else [],
    )
    return version_shown(asked, verbs.change_version(asked.whole, asked.namespace, *_which(asked), wish))


def delete(asked: Asked) -> Json:
    verbs.delete_version(asked.whole, asked.namespace, *_which(asked))
    return None


def set_tag(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.TAG)
    verbs.tag_version(asked.whole, asked.namespace, *_which(asked), str(body["key"]), str(body["value"]))
    return None


def delete_tag(asked: Asked) -> Json:
    verbs.untag_version(asked.whole, asked.namespace, *_which(asked), text(asked.values, "key"))
    return None


def set_alias(asked: Asked) -> Json:
    body = body_of(asked.values, bodies.ALIAS)
    verbs.set_alias(asked.whole, asked.namespace, name_of(asked), str(body["alias"]), str(body["version"]))
    return None


def get_by_alias(asked: Asked) -> Json:
    alias = text(asked.values, "alias")
    return version_shown(asked, verbs.get_version_by_alias(asked.whole, asked.namespace, name_of(asked), alias))


def delete_alias(asked: Asked) -> Json:
    verbs.delete_alias(asked.whole, asked.namespace, name_of(asked), text(asked.values, "alias"))
    return None


def _which(asked: Asked) -> tuple[str, str]:
    return name_of(asked), text(asked.values, "version")


def _unwrapped(definition: Json) -> Json:
    """A definition, also out of the envelope in which MCP's public registry sends it. Raises BadValue."""
    if not isinstance(definition, Mapping) or ("name" in definition and "version" in definition):
        return definition
    if "server" not in definition:
        return definition
    inside = definition["server"]
    if not isinstance(inside, Mapping):
        raise BadValue("Invalid request: Value error, server_json.server: Input should be a valid dictionary")
    return inside if "name" in inside and "version" in inside else definition


def _status(word: Json) -> McpStatus:
    """Raises BadValue."""
    if word not in list(McpStatus):
        raise BadValue(f"Invalid status: '{str(word)[:80]}'")
    return McpStatus(str(word))


def _tools(said: Json) -> verbs.Tools | None:
    """What a tool does not say is not kept."""
    if said is None:
        return None
    tools = cast(verbs.Tools, said)
    return [{name: value for name, value in each.items() if value is not None} for each in tools]


def _options(said: Json) -> verbs.Options:
    """What hides nothing says so."""
    options = cast(Mapping[str, Mapping[str, Json]], said or {})
    return {name: {"hidden": bool(each.get("hidden"))} for name, each in options.items()}


_VERSION: Final = f"{ONE}/versions/{{version}}"
_ALIASES: Final = f"{ONE}/aliases"
_ALSO: Final = (Permission.RELEASE,)
ENDPOINTS: Final = (
    Endpoint("mlflow.mcp-versions.create", "POST", f"{ONE}/versions", Permission.PUSH, create),
    Endpoint("mlflow.mcp-versions.search", "GET", f"{ONE}/versions", Permission.READ, search),
    Endpoint("mlflow.mcp-versions.get", "GET", _VERSION, Permission.READ, get),
    Endpoint("mlflow.mcp-versions.update", "PATCH", _VERSION, Permission.PUSH, update),
    Endpoint("mlflow.mcp-versions.delete", "DELETE", _VERSION, Permission.PUSH, delete),
    Endpoint("mlflow.mcp-versions.set-tag", "POST", f"{_VERSION}/tags", Permission.PUSH, set_tag),
    Endpoint("mlflow.mcp-versions.delete-tag", "DELETE", f"{_VERSION}/tags/{{key*}}", Permission.PUSH, delete_tag),
    Endpoint("mlflow.mcp-aliases.set", "POST", _ALIASES, Permission.PUSH, set_alias, also=_ALSO),
    Endpoint("mlflow.mcp-aliases.get", "GET", f"{_ALIASES}/{{alias*}}", Permission.READ, get_by_alias),
    Endpoint(
        "mlflow.mcp-aliases.delete", "DELETE", f"{_ALIASES}/{{alias*}}", Permission.PUSH, delete_alias, also=_ALSO
    ),
)
