"""Who sets a standard, what every door makes of it, and what a tenant learns: over a real socket."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.errors import BudwoodError, EdgeRefused, NotFound, StandardUnmet
from tests.server.conftest import token_of

ROOM, V1 = "/v1/namespaces/ours", "/v1/models/ours/encoder/versions/v1"
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  reviews: [{role: reviewer, count: 1}]
"""
HEAD = "apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec:\n"
ASKS = HEAD + "  requires: {development: [message], production: [data]}\n"


def put(server: Any, text: str, by: str = "owner", room: str = "ours", headers: dict[str, str] | None = None) -> Any:
    return server.ask("PUT", f"/v1/namespaces/{room}/standard", by=by, json={"text": text}, headers=headers)


@pytest.fixture
def push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Push a small file as somebody."""
    monkeypatch.chdir(tmp_path)

    def pushed(server: Any, name: str, by: str = "writer", **said: Any) -> Any:
        (tmp_path / "config.json").write_text(f'{{"of": "{name}"}}')
        with budwood.connect(server.url, token=token_of(by)) as registry:
            return registry.push(tmp_path / "config.json", name, **said)

    return pushed


def test_the_server_judges_a_push_whatever_the_client_does(fresh: Any, push: Callable[..., Any]) -> None:
    assert put(fresh, ASKS).status == 200
    with pytest.raises(StandardUnmet, match="message is missing") as refused:
        push(fresh, "ours/ranker")
    assert list(refused.value.facts["missing"]) == ["message"]  # type: ignore[arg-type]
    assert fresh.ask("GET", "/v1/models/ours/ranker/versions/v1", by="reader").status == 404
    assert push(fresh, "ours/ranker", message="First").version.number == 1


def test_a_promotion_is_no_side_door_and_broken_glass_is_one(fresh: Any) -> None:
    put(fresh, ASKS)
    fresh.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": POLICY})
    number = fresh.ask("POST", f"{V1}/promotions", by="writer", json={"pointer": "production"}).value["id"]
    promotion = f"{ROOM}/promotions/{number}"
    assert fresh.ask("POST", f"{promotion}/reviews", by="reviewer", json={"approves": True}).status == 200
    refused = fresh.ask("POST", f"{promotion}/apply", by="releaser")
    assert (refused.status, refused.problem["code"]) == (403, "standard_unmet")
    assert "--message" in refused.problem["hint"]
    stage = fresh.ask("PUT", f"{V1}/stage", by="owner", json={"stage": "production"})
    assert (stage.status, stage.problem["code"]) == (403, "standard_unmet")
    assert fresh.ask("GET", "/v1/models/ours/encoder/versions/production", by="reader").status == 404
    body = {"pointer": "production", "reason": "payments are refused"}
    assert fresh.ask("POST", f"{V1}/break-glass", by="responder", json=body).status == 200


def test_two_owners_do_not_overwrite_each_others_standard(fresh: Any) -> None:
    first = put(fresh, ASKS)
    put(fresh, ASKS.replace("message", "code"))
    late = put(fresh, ASKS.replace("message", "params"), headers={"If-Match": first.headers["etag"]})
    assert (late.status, late.problem["code"]) == (412, "precondition_failed")
    editions = fresh.ask("GET", "/v1/namespaces/ours/standard", by="reader").value["standards"]
    assert [each["number"] for each in editions] == [2, 1]


def test_a_broken_standard_names_its_field_and_changes_nothing(fresh: Any) -> None:
    refused = put(fresh, ASKS.replace("[data]", "[dat]"))
    assert (refused.status, refused.problem["code"]) == (422, "bad_standard")
    assert fresh.ask("GET", "/v1/namespaces/ours/standard", by="reader").value == {"standards": []}


def test_a_parent_in_a_foreign_namespace_is_not_there_whatever_the_standards_say(
    fresh: Any, push: Callable[..., Any]
) -> None:
    everything = HEAD + '  lineage: {from: ["*"], to: ["*"]}\n'
    told = []
    for opened in (False, True):
        if opened:
            assert put(fresh, everything).status == 200
            assert put(fresh, everything, by="elsewhere", room="theirs").status == 200
        for room in ("theirs", "nowhere"):
            with pytest.raises(BudwoodError) as refused:
                push(fresh, "ours/tuned", parents=[f"{room}/secret@v1"])
            assert isinstance(refused.value, NotFound)
            told.append((str(refused.value).replace(room, "?"), refused.value.hint.replace(room, "?")))
    assert len(set(told)) == 1


def test_who_reads_both_namespaces_still_needs_both_to_allow_it(fresh: Any, push: Callable[..., Any]) -> None:
    fresh.ask("PUT", "/v1/namespaces/theirs/grants/people/writer/reader", by="admin")
    with pytest.raises(EdgeRefused, match="theirs does not let"):
        push(fresh, "ours/tuned", parents=["theirs/secret@v1"])
    put(fresh, HEAD + "  lineage: {to: [ours]}\n", by="elsewhere", room="theirs")
    with pytest.raises(EdgeRefused, match="ours does not let"):
        push(fresh, "ours/tuned", parents=["theirs/secret@v1"])
    put(fresh, HEAD + "  lineage: {from: [theirs]}\n")
    assert push(fresh, "ours/tuned", parents=["theirs/secret@v1"]).version.number == 1
    # Who may not read the parent's namespace does not see it above the child.
    shown = fresh.ask("GET", "/v1/models/ours/tuned/versions/v1/detail", by="reader")
    assert shown.status in (200, 404)
    assert "secret" not in shown.body.decode()


def test_a_marked_version_says_so_to_everyone_who_reads_it(fresh: Any, push: Callable[..., Any]) -> None:
    put(fresh, ASKS + "  fallsShort: mark\n")
    push(fresh, "ours/ranker")
    with budwood.connect(fresh.url, token=token_of("reader")) as registry:
        assert registry.get("ours/ranker").detail().short_of == ("message",)


def test_a_lineage_event_makes_no_edge_across_namespaces_that_both_do_not_allow(fresh: Any) -> None:
    def told(run: str) -> list[str]:
        event = {
            "eventTime": "2026-11-21T10:00:00Z",
            "eventType": "COMPLETE",
            "producer": "https://example.org/etl",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run},
            "job": {"namespace": "ours", "name": "score"},
            "inputs": [{"namespace": "budwood", "name": "theirs/secret@v1"}],
            "outputs": [{"namespace": "warehouse://x", "name": "public.scores"}],
        }
        assert fresh.ask("POST", "/api/v1/lineage?namespace=ours", by="admin", json=event).status == 200
        secret = "/v1/models/theirs/secret/versions/v1/trace?direction=down"
        return [each["name"] for each in fresh.ask("GET", secret, by="admin").value["named"]]

    assert told("refused") == []
    put(fresh, HEAD + "  lineage: {to: [ours]}\n", by="elsewhere", room="theirs")
    assert told("half") == []
    put(fresh, HEAD + "  lineage: {from: [theirs]}\n")
    assert told("allowed") != []
