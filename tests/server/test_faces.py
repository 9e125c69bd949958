"""The doors of other tools: known, decided, refused and found as our own routes are, each by everyone."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from budwood.domain.access import ROLE_PERMISSIONS, Permission, Role
from budwood.domain.routes.route import Route
from budwood.facades.face import Endpoint
from budwood.server.faces import FACES
from budwood.server.table import Table

ENDPOINTS = [(face, endpoint) for face in FACES for endpoint in face.endpoints]
ASKERS = (*Role, "admin", "nobody", "elsewhere")
# What somebody may not even read is not there for them.
BLIND = ("nobody", "elsewhere", *(role for role, held in ROLE_PERMISSIONS.items() if Permission.READ not in held))
IDS = [endpoint.name for _, endpoint in ENDPOINTS]


def address(endpoint: Endpoint, namespace: str) -> str:
    path = endpoint.path.replace("*}", "}")
    while "{" in path:
        path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
    return f"/ns/{namespace}{path}"


def asked(server: Any, endpoint: Endpoint, path: str, by: str = "", headers: Mapping[str, str] | None = None) -> Any:
    body = None if endpoint.method == "GET" else b"{}"
    return server.ask(endpoint.method, path, by=by, body=body, headers=headers)


def may(role: str, endpoint: Endpoint) -> bool:
    if endpoint.permission in (Permission.ANYONE, Permission.KNOWN) or role == "admin":
        return True
    return role in frozenset(Role) and bool(ROLE_PERMISSIONS[Role(role)] & {endpoint.permission, *endpoint.also})


def code(reply: Any) -> str:
    return str(reply.value["error_code"]) if reply.status >= 400 else ""


@pytest.mark.parametrize(("face", "endpoint"), ENDPOINTS, ids=IDS)
def test_without_a_token_only_open_endpoints_answer_under_every_address(
    face: Any, endpoint: Endpoint, team: Any
) -> None:
    path = address(endpoint, "ours")[len("/ns/ours") :]
    for shown in face.addresses(path):
        for prefix in ("", "/ns/ours", "/ns/nowhere"):
            reply = asked(team, endpoint, prefix + shown)
            expected = 200 if endpoint.permission is Permission.ANYONE else 401
            assert reply.status == expected, (prefix + shown, reply)
            wrong = {"Authorization": "Basic " + base64.b64encode(b"admin:password1234").decode()}
            assert asked(team, endpoint, prefix + shown, headers=wrong).status in (expected, 429)


@pytest.mark.parametrize("by", ASKERS)
@pytest.mark.parametrize(("face", "endpoint"), ENDPOINTS, ids=IDS)
def test_a_role_is_let_in_exactly_where_its_permissions_say(face: Any, endpoint: Endpoint, by: str, team: Any) -> None:
    reply = asked(team, endpoint, address(endpoint, "ours"), by)
    assert reply.status < 500, reply
    if may(by, endpoint):
        assert code(reply) not in ("UNAUTHENTICATED", "PERMISSION_DENIED")
    elif by in BLIND:
        assert (reply.status, code(reply)) == (404, "RESOURCE_DOES_NOT_EXIST")
    else:
        assert (reply.status, code(reply)) == (403, "PERMISSION_DENIED")


def test_an_address_that_is_none_is_answered_in_the_form_of_its_face(team: Any) -> None:
    for path in ("/api/2.0/mlflow/nothing", "/ns/ours/api/3.0/mlflow/gateway/secrets/list", "/ajax-api/2.0/mlflow/x"):
        reply = team.ask("GET", path, by="admin")
        assert (reply.status, json.loads(reply.body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_the_handshake_tells_which_mlflow_it_behaves_like(team: Any) -> None:
    assert team.ask("GET", "/version").body == b"3.17.2"
    assert team.ask("GET", "/ns/ours/health").body == b"OK"
    assert team.ask("GET", "/ajax-api/3.0/mlflow/server-info").value["workspaces_enabled"] is True


def test_a_hole_at_the_end_takes_the_rest_and_is_decoded_once() -> None:
    def route(name: str, path: str) -> Route:
        return Route(name=name, method="GET", path=path, permission=Permission.READ, summary="")

    table = Table([route("file", "/ns/{namespace}/files/{path*}"), route("own", "/ns/{namespace}/files/list/{one}")])

    def found(path: str) -> object:
        there = table.find(path.encode())
        return (there.routes["GET"].name, dict(there.holes)) if there else None

    assert found("/ns/a/files/x/y%2Fz/q%20r") == ("file", {"namespace": "a", "path": "x/y/z/q r"})
    assert found("/ns/a/files/list/b") == ("own", {"namespace": "a", "one": "b"})
    assert found("/ns/a/files") is None
    assert found("/ns/a/files/") is None


@pytest.mark.parametrize("named", ["{}", "{*}", "{namespace}", "*"])
def test_an_address_may_be_called_like_a_hole(named: str) -> None:
    route = Route(name="one", method="DELETE", path="/ns/{namespace}", permission=Permission.READ, summary="")
    rest = Route(name="all", method="GET", path="/files/{path*}", permission=Permission.READ, summary="")
    table = Table([route, rest])
    for path in (f"/ns/{named}", "/ns/" + quote(named, safe="")):
        there = table.find(path.encode())
        assert there is not None
        assert there.holes == {"namespace": named}
        assert table.door(path, "DELETE").methods == {"DELETE"}
    there = table.find(f"/files/{named}".encode())
    assert there is not None
    assert there.holes == {"path": named}
