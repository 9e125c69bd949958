"""Group I of the attacks: getting a version past its gates. Over a real server, as the people themselves.

Where each is tried:

- I02, one person twice, or from two groups: ``tests/server/test_gates.py`` (one person counts once; nobody lets
  themselves into a group), and here through accounts that answer to one person.
- I04, changes after an approval: ``tests/server/test_gates.py`` (evidence, policy); here the pointer and the weights.
- I06, side doors to a protected alias: here, all that the server has; ``tests/gates/test_side_doors.py`` for the code.
- I08, evidence overwritten or deleted: here.
- I10, break-glass: ``tests/server/test_gates.py`` (reason, role, program, twice, by oneself); here what is overdue.
- I12, reject and ask again: here.
- I14, versions that must not be used: here, as far as promotions and roll-backs go.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import budwood
from budwood.domain.access import Caller
from budwood.domain.limits import GLASS_S
from budwood.verbs.policies import put_policy
from budwood.verbs.promotions import break_glass
from tests.attacks.siege import Siege
from tests.server.conftest import Reply, Start

ROOM = "/v1/namespaces/ours"
MODEL = "/v1/models/ours/encoder"
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  aliases: [champion, "live-*"]
  reviews:
    - {role: reviewer, count: 1}
"""


@pytest.fixture
def guarded(start: Start, make_team: Callable[[], Path]) -> Iterator[Siege]:
    """A server of one's own, whose production, champion and live-* are guarded; v1 is champion from before."""
    siege = Siege(start(make_team()))
    assert siege.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": POLICY}).status == 200
    yield siege
    siege.assert_well()
    siege.end()


def ask_for(siege: Siege, version: str = "v2", pointer: str = "production", by: str = "writer") -> int:
    path = f"{MODEL}/versions/{version}/promotions"
    number: int = siege.ask("POST", path, by=by, json={"pointer": pointer}).value["id"]
    return number


def review(siege: Siege, number: int, *, approves: bool = True, by: str = "reviewer") -> Reply:
    return siege.ask("POST", f"{ROOM}/promotions/{number}/reviews", by=by, json={"approves": approves})


def apply(siege: Siege, number: int) -> Reply:
    return siege.ask("POST", f"{ROOM}/promotions/{number}/apply", by="releaser")


def points(siege: Siege, pointer: str) -> int:
    """The number of the version it points at; 0: nowhere."""
    reply = siege.ask("GET", f"{MODEL}/versions/{pointer}", by="reader")
    return int(reply.value["number"]) if reply.status == 200 else 0


def secret_of(siege: Siege, person: str) -> str:
    made = siege.ask("POST", "/v1/tokens", by="admin", json={"name": "t", "person": person})
    secret: str = made.value["secret"]
    return secret


def bundle_of(folder: Path, siege: Siege, author: str, trainer: str = "") -> bytes:
    """A version that somebody made elsewhere, under any name they like."""
    folder.mkdir()
    with budwood.connect(folder / "registry", author=author) as elsewhere:
        (folder / "config.json").write_text('{"layers": 66}')
        facts = {"training": {"run_by": trainer}} if trainer else {}
        pointed = ["champion", "live-eu"]
        elsewhere.push(folder / "config.json", "ours/encoder", label="6.6.6", aliases=pointed, facts=facts)
        elsewhere.stage("ours/encoder@v1", "production")
        elsewhere.export(["ours/encoder@v1"], folder / "bundle")
    return (folder / "bundle").read_bytes()


def test_one_person_behind_two_accounts_counts_for_none(guarded: Siege) -> None:
    """I02: what one account asks for and another gives evidence of, the person behind both does not approve."""
    for name in ("bot-one", "bot-two"):
        body = {"name": name, "kind": "service", "owner": "reviewer"}
        assert guarded.ask("POST", "/v1/people", by="admin", json=body).status == 200
        assert guarded.ask("PUT", f"{ROOM}/grants/people/{name}/writer", by="owner").status == 200
    asking, telling = secret_of(guarded, "bot-one"), secret_of(guarded, "bot-two")
    told: dict[str, object] = {"kind": "evaluation", "metrics": {"accuracy": 1.0}}
    assert guarded.ask("POST", f"{MODEL}/versions/v2/evidence", token=telling, json=told).status == 200
    made = guarded.ask("POST", f"{MODEL}/versions/v2/promotions", token=asking, json={"pointer": "production"})
    number = made.value["id"]
    assert review(guarded, number).status == 200
    for token in (asking, telling):
        answer = guarded.ask("POST", f"{ROOM}/promotions/{number}/reviews", token=token, json={"approves": True})
        assert answer.status == 403
    assert apply(guarded, number).problem["code"] == "gate_closed"
    assert points(guarded, "production") == 0


