"""Evidence with files and the registry's scan over a real socket: once, by whom, and of whose versions."""

import base64
from typing import Any

import pytest

ROOM = "/v1/namespaces/ours"
V1 = "/v1/models/ours/encoder/versions/v1"
SCANNED = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  requires: {scanned: true}
"""
AUDIT = {"kind": "fairness", "outcome": "passed"}


def with_file(content: bytes = b"fine") -> dict[str, object]:
    return AUDIT | {"files": [{"name": "audit.txt", "content": base64.b64encode(content).decode()}]}


def evidence(server: Any) -> list[Any]:
    found: list[Any] = server.ask("GET", f"{V1}/evidence", by="reader").value["evidence"]
    return found


def test_evidence_with_files_that_is_sent_twice_with_one_key_is_kept_once(fresh: Any) -> None:
    one, other = (
        fresh.ask("POST", f"{V1}/evidence", by="writer", json=with_file(), headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    )
    assert (one.status, other.status, one.body) == (200, 200, other.body)
    assert other.headers["idempotency-replayed"] == "true"
    (kept,) = evidence(fresh)
    files = fresh.ask("GET", f"{V1}/evidence/{kept['digest'][:8]}/files", by="reader").value["files"]
    assert files == [{"name": "audit.txt", "content": base64.b64encode(b"fine").decode()}]


def test_a_promotion_that_is_asked_for_twice_with_one_key_is_asked_for_and_scanned_once(fresh: Any) -> None:
    fresh.ask("PUT", f"{ROOM}/policies/production", by="owner", json={"text": SCANNED})
    one, other = (
        fresh.ask(
            "POST", f"{V1}/promotions", by="writer", json={"pointer": "production"}, headers={"Idempotency-Key": "k2"}
        )
        for _ in range(2)
    )
    assert (one.status, other.status, one.value["id"]) == (200, 200, other.value["id"])
    assert [(each["kind"], each["author"], each["roles"]) for each in evidence(fresh)] == [
        ("scan", "the registry", ["scanner"])
    ]
    applied = fresh.ask("POST", f"{ROOM}/promotions/{one.value['id']}/apply", by="releaser")
    assert applied.status == 200, applied


@pytest.mark.parametrize(
    ("by", "status"),
    [("writer", 200), ("reviewer", 200), ("releaser", 200), ("reader", 403), ("nobody", 404), ("elsewhere", 404)],
)
def test_who_may_have_a_version_scanned(by: str, status: int, team: Any) -> None:
    assert team.ask("POST", f"{V1}/scan", by=by).status == status


def test_nobody_gives_evidence_in_the_registrys_name(fresh: Any) -> None:
    body = {"kind": "scan", "outcome": "passed"}
    for more in ({"author": "the registry"}, {"roles": ["scanner"]}):
        assert fresh.ask("POST", f"{V1}/evidence", by="owner", json=body | more).status == 422
    given = fresh.ask("POST", f"{V1}/evidence", by="owner", json=body).value
    assert (given["author"], "scanner" in given["roles"]) == ("owner", False)
    assert fresh.ask("POST", "/v1/people", by="admin", json={"name": "the registry"}).status == 422
    assert fresh.ask("PUT", f"{ROOM}/grants/people/writer/scanner", by="owner").status == 422


def test_files_are_read_through_their_own_version_only(fresh: Any) -> None:
    digest = fresh.ask("POST", f"{V1}/evidence", by="writer", json=with_file()).value["digest"]
    for by, version, status in (
        ("reader", "ours/encoder/versions/v1", 200),
        ("reader", "ours/encoder/versions/v2", 404),
        ("elsewhere", "ours/encoder/versions/v1", 404),
        ("reader", "theirs/encoder/versions/v1", 404),
    ):
        assert fresh.ask("GET", f"/v1/models/{version}/evidence/{digest}/files", by=by).status == status


@pytest.mark.parametrize(
    "files",
    [
        [{"name": "a", "content": "no base64!"}],
        [{"name": "../a", "content": ""}],
        [{"name": "a", "content": ""}, {"name": "a", "content": ""}],
        [{"name": "a"}],
        {"a": ""},
        [{"name": f"f{n}", "content": ""} for n in range(21)],
    ],
)
def test_files_that_are_none_are_refused(files: Any, team: Any) -> None:
    before = evidence(team)
    assert team.ask("POST", f"{V1}/evidence", by="writer", json=AUDIT | {"files": files}).status in (400, 422)
    assert evidence(team) == before


def test_a_file_as_large_as_may_be_goes_through(fresh: Any) -> None:
    content = bytes(range(256)) * (8 << 12)
    assert fresh.ask("POST", f"{V1}/evidence", by="writer", json=with_file(content)).status == 200
    digest = evidence(fresh)[0]["digest"]
    files = fresh.ask("GET", f"{V1}/evidence/{digest}/files", by="reader").value["files"]
    assert base64.b64decode(files[0]["content"]) == content
    over = fresh.ask("POST", f"{V1}/evidence", by="writer", json=with_file(content + b"x"))
    assert (over.status, over.problem["facts"]["limit"]) == (422, "EVIDENCE_FILES_BYTES")
