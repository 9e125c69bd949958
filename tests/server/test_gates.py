"""Who may ask, review, apply and go past the gates: as the people themselves, over a real socket."""

from typing import Any

import pytest

ROOM = "/v1/namespaces/ours"
V1 = "/v1/models/ours/encoder/versions/v1"
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  aliases: [champion]
  reviews:
    - {role: reviewer, count: 1}
"""


@pytest.fixture
def guarded(fresh: Any) -> Any:
    """A namespace whose production is guarded; ann and bob are further reviewers in it."""
    put = fresh.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": POLICY})
    assert put.status == 200, put
    for name in ("ann", "bob"):
        assert fresh.ask("POST", "/v1/people", by="admin", json={"name": name}).status == 200
        assert fresh.ask("PUT", f"{ROOM}/grants/people/{name}/reviewer", by="admin").status == 200
    return fresh


def token(server: Any, person: str) -> str:
    made = server.ask("POST", "/v1/tokens", by="admin", json={"name": "t", "person": person})
    secret: str = made.value["secret"]
    return secret


def request(server: Any, by: str = "writer", version: str = "v1") -> int:
    asked = server.ask(
        "POST", f"/v1/models/ours/encoder/versions/{version}/promotions", by=by, json={"pointer": "production"}
    )
    assert asked.status == 200, asked
    number: int = asked.value["id"]
    return number


def review(server: Any, number: int, *, approves: bool = True, binds: str = "", **who: str) -> Any:
    body = {"approves": approves, "binds": binds}
    return server.ask("POST", f"{ROOM}/promotions/{number}/reviews", json=body, **who)


def apply(server: Any, number: int, by: str = "releaser") -> Any:
    return server.ask("POST", f"{ROOM}/promotions/{number}/apply", by=by)


def test_a_writer_asks_a_reviewer_agrees_and_a_releaser_applies(guarded: Any) -> None:
    number = request(guarded)
    closed = apply(guarded, number)
    assert (closed.status, closed.problem["code"]) == (403, "gate_closed")
    assert review(guarded, number, by="reviewer").status == 200
    assert apply(guarded, number, by="writer").status == 403
    applied = apply(guarded, number)
    assert applied.status == 200, applied
    assert guarded.ask("GET", "/v1/models/ours/encoder/versions/production", by="reader").value["number"] == 1


@pytest.mark.parametrize("by", ["writer", "releaser", "reader", "responder"])
def test_whoever_is_no_reviewer_reviews_nothing(by: str, guarded: Any) -> None:
    assert review(guarded, request(guarded), by=by).status == 403


def test_an_owner_or_admin_may_say_yes_but_it_counts_only_for_their_role(guarded: Any) -> None:
    number = request(guarded)
    for by in ("owner", "admin"):
        assert review(guarded, number, by=by).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_one_person_counts_once_whatever_groups_they_are_in(guarded: Any) -> None:
    text = POLICY.replace("count: 1", "count: 2")
    guarded.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": text})
    guarded.ask("POST", "/v1/groups", by="admin", json={"name": "crew", "members": ["reviewer", "ann"]})
    guarded.ask("PUT", f"{ROOM}/grants/groups/crew/reviewer", by="admin")
    number = request(guarded)
    for _ in range(2):
        review(guarded, number, by="reviewer")
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert review(guarded, number, token=token(guarded, "ann")).status == 200
    assert apply(guarded, number).status == 200


def test_nobody_reviews_what_they_asked_for(guarded: Any) -> None:
    guarded.ask("PUT", f"{ROOM}/grants/people/reviewer/writer", by="admin")
    number = request(guarded, by="reviewer")
    assert review(guarded, number, by="reviewer").status == 200
    closed = apply(guarded, number)
    assert closed.problem["code"] == "gate_closed"
    shown = guarded.ask("GET", f"{ROOM}/promotions/{number}", by="reader").value
    assert "made the request" in str(shown["checks"])


def test_a_role_that_was_given_after_the_request_does_not_count(guarded: Any) -> None:
    number = request(guarded)
    guarded.ask("POST", "/v1/people", by="admin", json={"name": "late"})
    guarded.ask("PUT", f"{ROOM}/grants/people/late/reviewer", by="owner")
    assert review(guarded, number, token=token(guarded, "late")).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_a_role_that_was_taken_away_does_not_count_any_more(guarded: Any) -> None:
    number = request(guarded)
    review(guarded, number, by="reviewer")
    guarded.ask("DELETE", f"{ROOM}/grants/people/reviewer/reviewer", by="owner")
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_who_is_disabled_does_not_count(guarded: Any) -> None:
    number = request(guarded)
    review(guarded, number, by="reviewer")
    guarded.ask("PATCH", "/v1/people/reviewer", by="admin", json={"disabled": True})
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_a_service_account_reviews_nothing(guarded: Any) -> None:
    guarded.ask("POST", "/v1/people", by="admin", json={"name": "bot", "kind": "service"})
    guarded.ask("PUT", f"{ROOM}/grants/people/bot/reviewer", by="owner")
    assert review(guarded, request(guarded), token=token(guarded, "bot")).status == 403


def program(server: Any, name: str, role: str, owner: str = "") -> str:
    """The token of an account that holds the role."""
    body = {"name": name, "kind": "service", "owner": owner}
    assert server.ask("POST", "/v1/people", by="admin", json=body).status == 200
    assert server.ask("PUT", f"{ROOM}/grants/people/{name}/{role}", by="owner").status == 200
    return token(server, name)


def why(server: Any, number: int) -> str:
    return str(server.ask("GET", f"{ROOM}/promotions/{number}", by="reader").value["checks"])


def asked_by(server: Any, secret: str, version: str = "v1") -> int:
    made = server.ask(
        "POST",
        f"/v1/models/ours/encoder/versions/{version}/promotions",
        token=secret,
        json={"pointer": "production"},
    )
    assert made.status == 200, made
    number: int = made.value["id"]
    return number


def test_nobody_reviews_what_their_own_account_asked_for(guarded: Any) -> None:
    number = asked_by(guarded, program(guarded, "bot", "writer", owner="reviewer"))
    assert review(guarded, number, by="reviewer").status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert "reviewer made the request" in why(guarded, number)
    assert review(guarded, number, token=token(guarded, "ann")).status == 200
    assert apply(guarded, number).status == 200


def test_nobody_reviews_what_their_own_account_gave_evidence_of(guarded: Any) -> None:
    bot = program(guarded, "bot", "writer", owner="reviewer")
    body = {"kind": "evaluation", "metrics": {"accuracy": 0.9}}
    given = guarded.ask("POST", f"{V1}/evidence", token=bot, json=body).value
    assert (given["author"], given["person"]) == ("bot", "reviewer")
    number = request(guarded)
    review(guarded, number, by="reviewer")
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert "reviewer gave evidence" in why(guarded, number)


def test_an_account_that_answers_to_another_now_still_did_what_it_did_for_the_first(guarded: Any) -> None:
    number = asked_by(guarded, program(guarded, "bot", "writer", owner="reviewer"))
    assert guarded.ask("PATCH", "/v1/people/bot", by="admin", json={"owner": "bob"}).status == 200
    for person in ("reviewer", "bob"):
        review(guarded, number, token=token(guarded, person))
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_while_nobody_stands_behind_an_account_its_request_waits(guarded: Any) -> None:
    number = asked_by(guarded, program(guarded, "bot", "writer"))
    review(guarded, number, by="reviewer")
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert "budwood person change bot --owner NAME" in why(guarded, number)
    assert guarded.ask("PATCH", "/v1/people/bot", by="owner", json={"owner": "bob"}).status == 403
    guarded.ask("PATCH", "/v1/people/bot", by="admin", json={"owner": "bob"})
    assert apply(guarded, number).status == 200


def test_who_joined_a_group_after_the_request_does_not_count(guarded: Any) -> None:
    guarded.ask("POST", "/v1/people", by="admin", json={"name": "late"})
    guarded.ask("POST", "/v1/groups", by="admin", json={"name": "crew", "members": ["ann"]})
    guarded.ask("PUT", f"{ROOM}/grants/groups/crew/reviewer", by="owner")
    number = request(guarded)
    assert guarded.ask("PUT", "/v1/groups/crew/members", by="admin", json={"members": ["ann", "late"]}).status == 200
    assert review(guarded, number, token=token(guarded, "late")).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert "late became reviewer after the request" in why(guarded, number)


def test_who_let_themselves_into_a_group_does_not_count_by_it(guarded: Any) -> None:
    for name, by in (("admin", "admin"), ("ann", "admin")):
        guarded.ask("POST", "/v1/groups", by=by, json={"name": f"crew-{name}", "members": [name]})
        guarded.ask("PUT", f"{ROOM}/grants/groups/crew-{name}/reviewer", by="owner")
    number = request(guarded)
    review(guarded, number, by="admin")
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert "admin is no reviewer" in why(guarded, number)


def test_a_role_that_ones_own_account_gave_does_not_count(guarded: Any) -> None:
    bot = program(guarded, "bot", "owner", owner="responder")
    assert guarded.ask("PUT", f"{ROOM}/grants/people/responder/reviewer", token=bot).status == 200
    number = request(guarded)
    review(guarded, number, by="responder")
    assert apply(guarded, number).problem["code"] == "gate_closed"


def test_evidence_that_comes_later_voids_a_review(guarded: Any) -> None:
    number = request(guarded)
    seen = guarded.ask("GET", f"{ROOM}/promotions/{number}", by="reviewer").value["binds"]
    assert review(guarded, number, by="reviewer", binds=seen).status == 200
    body = {"kind": "fairness", "outcome": "failed"}
    assert guarded.ask("POST", f"{V1}/evidence", by="writer", json=body).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"
    late = review(guarded, number, token=token(guarded, "ann"), binds=seen)
    assert (late.status, late.problem["code"]) == (412, "precondition_failed")


def test_a_policy_that_changes_later_voids_a_review(guarded: Any) -> None:
    number = request(guarded)
    review(guarded, number, by="reviewer")
    text = POLICY.replace("count: 1", "count: 1, validFor: 30d")
    guarded.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": text})
    assert apply(guarded, number).problem["code"] == "gate_closed"
    review(guarded, number, token=token(guarded, "ann"))
    assert apply(guarded, number).status == 200


def test_every_way_to_move_a_guarded_pointer_is_one_way(guarded: Any) -> None:
    champion, v2 = "/v1/models/ours/encoder/aliases/champion", "/v1/models/ours/encoder/versions/v2"
    for by in ("owner", "admin"):
        assert guarded.ask("PUT", champion, by=by, json={"version": "v2"}).status == 403
        assert guarded.ask("PUT", f"{v2}/stage", by=by, json={"stage": "production"}).status == 403
    assert guarded.ask("GET", "/v1/models/ours/encoder/versions/champion", by="reader").value["number"] == 1


def break_glass(server: Any, by: str, reason: str = "payments are refused", version: str = "v1") -> Any:
    body = {"pointer": "production", "reason": reason}
    return server.ask("POST", f"/v1/models/ours/encoder/versions/{version}/break-glass", by=by, json=body)


@pytest.mark.parametrize("by", ["owner", "admin", "releaser", "reviewer", "writer", "reader"])
def test_only_a_responder_goes_past_the_gates(by: str, guarded: Any) -> None:
    assert break_glass(guarded, by).status == 403


def test_a_program_does_not_go_past_the_gates(guarded: Any) -> None:
    guarded.ask("POST", "/v1/people", by="admin", json={"name": "bot", "kind": "service"})
    guarded.ask("PUT", f"{ROOM}/grants/people/bot/responder", by="owner")
    body = {"pointer": "production", "reason": "payments are refused"}
    asked = guarded.ask(
        "POST", "/v1/models/ours/encoder/versions/v1/break-glass", token=token(guarded, "bot"), json=body
    )
    assert asked.status == 403


def test_going_past_the_gates_takes_a_reason_and_is_looked_at_before_the_next(guarded: Any) -> None:
    assert break_glass(guarded, "responder", reason="  ").status == 422
    broken = break_glass(guarded, "responder")
    assert broken.status == 200, broken
    assert broken.value["broke_glass"] is True
    assert broken.value["due_ms"] - broken.value["decided_ms"] == 86_400_000
    assert guarded.ask("GET", "/v1/models/ours/encoder/versions/production", by="reader").value["number"] == 1
    again = break_glass(guarded, "responder", version="v2")
    assert (again.status, again.problem["code"]) == (409, "conflict")
    number = broken.value["id"]
    assert guarded.ask("POST", f"{ROOM}/promotions/{number}/look", by="reviewer").status == 200
    assert break_glass(guarded, "responder", version="v2").status == 200
    actions = [entry["action"] for entry in guarded.ask("GET", "/v1/ledger?limit=500", by="reader").value["entries"]]
    assert actions.count("promotion.glass-broken") == 2


def test_who_broke_the_glass_does_not_look_at_it_themselves(guarded: Any) -> None:
    guarded.ask("PUT", f"{ROOM}/grants/people/responder/reviewer", by="admin")
    number = break_glass(guarded, "responder").value["id"]
    assert guarded.ask("POST", f"{ROOM}/promotions/{number}/look", by="responder").status == 403


def test_a_promotion_of_another_namespace_is_not_there(guarded: Any) -> None:
    number = request(guarded)
    assert guarded.ask("GET", f"/v1/namespaces/theirs/promotions/{number}", by="elsewhere").status == 404
    assert guarded.ask("GET", f"/v1/namespaces/theirs/promotions/{number}", by="admin").status == 404
