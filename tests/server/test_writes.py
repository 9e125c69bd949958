"""Writes: done once for one key, and only on what the writer saw."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

ENCODER = "/v1/models/ours/encoder"
TAGS = f"{ENCODER}/versions/v1/tags"


def keyed(key: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key, **more}


def ledger(server: Any) -> list[dict[str, Any]]:
    entries = server.ask("GET", "/v1/ledger?limit=1000", by="admin").value["entries"]
    assert isinstance(entries, list)
    return entries


def moves(server: Any) -> int:
    return sum(entry["action"] == "alias.set" for entry in ledger(server))


def test_a_write_sent_twice_with_one_key_is_done_once_and_answered_alike(fresh: Any) -> None:
    before = moves(fresh)
    path, wish = f"{ENCODER}/aliases/next", {"version": "v2"}
    first = fresh.ask("PUT", path, by="writer", json=wish, headers=keyed("a"))
    second = fresh.ask("PUT", path, by="writer", json=wish, headers=keyed("a"))
    assert (first.status, first.body, first.headers["etag"]) == (200, second.body, second.headers["etag"])
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert moves(fresh) == before + 1


def test_a_key_stands_for_one_request_only(fresh: Any) -> None:
    path = f"{ENCODER}/aliases/next"
    fresh.ask("PUT", path, by="writer", json={"version": "v2"}, headers=keyed("a"))
    for other in (path, f"{ENCODER}/aliases/later"):
        reply = fresh.ask("PUT", other, by="writer", json={"version": "v1"}, headers=keyed("a"))
        assert (reply.status, reply.problem["code"]) == (409, "key_reused")
    assert fresh.ask("GET", path, by="reader").value["version_number"] == 2


def test_a_key_belongs_to_who_used_it(fresh: Any) -> None:
    path, wish = f"{ENCODER}/aliases/next", {"version": "v2"}
    fresh.ask("PUT", path, by="writer", json=wish, headers=keyed("a"))
    reply = fresh.ask("PUT", path, by="releaser", json=wish, headers=keyed("a"))
    assert reply.status == 200
    assert "idempotency-replayed" not in reply.headers


def test_what_can_be_done_only_once_is_answered_again(fresh: Any) -> None:
    replies = [fresh.ask("DELETE", f"{ENCODER}/versions/v2", by="owner", headers=keyed("gone")) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].body == replies[1].body
    assert fresh.ask("DELETE", f"{ENCODER}/versions/v2", by="owner", headers=keyed("other")).status == 404


def test_a_refused_write_leaves_its_key_free(fresh: Any) -> None:
    path = f"{ENCODER}/aliases/next"
    assert fresh.ask("PUT", path, by="writer", json={"version": "v9"}, headers=keyed("a")).status == 404
    assert fresh.ask("PUT", path, by="writer", json={"version": "v2"}, headers=keyed("a")).status == 200


def test_fifty_at_once_with_one_key_move_once(fresh: Any) -> None:
    before, path = moves(fresh), f"{ENCODER}/aliases/next"

    def move(_: int) -> Any:
        return fresh.ask("PUT", path, by="writer", json={"version": "v2"}, headers=keyed("a"))

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(move, range(50)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert moves(fresh) == before + 1


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 201])
def test_a_key_that_is_none_is_refused_or_no_key(key: str, fresh: Any) -> None:
    headers = {"Idempotency-Key": key.encode()}
    reply = fresh.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json={"version": "v2"}, headers=headers)
    assert reply.status == (422 if key else 200)


EDITS: list[tuple[str, str, str, object]] = [
    (f"{ENCODER}/aliases/champion", "PUT", f"{ENCODER}/aliases/champion", {"version": "v2"}),
    (f"{ENCODER}/aliases/champion", "DELETE", f"{ENCODER}/aliases/champion", None),
    (TAGS, "PATCH", TAGS, {"put": {"team": "risk"}}),
    (f"{ENCODER}/aliases/stage:staging", "PUT", f"{ENCODER}/versions/v1/stage", {"stage": "staging"}),
    (f"{ENCODER}/aliases/champion", "POST", f"{ENCODER}/roll-back", {"pointer": "champion"}),
]


@pytest.mark.parametrize(("shown", "method", "path", "wish"), EDITS, ids=lambda value: str(value)[-20:])
def test_an_edit_of_what_was_changed_meanwhile_is_refused(
    shown: str, method: str, path: str, wish: object, fresh: Any
) -> None:
    for version in ("v2", "v1"):
        fresh.ask("PUT", f"{ENCODER}/versions/{version}/stage", by="releaser", json={"stage": "staging"})
        fresh.ask("PUT", f"{ENCODER}/aliases/champion", by="releaser", json={"version": version})
    seen = fresh.ask("GET", shown, by="reader").headers["etag"]
    if shown == TAGS:
        fresh.ask("PATCH", TAGS, by="writer", json={"put": {"seen": "no"}})
    elif "stage" in shown:
        fresh.ask("PUT", f"{ENCODER}/versions/v2/stage", by="releaser", json={"stage": "staging"})
    else:
        fresh.ask("PUT", shown, by="writer", json={"version": "v2"})
    before = fresh.ask("GET", shown, by="reader")
    stale = fresh.ask(method, path, by="owner", json=wish, headers={"If-Match": seen})
    assert (stale.status, stale.problem["code"]) == (412, "precondition_failed")
    assert fresh.ask("GET", shown, by="reader").body == before.body
    current = before.headers["etag"]
    assert fresh.ask(method, path, by="owner", json=wish, headers={"If-Match": current}).status == 200


def test_an_answer_to_an_edit_carries_the_next_etag(fresh: Any) -> None:
    path = f"{ENCODER}/aliases/champion"
    first = fresh.ask("PUT", path, by="writer", json={"version": "v2"})
    assert fresh.ask("GET", path, by="reader").headers["etag"] == first.headers["etag"]
    second = fresh.ask("PUT", path, by="writer", json={"version": "v1"}, headers={"If-Match": first.headers["etag"]})
    assert second.status == 200
    tags = fresh.ask("PATCH", TAGS, by="writer", json={"put": {"a": "1"}})
    assert fresh.ask("GET", TAGS, by="reader").headers["etag"] == tags.headers["etag"]


@pytest.mark.parametrize("match", ["17", 'W/"17"', '"1", "2"', '"'])
def test_an_if_match_that_cannot_be_promised_is_refused(match: str, team: Any) -> None:
    headers = {"If-Match": match}
    reply = team.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json={"version": "v2"}, headers=headers)
    assert (reply.status, reply.problem["code"]) == (400, "malformed")


def test_two_who_move_on_from_the_same_are_not_both_heeded(fresh: Any) -> None:
    path = f"{ENCODER}/aliases/champion"
    seen = fresh.ask("GET", path, by="reader").headers["etag"]

    def move(version: str) -> int:
        reply = fresh.ask("PUT", path, by="writer", json={"version": version}, headers={"If-Match": seen})
        return int(reply.status)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(move, ["v1", "v2"] * 4))
    assert sorted(statuses) == [200, *[412] * 7]


def test_a_key_survives_the_server(start: Callable[..., Any], make_team: Callable[[], Any]) -> None:
    registry, wish = make_team(), {"version": "v2"}
    first = start(registry)
    answered = first.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json=wish, headers=keyed("a"))
    first.child.kill()
    first.child.wait()
    second = start(registry)
    again = second.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json=wish, headers=keyed("a"))
    assert (again.body, again.headers["idempotency-replayed"]) == (answered.body, "true")
