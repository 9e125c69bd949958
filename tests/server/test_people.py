"""Who may change who may do what: as the people themselves ask, over a real socket."""

import threading
from typing import Any

import pytest

GRANTS = "/v1/namespaces/ours/grants"
ROLES = ("reader", "writer", "reviewer", "releaser", "owner")


def make_token(server: Any, by: str = "", *, token: str = "", **wish: Any) -> Any:
    return server.ask("POST", "/v1/tokens", by=by, token=token, json={"name": "made", **wish})


def test_an_owner_gives_and_takes_roles_in_their_own_namespace_alone(fresh: Any) -> None:
    given = fresh.ask("PUT", f"{GRANTS}/people/nobody/writer", by="owner")
    assert given.status == 200
    assert {"to": "nobody", "role": "writer"}.items() <= {
        key: value for each in given.value["grants"] if each["to"] == "nobody" for key, value in each.items()
    }.items()
    assert fresh.ask("GET", "/v1/models/ours/encoder/log", by="nobody").status == 200
    assert fresh.ask("PUT", "/v1/namespaces/theirs/grants/people/nobody/writer", by="owner").status == 404
    assert fresh.ask("DELETE", f"{GRANTS}/people/nobody/writer", by="owner").status == 200
    assert fresh.ask("GET", "/v1/models/ours/encoder/log", by="nobody").status == 404


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gives_a_role_to_themselves(role: str, fresh: Any) -> None:
    refused = fresh.ask("PUT", f"{GRANTS}/people/owner/{role}", by="owner")
    assert (refused.status, refused.problem["code"]) == (403, "forbidden")


def test_nobody_gives_a_role_to_a_group_they_are_in(fresh: Any) -> None:
    assert fresh.ask("POST", "/v1/groups", by="admin", json={"name": "crew", "members": ["owner"]}).status == 200
    assert fresh.ask("PUT", f"{GRANTS}/groups/crew/releaser", by="owner").status == 403
    assert fresh.ask("PUT", f"{GRANTS}/groups/crew/releaser", by="admin").status == 200


def test_an_owner_cannot_widen_a_group_or_make_people(fresh: Any) -> None:
    fresh.ask("POST", "/v1/groups", by="admin", json={"name": "crew"})
    for method, path, body in (
        ("PUT", "/v1/groups/crew/members", {"members": ["owner"]}),
        ("POST", "/v1/groups", {"name": "more"}),
        ("POST", "/v1/people", {"name": "eve"}),
        ("PATCH", "/v1/people/owner", {"is_admin": True}),
        ("PATCH", "/v1/namespaces/ours/quota", {"bytes": 0}),
        ("POST", "/v1/namespaces", {"name": "more"}),
        ("DELETE", "/v1/namespaces/ours", None),
    ):
        assert fresh.ask(method, path, by="owner", json=body).status == 403, path


def test_a_role_held_through_a_group_ends_with_the_group(fresh: Any) -> None:
    fresh.ask("POST", "/v1/groups", by="admin", json={"name": "crew", "members": ["nobody"]})
    fresh.ask("PUT", f"{GRANTS}/groups/crew/reader", by="admin")
    log = "/v1/models/ours/encoder/log"
    assert fresh.ask("GET", log, by="nobody").status == 200
    assert fresh.ask("DELETE", "/v1/groups/crew", by="admin").status == 200
    assert fresh.ask("GET", log, by="nobody").status == 404


def test_the_last_admin_stays_one(fresh: Any) -> None:
    for change in ({"is_admin": False}, {"disabled": True}):
        refused = fresh.ask("PATCH", "/v1/people/admin", by="admin", json=change)
        assert (refused.status, refused.problem["code"]) == (403, "still_in_use")


