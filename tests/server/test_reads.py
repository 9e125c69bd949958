"""Reading over HTTP: the same values as in process, page by page, and nothing of what is not one's own."""

import socket
from typing import Any

import pytest

import budwood
from budwood.domain.change import Change
from budwood.domain.records import VersionRecord
from budwood.domain.results import Family, VersionDetail
from budwood.verbs.wire import decode
from tests.server.conftest import token_of
from tests.waiting import eventually

ENCODER = "/v1/models/ours/encoder"


@pytest.mark.parametrize("selector", ["v2", "2.0.0", "~", "sha256:{digest}"])
def test_a_version_is_found_by_every_kind_of_selector(selector: str, team: Any) -> None:
    with budwood.connect(team.registry) as registry:
        version = registry.get("ours/encoder@v2").record
    reply = team.ask("GET", f"{ENCODER}/versions/{selector.format(digest=version.digest)}", by="reader")
    assert decode(VersionRecord, reply.body) == version


def test_log_detail_and_diff_are_what_they_are_in_process(team: Any) -> None:
    with budwood.connect(team.registry) as registry:
        place = registry._place
        shown, family = place.show("ours/encoder@v1"), place.log("ours/encoder", before=0, limit=100)
        change = place.diff("ours/encoder@v1", "ours/encoder@v2", measured=True, progress=lambda _: None)
    assert decode(VersionDetail, team.ask("GET", f"{ENCODER}/versions/v1/detail", by="reader").body) == shown
    assert decode(Family, team.ask("GET", f"{ENCODER}/log", by="reader").body) == family
    reply = team.ask("GET", "/v1/diff?before=ours/encoder@v1&after=ours/encoder@v2", by="reader")
    assert decode(Change, reply.body) == change


def test_head_answers_like_get_without_a_body(team: Any) -> None:
    got, headed = (team.ask(method, f"{ENCODER}/versions/v1", by="reader") for method in ("GET", "HEAD"))
    assert headed.body == b""
    assert (headed.status, headed.headers["content-length"]) == (200, got.headers["content-length"])


@pytest.mark.parametrize(
    ("path", "field", "least"),
    [("/v1/models", "models", 2), ("/v1/search", "versions", 3), ("/v1/ledger", "entries", 3)],
)
def test_pages_follow_one_another_without_gap_or_repeat(path: str, field: str, least: int, team: Any) -> None:
    whole = team.ask("GET", f"{path}?limit=1000", by="admin").value[field]
    assert len(whole) >= least
    found: list[Any] = []
    page = team.ask("GET", f"{path}?limit=1", by="admin").value
    cursor = "cursor" if path == "/v1/search" else "after"
    while page[field]:
        assert len(page[field]) == 1
        found += page[field]
        if not page["cursor"]:
            break
        page = team.ask("GET", f"{path}?limit=1&{cursor}={page['cursor']}", by="admin").value
    assert found == whole


def test_lists_searches_and_the_ledger_hold_ones_own_namespaces_only(team: Any) -> None:
    models = team.ask("GET", "/v1/models", by="reader").value["models"]
    assert [each["model"]["namespace"] for each in models] == ["ours"]
    found = team.ask("GET", "/v1/search", by="reader").value["versions"]
    assert {each["namespace"] for each in found} == {"ours"}
    entries = team.ask("GET", "/v1/ledger", by="reader").value["entries"]
    assert {each["namespace"] for each in entries} == {"ours"}
    assert team.ask("GET", "/v1/models", by="nobody").value == {"models": [], "cursor": ""}
    assert team.ask("GET", "/v1/search?q=namespace+%3D+theirs", by="reader").value["versions"] == []