@pytest.mark.parametrize("other", [("v1", "production"), ("v2", "live-eu")], ids=["version", "pointer"])
def test_an_approval_is_of_one_version_and_one_pointer(other: tuple[str, str], guarded: Siege) -> None:
    """I04: what was approved for one opens no other."""
    approved, wanted = ask_for(guarded), ask_for(guarded, *other)
    review(guarded, approved)
    assert apply(guarded, wanted).problem["code"] == "gate_closed"
    assert points(guarded, other[1]) == 0
    assert apply(guarded, approved).status == 200


def side_doors(siege: Siege, folder: Path) -> Iterator[tuple[str, Reply]]:
    """Every way to point a name at a version that the server has, tried by who may do everything."""
    for alias in ("champion", "live-eu"):
        for body in ({"version": "v2"}, {"version": "2.0.0"}, {"version": "v2", "force": True}):
            yield "alias", siege.ask("PUT", f"{MODEL}/aliases/{alias}", by="admin", json=body)
    for body in ({"stage": "production"}, {"stage": "production", "force": True, "let_through": True}):
        yield "stage", siege.ask("PUT", f"{MODEL}/versions/v2/stage", by="owner", json=body)
    for pointer in ("production", "champion", "live-eu"):
        yield "roll-back", siege.ask("POST", f"{MODEL}/roll-back", by="owner", json={"pointer": pointer})
    patch = {"stage": "production", "aliases": ["champion"], "model_id": 1, "version_id": 2}
    for path in (f"{MODEL}/versions/v2", MODEL, f"{MODEL}/aliases/champion"):
        yield "patch", siege.ask("PATCH", path, by="admin", json=patch)
    yield "import", siege.ask("POST", "/v1/import", by="admin", body=bundle_of(folder / "a", siege, "mara"))
    for name in ("champion%27%20or%201=1", "live-eu/../champion", "LIVE-EU"):
        yield "name", siege.ask("PUT", f"{MODEL}/aliases/{name}", by="admin", json={"version": "v2"})


def test_no_side_door_moves_a_protected_pointer(guarded: Siege, tmp_path: Path) -> None:
    """I06."""
    tried = set()
    for door, reply in side_doors(guarded, tmp_path):
        tried.add(door)
        assert reply.status in (400, 403, 404, 405, 409, 415, 422) or door == "import", (door, reply)
        assert (points(guarded, "champion"), points(guarded, "production"), points(guarded, "live-eu")) == (1, 0, 0)
    assert len(tried) == 6


@pytest.mark.parametrize("selector", ["^1", "~2.0", "2.x", ">=1.0.0", "*", "latest", "1.0.0 - 2.0.0", "^1||^2"])
def test_no_range_finds_a_version_that_nobody_approved(selector: str, guarded: Siege) -> None:
    """I06: a label names one version for ever; ranges are no references, so none can resolve past a gate."""
    reply = guarded.ask("GET", f"{MODEL}/versions/{quote(selector, safe='')}", by="reader")
    assert reply.status in (400, 404, 422), reply
    answer = guarded.ask("PUT", f"{MODEL}/aliases/candidate", by="owner", json={"version": selector})
    assert answer.status in (400, 404, 422), answer


def test_who_imports_a_version_made_it_whatever_the_bundle_says(guarded: Siege, tmp_path: Path) -> None:
    """I06: a bundle may name anybody as its author; that does not make its bringer a stranger to it."""
    assert guarded.ask("PUT", f"{ROOM}/grants/people/reviewer/writer", by="owner").status == 200
    brought = guarded.ask("POST", "/v1/import", by="reviewer", body=bundle_of(tmp_path / "a", guarded, "nobody-here"))
    assert brought.status == 200, brought
    version = brought.value["versions"][0]
    assert version["author"] == "reviewer"
    number = ask_for(guarded, f"v{version['number']}")
    assert review(guarded, number).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"
    shown = guarded.ask("GET", f"{ROOM}/promotions/{number}", by="reader").value
    assert "reviewer made the version" in str(shown["checks"])


def test_who_trained_a_version_does_not_approve_it(guarded: Siege, tmp_path: Path) -> None:
    """It makes no difference that somebody else pushed it."""
    brought = guarded.ask(
        "POST", "/v1/import", by="owner", body=bundle_of(tmp_path / "a", guarded, "owner", "reviewer")
    )
    assert brought.status == 200, brought
    number = ask_for(guarded, f"v{brought.value['versions'][0]['number']}")
    assert review(guarded, number).status == 200
    assert apply(guarded, number).problem["code"] == "gate_closed"
    shown = guarded.ask("GET", f"{ROOM}/promotions/{number}", by="reader").value
    assert "reviewer trained the version" in str(shown["checks"])


