"""Every route of the table by everyone: who is let in, who is refused, and who hears that nothing is there."""

from typing import Any

import pytest

from budwood.domain.access import BY_NAME, ROLE_PERMISSIONS, Permission, Role
from budwood.domain.routes import ROUTES
from budwood.domain.routes.route import Body, Route

HOLES = {"model": "nothing", "selector": "v1", "alias": "champion", "push": "p", "pack": "p-0001", "block": "00" * 32}
ASKERS = (*Role, "admin", "nobody", "elsewhere")
# What somebody may not even read is not there for them; a gateway may serve what it may not read.
BLIND = ("nobody", "elsewhere", *(role for role, held in ROLE_PERMISSIONS.items() if Permission.READ not in held))
IDS = [route.name for route in ROUTES]


def address(route: Route, namespace: str) -> str:
    return route.path.format(**{hole: HOLES.get(hole, "x") for hole in route.holes} | {"namespace": namespace})


def asked(server: Any, route: Route, namespace: str, by: str) -> Any:
    body = b"{}" if route.request is not None or route.takes is Body.BYTES else None
    return server.ask(route.method, address(route, namespace), by=by, body=body)


def may(role: str, route: Route) -> bool:
    if route.name == "registry.import":
        return role in ("admin", "writer", "owner", "elsewhere")  # who may push somewhere
    if route.permission in (Permission.ANYONE, Permission.KNOWN):
        return True
    if role == "admin":
        return route.permission not in BY_NAME  # nobody goes past gates, or lifts holds, but by that role
    if role not in frozenset(Role) or "namespace" not in route.holes:
        return False
    return bool(ROLE_PERMISSIONS[Role(role)] & {route.permission, *route.also})


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_without_a_token_only_open_routes_answer(route: Route, team: Any) -> None:
    reply = asked(team, route, "ours", "")
    if route.permission is Permission.ANYONE:
        assert reply.status != 401 or route.name == "bootstrap"
    else:
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("by", ASKERS)
@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_role_is_let_in_exactly_where_its_permissions_say(route: Route, by: str, team: Any) -> None:
    reply = asked(team, route, "ours", by)
    status, code = reply.status, ""
    if status >= 400:
        code = reply.problem["code"]
    assert status < 500, reply
    outsider = by in BLIND and "namespace" in route.holes
    if may(by, route):
        assert code not in ("unauthenticated", "forbidden") or route.name == "bootstrap"
    elif outsider:
        assert status == 404
    else:
        assert (status, code) == (403, "forbidden")


@pytest.mark.parametrize("by", [role for role in ASKERS if role not in ("admin", "elsewhere")])
@pytest.mark.parametrize("route", [r for r in ROUTES if "namespace" in r.holes], ids=lambda route: route.name)
def test_a_foreign_namespace_answers_like_one_that_is_not_there(route: Route, by: str, team: Any) -> None:
    theirs, nowhere = asked(team, route, "theirs", by), asked(team, route, "nowhere", by)
    assert theirs.status == nowhere.status == 404
    shown = str(theirs.problem).replace("theirs", "nowhere")
    assert shown == str(nowhere.problem)
    assert theirs.headers.keys() == nowhere.headers.keys()