def test_a_cursor_of_another_caller_opens_nothing(team: Any) -> None:
    cursor = team.ask("GET", "/v1/search?limit=1", by="admin").value["cursor"]
    found = team.ask("GET", f"/v1/search?cursor={cursor}", by="reader")
    assert found.status == 200
    assert {each["namespace"] for each in found.value["versions"]} <= {"ours"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/diff?before=ours/encoder@v1&after={}/secret@v1",
        "/v1/diff?before={}/secret@v1&after=ours/encoder@v1",
        "/v1/export?references={}/secret@v1",
    ],
)
def test_a_foreign_version_in_a_question_is_one_that_is_not_there(path: str, team: Any) -> None:
    theirs, nowhere = (team.ask("GET", path.format(name), by="reader") for name in ("theirs", "nowhere"))
    assert theirs.status == nowhere.status == 404
    assert str(theirs.problem).replace("theirs", "nowhere") == str(nowhere.problem)


def test_an_alias_cannot_be_pointed_at_a_foreign_version(team: Any) -> None:
    for wish in ("theirs/secret@v1", "../theirs/secret@v1", "v1@v1"):
        reply = team.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json={"version": wish})
        assert reply.status == 422, reply


QUERIES = {
    "limit=0": 422,
    "limit=1001": 422,
    "limit=-1": 422,
    "limit=x": 422,
    "limit=1&limit=2": 422,
    "limit=99999999999999999999999999": 422,
    "limt=5": 422,
    "after=%ff": 400,
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_parameter_that_is_wrong_is_refused(query: str, team: Any) -> None:
    reply = team.ask("GET", f"/v1/models?{query}", by="reader")
    assert reply.status == QUERIES[query], reply
    assert reply.problem["code"]


BODIES: dict[bytes, int] = {
    b"": 400,
    b"{": 400,
    b"nonsense": 400,
    b"[]": 422,
    b"{}": 422,
    b'{"version": 7}': 422,
    b'{"version": "v1", "force": true}': 422,
    b'{"version": "v1", "version": "v2"}': 400,
    b'{"version": "\xff"}': 400,
    b'{"version": "\\ud800"}': 400,
    b'{"version": NaN}': 400,
    b'{"version": "v1"} {}': 400,
    b'{"version": ' + b"[" * 100_000: 422,
    b'{"x": ' + b"[" * 100_000: 400,
    b'{"version": "\\u0000"}': 422,
}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:24].decode("latin-1") or "nothing")
def test_a_body_that_is_wrong_is_refused(body: bytes, team: Any) -> None:
    before = team.ask("GET", f"{ENCODER}/log", by="reader").body
    reply = team.ask("PUT", f"{ENCODER}/aliases/next", by="writer", body=body)
    assert reply.status == BODIES[body], reply
    assert "hint" in reply.problem
    assert team.ask("GET", f"{ENCODER}/log", by="reader").body == before


def test_addresses_methods_and_types_that_are_none(team: Any) -> None:
    assert team.ask("GET", "/v1/nothing", by="reader").problem["code"] == "not_found"
    wrong = team.ask("PATCH", "/v1/models", by="reader", json={})
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
    text = {"Content-Type": "text/plain"}
    assert team.ask("PUT", f"{ENCODER}/aliases/a", by="writer", json={}, headers=text).status == 415
    assert team.ask("GET", "/v1/models/Ours/encoder/log", by="admin").problem["code"] == "bad_name"
    assert team.ask("GET", "/healthz?x=1").status == 400


TOKENS = ["bw_", "bw_x", "nonsense", "", " ", "bw_" + "a" * 43, "bw_" + "a" * 44, "bw_boot_" + "a" * 43, "x" * 20_000]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:12] or "empty")
def test_what_is_no_token_is_refused_alike(token: str, team: Any) -> None:
    reply = team.ask("GET", "/v1/whoami", headers={"Authorization": f"Bearer {token}"})
    assert reply.problem == team.ask("GET", "/v1/whoami").problem


