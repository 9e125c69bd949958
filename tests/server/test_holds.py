"""Who may place and lift holds, shorten classes and let bytes go: as the people themselves, over a real socket."""

from typing import Any

import pytest

ROOM = "/v1/namespaces/ours"
MODEL = "/v1/models/ours/encoder"
V1 = f"{MODEL}/versions/v1"
WHY = {"reason": "Claim of a customer", "reference": "LEG-17"}
BRIEF = """\
apiVersion: budwood.dev/v1
kind: Retention
spec:
  classes: [{name: brief, keep: 30d}, {name: usual, keep: 1y}]
  default: usual
"""


def token(server: Any, person: str) -> str:
    made = server.ask("POST", "/v1/tokens", by="admin", json={"name": "t", "person": person})
    secret: str = made.value["secret"]
    return secret


def placed(server: Any, by: str = "owner", **wish: str) -> int:
    body = {"scope": "version", "subject": "ours/encoder@v1", **WHY, **wish}
    answer = server.ask("POST", f"{ROOM}/holds", by=by, json=body)
    assert answer.status == 200, answer
    number: int = answer.value["id"]
    return number


def lift(server: Any, number: int, **who: str) -> Any:
    return server.ask("POST", f"{ROOM}/holds/{number}/lift", json={"reason": "The claim was withdrawn"}, **who)


@pytest.mark.parametrize("by", ["owner", "counsel", "admin"])
def test_owners_counsel_and_admins_place_holds(by: str, fresh: Any) -> None:
    placed(fresh, by)


@pytest.mark.parametrize("by", ["reader", "writer", "reviewer", "releaser", "responder"])
def test_others_place_and_lift_none(by: str, fresh: Any) -> None:
    body = {"scope": "version", "subject": "ours/encoder@v1", **WHY}
    assert fresh.ask("POST", f"{ROOM}/holds", by=by, json=body).status == 403
    assert lift(fresh, placed(fresh), by=by).status == 403


@pytest.mark.parametrize("by", ["owner", "admin"])
def test_not_even_owners_and_admins_lift_a_hold(by: str, fresh: Any) -> None:
    assert lift(fresh, placed(fresh, "counsel"), by=by).status == 403


def test_counsel_lifts_what_somebody_else_placed_and_not_their_own(fresh: Any) -> None:
    assert lift(fresh, placed(fresh), by="counsel").value["lifted_by"] == "counsel"
    own = lift(fresh, placed(fresh, "counsel"), by="counsel")
    assert (own.status, own.problem["code"]) == (403, "forbidden")


def test_a_program_lifts_nothing_and_nobody_lifts_what_their_program_placed(fresh: Any) -> None:
    for name, owner in (("robot", "counsel"), ("stray", "")):
        body = {"name": name, "kind": "service", **({"owner": owner} if owner else {})}
        assert fresh.ask("POST", "/v1/people", by="admin", json=body).status == 200
        assert fresh.ask("PUT", f"{ROOM}/grants/people/{name}/counsel", by="admin").status == 200
    body = {"scope": "version", "subject": "ours/encoder@v1", **WHY}
    for name in ("robot", "stray"):
        number = fresh.ask("POST", f"{ROOM}/holds", token=token(fresh, name), json=body).value["id"]
        assert lift(fresh, number, by="counsel").status == 403
    assert lift(fresh, placed(fresh), token=token(fresh, "robot")).status == 403


def test_what_is_held_is_not_deleted_whoever_asks(fresh: Any) -> None:
    number = placed(fresh, scope="namespace", subject="")
    for by in ("owner", "admin"):
        refused = fresh.ask("DELETE", f"{MODEL}/versions/v2", by=by)
        assert (refused.status, refused.problem["code"]) == (403, "held")
        assert refused.problem["facts"]["holds"] == [f"hold {number} (LEG-17)"]
    assert fresh.ask("DELETE", ROOM, by="admin").status == 403