def test_two_admins_who_unmake_each_other_at_once_leave_one(fresh: Any) -> None:
    fresh.ask("PATCH", "/v1/people/owner", by="admin", json={"is_admin": True})
    statuses: dict[str, int] = {}

    def unmake(by: str, other: str) -> None:
        statuses[by] = fresh.ask("PATCH", f"/v1/people/{other}", by=by, json={"is_admin": False}).status

    threads = [threading.Thread(target=unmake, args=pair) for pair in (("admin", "owner"), ("owner", "admin"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    admins = [
        name for name in ("admin", "owner") if fresh.ask("GET", "/v1/people", by=name).status == 200
    ]  # only an admin may list people
    assert len(admins) == 1, statuses


def test_everybody_makes_their_own_tokens_and_only_admins_others(fresh: Any) -> None:
    mine = make_token(fresh, "reader")
    assert mine.value["record"]["principal"] == "reader"
    assert fresh.ask("GET", "/v1/whoami", token=mine.value["secret"]).value["name"] == "reader"
    assert make_token(fresh, "owner", person="reader").status == 403
    theirs = make_token(fresh, "admin", person="writer")
    assert theirs.value["record"]["principal"] == "writer"
    assert fresh.ask("GET", "/v1/tokens?person=reader", by="owner").status == 403
    listed = fresh.ask("GET", "/v1/tokens?person=reader", by="admin").value["tokens"]
    assert {token["name"] for token in listed} == {"made", "test"}


def test_a_token_with_scopes_makes_and_lists_none_but_may_revoke_itself(fresh: Any) -> None:
    narrow = make_token(fresh, "owner", scopes=["ours:read"]).value
    assert make_token(fresh, token=narrow["secret"]).status == 403
    assert make_token(fresh, token=narrow["secret"], scopes=["ours:read"]).status == 403
    assert fresh.ask("GET", "/v1/tokens", token=narrow["secret"]).status == 403
    assert fresh.ask("DELETE", "/v1/tokens/id-owner", token=narrow["secret"]).status == 403
    assert fresh.ask("DELETE", f"/v1/tokens/{narrow['record']['id']}", token=narrow["secret"]).status == 200
    assert fresh.ask("GET", "/v1/whoami", token=narrow["secret"]).status == 401


def test_a_scope_narrows_also_what_an_admin_may(fresh: Any) -> None:
    narrow = make_token(fresh, "admin", scopes=["read"]).value["secret"]
    assert fresh.ask("GET", "/v1/models/theirs/secret/log", token=narrow).status == 200
    assert fresh.ask("GET", "/v1/people", token=narrow).status == 403
    assert fresh.ask("POST", "/v1/namespaces", token=narrow, json={"name": "more"}).status == 403


def test_a_foreign_token_is_like_one_that_is_not_there(fresh: Any) -> None:
    foreign = fresh.ask("DELETE", "/v1/tokens/id-admin", by="owner")
    missing = fresh.ask("DELETE", "/v1/tokens/id-none", by="owner")
    assert foreign.status == missing.status == 404
    assert foreign.problem == missing.problem
    assert fresh.ask("GET", "/v1/whoami", by="admin").status == 200


def test_a_secret_is_told_once_even_to_whoever_asks_again_with_the_same_key(fresh: Any) -> None:
    key = {"Idempotency-Key": "same"}
    wish = {"name": "laptop"}
    first = fresh.ask("POST", "/v1/tokens", by="owner", json=wish, headers=key).value
    again = fresh.ask("POST", "/v1/tokens", by="owner", json=wish, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.value == {"secret": "", "record": first["record"]}
    catalog = b"".join(path.read_bytes() for path in fresh.registry.glob("catalog.sqlite3*"))
    assert first["secret"].encode() not in catalog
    assert first["secret"] not in "".join(fresh.log)


def test_a_stale_mark_changes_nothing(fresh: Any) -> None:
    seen = fresh.ask("GET", GRANTS, by="owner").headers["etag"]
    mark = {"If-Match": seen}
    assert fresh.ask("PUT", f"{GRANTS}/people/nobody/reader", by="owner", headers=mark).status == 200
    late = fresh.ask("PUT", f"{GRANTS}/people/nobody/writer", by="owner", headers=mark)
    assert (late.status, late.problem["code"]) == (412, "precondition_failed")
    seen = fresh.ask("GET", "/v1/namespaces/ours", by="owner").headers["etag"]
    quota = "/v1/namespaces/ours/quota"
    assert fresh.ask("PATCH", quota, by="admin", json={"versions": 9}, headers={"If-Match": seen}).status == 200
    assert fresh.ask("PATCH", quota, by="admin", json={"versions": 8}, headers={"If-Match": seen}).status == 412
    assert fresh.ask("GET", "/v1/namespaces/ours", by="owner").value["quota"]["versions"] == 9


def test_namespaces_and_usage_are_shown_to_those_who_may_read_there(fresh: Any) -> None:
    listed = fresh.ask("GET", "/v1/namespaces", by="reader").value["namespaces"]
    assert [record["name"] for record in listed] == ["ours"]
    used = fresh.ask("GET", "/v1/namespaces/ours/usage", by="reader").value
    assert used["versions"] == 2
    assert fresh.ask("GET", "/v1/namespaces/theirs/usage", by="reader").status == 404
    assert fresh.ask("GET", "/v1/namespaces", by="nobody").value["namespaces"] == []