def test_a_token_with_one_sign_changed_is_none(team: Any) -> None:
    from hashlib import sha256

    good = "bw_" + sha256(b"reader").hexdigest()[:43]
    assert team.ask("GET", "/v1/whoami", token=good).value["name"] == "reader"
    for bad in (good[:-1], good + "a", good.upper(), good[:-1] + "_", good + " ", " " + good):
        assert team.ask("GET", "/v1/whoami", token=bad).status == 401, bad


def test_whoami_says_what_one_may_do(team: Any) -> None:
    told = team.ask("GET", "/v1/whoami", by="writer").value
    assert (told["name"], told["permissions"], told["is_admin"]) == ("writer", {"ours": ["push", "read"]}, False)
    assert "secret" not in str(told)


def test_what_was_exported_can_be_imported_where_one_may_push(fresh: Any) -> None:
    bundle = fresh.ask("GET", "/v1/export?references=ours/encoder@v1&references=ours/encoder@v2", by="reader")
    assert bundle.headers["content-length"] == str(len(bundle.body))
    fresh.ask("DELETE", f"{ENCODER}/versions/v2", by="owner")
    raw = {"Content-Type": "application/octet-stream"}
    taken = fresh.ask("POST", "/v1/import", by="writer", body=bundle.body, headers=raw)
    assert taken.status == 200, taken
    assert (len(taken.value["versions"]), len(taken.value["skipped"])) == (1, 1)
    refused = fresh.ask("POST", "/v1/import", by="elsewhere", body=bundle.body, headers=raw)
    assert (refused.status, refused.problem["code"]) == (404, "namespace_not_found")
    broken = fresh.ask("POST", "/v1/import", by="writer", body=bundle.body[:5000], headers=raw)
    assert (broken.status, broken.problem["code"]) == (422, "bad_bundle")
    middle = len(bundle.body) // 4
    bent = bundle.body[:middle] + bytes([bundle.body[middle] ^ 1]) + bundle.body[middle + 1 :]
    assert fresh.ask("POST", "/v1/import", by="writer", body=bent, headers=raw).status == 422
    assert fresh.ask("POST", "/v1/import", by="writer", body=b"", headers=raw).status == 422
    assert list((fresh.registry / "tmp").iterdir()) == []


def test_a_bundle_that_cannot_fit_is_refused_before_it_is_sent(team: Any) -> None:
    with socket.create_connection(("127.0.0.1", int(team.url.rpartition(":")[2])), timeout=10) as line:
        token = token_of("writer")
        line.sendall(
            f"POST /v1/import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {1 << 39}\r\n\r\n".encode()
        )
        assert line.recv(65_536).startswith(b"HTTP/1.1 507")


def test_upkeep_is_for_admins_and_works(fresh: Any) -> None:
    assert fresh.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True}).value["problems"] == []
    assert fresh.ask("POST", "/v1/registry/sweep", by="admin", json={"dry_run": True}).value["dry_run"] is True
    for grace_s in (-1, 1e300):
        assert fresh.ask("POST", "/v1/registry/sweep", by="admin", json={"grace_s": grace_s}).status == 422
    assert fresh.ask("POST", "/v1/registry/rebuild-index", by="admin").value["blocks"] > 0
    assert fresh.ask("GET", "/v1/stats", by="admin").value["versions"] == 3


def test_a_denied_write_leaves_an_entry_and_no_secret(fresh: Any) -> None:
    fresh.ask("DELETE", f"{ENCODER}/versions/v1", by="reader")
    fresh.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json={"hidden": "payload-7"})

    def denied() -> list[dict[str, Any]]:
        ledger = fresh.ask("GET", "/v1/ledger?limit=1000", by="admin").value["entries"]
        return [entry for entry in ledger if entry["action"] == "request.denied"]

    eventually(lambda: len(denied()) >= 2)
    entries = denied()
    told = {(entry["actor"], entry["subject"], entry["body"]["reason"]) for entry in entries}
    assert told == {("reader", "versions.delete", "forbidden"), ("writer", "aliases.set", "bad_value")}
    assert "payload-7" not in str(entries) + "".join(fresh.log)