def test_evidence_is_never_changed_or_taken_back(guarded: Siege) -> None:
    """I08: there is no way to do it; the same again is another piece, and the newest counts."""
    path = f"{MODEL}/versions/v2/evidence"
    body = {"kind": "fairness", "outcome": "failed"}
    first = guarded.ask("POST", path, by="writer", json=body).value
    for method in ("PUT", "PATCH", "DELETE"):
        for where in (path, f"{path}/{first['id']}"):
            assert guarded.ask(method, where, by="admin", json=body).status in (404, 405)
    again = guarded.ask("POST", path, by="writer", json={"kind": "fairness", "outcome": "passed", "id": first["id"]})
    assert again.status in (200, 400, 422)
    kept = guarded.ask("GET", path, by="reader").value["evidence"]
    assert kept[0] == first


def test_asking_again_and_again_after_a_no_is_slowed_and_written_down(guarded: Siege) -> None:
    """I12."""
    assert review(guarded, ask_for(guarded), approves=False).status == 200
    path = f"{MODEL}/versions/v2/promotions"
    answers = [guarded.ask("POST", path, by="writer", json={"pointer": "production"}) for _ in range(100)]
    assert {answer.status for answer in answers} == {429}
    states = [each["state"] for each in guarded.ask("GET", f"{ROOM}/promotions", by="reader").value["promotions"]]
    assert states == ["rejected"]
    actions = [entry["action"] for entry in guarded.entries()]
    assert actions.count("promotion.requested") == actions.count("promotion.rejected") == 1


def test_a_retired_version_is_not_promoted_and_not_returned_to(guarded: Siege) -> None:
    """I14: approved before it was retired, or in force before."""
    number = ask_for(guarded)
    review(guarded, number)
    assert guarded.ask("POST", f"{MODEL}/versions/v2/retire", by="owner", json={"reason": "poisoned"}).status == 200
    refused = apply(guarded, number)
    assert (refused.status, refused.problem["code"]) == (403, "retired")
    for pointer in ("champion", "candidate"):
        assert guarded.ask("PUT", f"{MODEL}/aliases/{pointer}", by="owner", json={"version": "v2"}).status == 403
    body = {"pointer": "production", "reason": "we need it back at once"}
    assert guarded.ask("POST", f"{MODEL}/versions/v2/break-glass", by="responder", json=body).status == 403
    assert points(guarded, "production") == 0


def test_what_came_past_the_gates_does_not_come_back_by_itself(guarded: Siege) -> None:
    """I10: broken glass is no approval, also after somebody looked."""
    body = {"pointer": "champion", "reason": "payments are refused"}
    broken = guarded.ask("POST", f"{MODEL}/versions/v2/break-glass", by="responder", json=body).value
    assert guarded.ask("POST", f"{ROOM}/promotions/{broken['id']}/look", by="reviewer").status == 200
    assert guarded.ask("POST", f"{MODEL}/roll-back", by="owner", json={"pointer": "champion"}).status == 200
    assert points(guarded, "champion") == 1
    again = guarded.ask("PUT", f"{MODEL}/aliases/champion", by="owner", json={"version": "v2"})
    assert (again.status, again.problem["code"]) == (403, "gate_closed")
    number = ask_for(guarded, pointer="champion")
    review(guarded, number)
    assert apply(guarded, number).status == 200


def test_broken_glass_that_nobody_looked_at_in_time_is_told(start: Start, make_team: Callable[[], Path]) -> None:
    """I10: in the ledger, once, in the figures, and to whoever asks; who looks then is late."""
    folder = make_team()
    with budwood.connect(folder, author="responder") as registry:
        house = registry.house
        put_policy(house, "ours", POLICY)
        ago = replace(house, clock=lambda: house.clock() - GLASS_S * 1000 - 60_000)
        number = break_glass(ago, Caller("responder"), "ours/encoder@v2", "production", "payments are refused").id
    siege = Siege(start(folder))
    told = [entry for entry in _until(siege, "promotion.overdue") if entry["action"] == "promotion.overdue"]
    assert [entry["body"]["promotion"] for entry in told] == [number]
    shown = siege.ask("GET", f"{ROOM}/promotions/{number}", by="reader").value["promotion"]
    assert shown["overdue_ms"] > shown["due_ms"]
    page = siege.server.ask("GET", "/metrics", by="admin").body.decode()
    assert "budwood_promotions_overdue" in page
    looked = siege.ask("POST", f"{ROOM}/promotions/{number}/look", by="reviewer")
    assert looked.status == 200
    assert siege.entries()[-1]["body"]["late"] is True
    siege.end()


def _until(siege: Siege, action: str, within_s: float = 20.0) -> list[dict[str, Any]]:
    """The ledger, once it has such an entry."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        entries = siege.entries()
        if any(entry["action"] == action for entry in entries):
            return entries
        time.sleep(0.1)
    raise AssertionError(f"no {action}: {json.dumps([entry['action'] for entry in entries])}")