def test_a_hold_elsewhere_is_never_heard_of(fresh: Any) -> None:
    number = placed(fresh)
    for path in (
        f"{ROOM}/holds/{number}",
        f"{ROOM}/holds",
        f"{ROOM}/retention/due",
        f"{V1}/retention",
        f"{V1}/dossier",
    ):
        assert fresh.ask("GET", path, by="elsewhere").status == 404
    assert fresh.ask("GET", f"/v1/namespaces/theirs/holds/{number}", by="elsewhere").status == 404
    theirs = {"scope": "version", "subject": "ours/encoder@v1", **WHY}
    assert fresh.ask("POST", "/v1/namespaces/theirs/holds", by="elsewhere", json=theirs).status in (404, 422)
    wrong = {"scope": "model", "subject": "theirs/secret", **WHY}
    assert fresh.ask("POST", f"{ROOM}/holds", by="owner", json=wrong).status == 422
    found = fresh.ask("POST", f"{ROOM}/holds", by="owner", json={**WHY, "scope": "query", "subject": "kind = model"})
    assert found.value["versions"] == 2


def test_writers_lengthen_and_only_owners_with_a_reason_and_admins_shorten(fresh: Any) -> None:
    assert fresh.ask("PUT", f"{ROOM}/retention", by="writer", json={"text": BRIEF}).status == 403
    assert fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": BRIEF}).status == 200
    assert fresh.ask("PUT", f"{MODEL}/retention", by="writer", json={"name": "forever"}).status == 200
    for by, reason in (("writer", "a reason that is long enough"), ("owner", ""), ("owner", "because")):
        body = {"name": "brief", "reason": reason}
        assert fresh.ask("PUT", f"{MODEL}/retention", by=by, json=body).status == 403, (by, reason)
    body = {"name": "usual", "reason": "the paper was withdrawn"}
    assert fresh.ask("PUT", f"{MODEL}/retention", by="owner", json=body).status == 200
    assert fresh.ask("PUT", f"{MODEL}/retention", by="admin", json={"name": "brief"}).status == 200
    shorter = BRIEF.replace("keep: 1y", "keep: 9d")
    assert fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": shorter}).status == 403
    answer = fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": shorter, "reason": "nobody needs them"})
    assert answer.status == 200
    entries = fresh.ask("GET", "/v1/ledger?limit=1000", by="owner").value["entries"]
    said = [each["body"]["shortens"] for each in entries if each["action"].startswith("retention.")]
    assert said == [False, False, True, True, True]


def test_a_version_s_default_is_not_shortened_by_a_word_of_a_writer(fresh: Any) -> None:
    assert fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": BRIEF}).status == 200
    assert fresh.ask("PUT", f"{V1}/retention", by="writer", json={"name": "brief"}).status == 403
    assert fresh.ask("PUT", f"{V1}/retention", by="writer", json={"name": "usual"}).status == 200
    assert fresh.ask("PUT", f"{V1}/retention", by="writer", json={"name": ""}).status == 403


def test_only_who_may_delete_lets_bytes_go(fresh: Any) -> None:
    body = {"versions": ["ours/encoder@v2"]}
    assert fresh.ask("POST", f"{ROOM}/retention/apply", by="releaser", json=body).status == 403
    refused = fresh.ask("POST", f"{ROOM}/retention/apply", by="owner", json=body)
    assert (refused.status, refused.problem["code"]) == (403, "kept")
    foreign = fresh.ask("POST", f"{ROOM}/retention/apply", by="owner", json={"versions": ["theirs/secret@v1"]})
    assert foreign.status == 404


def test_rules_carry_a_mark_that_guards_the_next_change(fresh: Any) -> None:
    put = fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": BRIEF})
    stale = {"If-Match": '"0"'}
    text = BRIEF + "# more\n"
    assert fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": text}, headers=stale).status == 412
    fitting = {"If-Match": put.headers["etag"]}
    assert fresh.ask("PUT", f"{ROOM}/retention", by="owner", json={"text": text}, headers=fitting).status == 200


def test_a_reader_makes_a_dossier_of_what_they_may_read(fresh: Any) -> None:
    made = fresh.ask("GET", f"{V1}/dossier", by="reader")
    assert made.status == 200
    names = {part["name"] for part in made.value["parts"]}
    assert {"index.html", "facts.json", "ledger/proofs.jsonl", "dossier.dsse.json"} <= names
