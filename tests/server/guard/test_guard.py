"""What the guard lets through, what it answers itself, and what it tells those who watch."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from budwood.server.guard import Guard
from budwood.server.http_hosts import Hosts
from budwood.server.http_limits import Door, HttpLimits

Fields = list[tuple[bytes, bytes]]
HOST = (b"host", b"localhost")
JSON = (b"content-type", b"application/json; charset=utf-8")
QUICK = HttpLimits(slow_body_s=0.1, linger_s=0.1)


def length(value: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", value)


def test_a_plain_request_passes_and_its_answer_is_dressed(ask: Any) -> None:
    said = ask("GET", b"/v1/models")
    assert (said.status, said.body, said.ended) == (200, b"ok", True)
    assert said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["cache-control"] == "no-store"
    assert said.headers["content-security-policy"].startswith("default-src 'none'")
    assert re.fullmatch(r"[0-9a-f]{16}", said.headers["x-request-id"])


def test_what_the_application_says_of_caching_and_policy_stands_and_its_name_does_not(ask: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, said: Any) -> None:
        headers = [(b"cache-control", b"private, max-age=9"), (b"server", b"x/1"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    said = ask("GET", app=app)
    assert said.headers["cache-control"] == "private, max-age=9"
    assert "server" not in said.headers
    assert "style-src 'self'" in said.headers["content-security-policy"]


@pytest.mark.parametrize("given_id", [b"abc-1_2.Z", b"a" * 128])
def test_a_clients_request_id_is_kept_when_it_is_plain(ask: Any, given_id: bytes) -> None:
    assert ask("GET", headers=[HOST, (b"x-request-id", given_id)]).headers["x-request-id"] == given_id.decode()


@pytest.mark.parametrize("given_id", [b"", b"a" * 129, b"a b", b"a\x1b[31m", b'{"a":1}', b"\xff"])
def test_a_request_id_that_is_not_plain_is_replaced(ask: Any, given_id: bytes) -> None:
    said = ask("GET", headers=[HOST, (b"x-request-id", given_id)])
    assert said.status == 200
    assert re.fullmatch(r"[0-9a-f]{16}", said.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"),
    [
        ("GET", [], 400, "bad_host"),
        ("GET", [HOST, HOST], 400, "bad_host"),
        ("GET", [(b"host", b"")], 400, "bad_host"),
        ("GET", [(b"host", b"evil.example")], 421, "unknown_host"),
        ("GET", [(b"host", b"localhost.evil.example")], 421, "unknown_host"),
        ("GET", [(b"host", b"user@localhost")], 421, "unknown_host"),
        ("GET", [(b"host", b"localhost, evil")], 421, "unknown_host"),
        ("POST", [HOST, JSON, length(b"2"), length(b"2")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"2"), (b"transfer-encoding", b"chunked")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"-1")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"+5")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"0x5")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"1" + b"0" * 30)], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"")], 400, "bad_length"),
        ("POST", [HOST, JSON, length("٥".encode())], 400, "bad_length"),
        ("POST", [HOST, JSON, (b"transfer-encoding", b"gzip, chunked")], 400, "bad_length"),
        ("POST", [HOST, JSON, (b"transfer-encoding", b"identity")], 400, "bad_length"),
        ("POST", [HOST, JSON, length(b"9" * 12)], 413, "body_too_large"),
        ("POST", [HOST, length(b"2")], 415, "unsupported_media_type"),
        ("POST", [HOST, length(b"2"), (b"content-type", b"text/plain")], 415, "unsupported_media_type"),
        ("POST", [HOST, length(b"2"), (b"content-type", b"application/jsonx")], 415, "unsupported_media_type"),
        ("POST", [HOST, JSON, length(b"2"), (b"content-encoding", b"gzip")], 415, "unsupported_encoding"),
        ("POST", [HOST, JSON, length(b"2"), (b"expect", b"the-unexpected")], 417, "unknown_expectation"),
        ("GET", [HOST, length(b"2")], 400, "unexpected_body"),
        ("GET", [HOST, (b"authorization", b"a"), (b"authorization", b"b")], 400, "doubled_header"),
        ("TRACE", [HOST], 405, "method_not_allowed"),
        ("PROPFIND", [HOST], 405, "method_not_allowed"),
        ("GET", [HOST, *[(b"x", b"a")] * 100], 431, "headers_too_large"),
        ("GET", [HOST, (b"x", b"a" * 40_000)], 431, "headers_too_large"),
        ("GET", [HOST, (b"range", b"bytes=0-,0-")], 416, "bad_range"),
        ("GET", [HOST, (b"range", b"bytes=" + b"0-," * 5_000)], 416, "bad_range"),
        ("GET", [HOST, (b"range", b"bytes=5-2")], 416, "bad_range"),
        ("GET", [HOST, (b"range", b"bytes=-0")], 416, "bad_range"),
        ("GET", [HOST, (b"range", b"lines=1-2")], 416, "bad_range"),
    ],
)
def test_a_head_that_is_not_right_never_reaches_the_application(
    ask: Any, method: str, headers: Fields, status: int, code: str
) -> None:
    said = ask(method, b"/v1/x", headers, [b"{", b"}"], limits=QUICK)
    assert (said.status, said.problem["code"], said.problem["status"]) == (status, code, status)
    assert (said.reached, said.ended) == (False, True)
    assert [e.code for e in said.exchanges] == [code]
    assert said.problem["request_id"] == said.headers["x-request-id"] == said.exchanges[0].request_id


@pytest.mark.parametrize("value", [b"bytes=0-0", b"bytes=0-", b"bytes=5-99", b"bytes=-5", b"bytes=-005"])
def test_one_range_passes(ask: Any, value: bytes) -> None:
    assert ask("GET", headers=[HOST, (b"range", value)]).status == 200


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:8080", b"127.0.0.1", b"10.1.2.3:80", b"[::1]:80", b"a.example", b"x.b.example"]
)
def test_the_names_of_this_server_and_addresses_in_figures_pass(ask: Any, host: bytes) -> None:
    assert ask("GET", headers=[(b"host", host)], hosts=Hosts(["A.example.", "*.b.example"])).status == 200


@given(st.binary(max_size=60))
def test_no_host_header_breaks_the_judge(host: bytes) -> None:
    hosts = Hosts(["a.example"])
    assert hosts.answers_to(host) == hosts.answers_to(host)
    assert not hosts.answers_to(host + b".evil.example")


def test_a_method_a_path_lacks_is_answered_with_those_it_has(ask: Any) -> None:
    said = ask("TRACE", headers=[HOST], doors=lambda path, method: Door(frozenset({"GET", "PUT"})))
    assert (said.status, said.headers["allow"]) == (405, "GET, PUT")


def test_a_body_is_bounded_by_what_its_route_takes(ask: Any) -> None:
    def doors(path: str, method: str) -> Door:
        return Door(frozenset({"PUT"}), body_bytes=10, media_type="")

    assert ask("PUT", headers=[HOST, length(b"10")], body=[b"0123456789"], doors=doors).read == b"0123456789"
    assert ask("PUT", headers=[HOST, length(b"11")], body=[b"0" * 11], doors=doors).status == 413


def test_a_body_in_chunks_is_bounded_by_counting(ask: Any) -> None:
    chunked = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    said = ask(
        "POST", b"/", chunked, [b"0" * 6, b"0" * 6, b"0" * 6], doors=lambda p, m: Door(body_bytes=10), limits=QUICK
    )
    assert (said.status, said.problem["code"], said.headers["connection"]) == (413, "body_too_large", "close")
    assert said.exchanges[0].bytes_in == 12


def test_a_body_nobody_sent_yet_is_refused_without_asking_for_it(ask: Any) -> None:
    headers = [HOST, JSON, length(b"99999999999"), (b"expect", b"100-continue")]
    said = ask("POST", b"/", headers, [b"0"])
    assert (said.status, said.asked) == (413, 0)


def test_a_body_that_does_not_come_is_cut_and_the_application_cannot_hide_it(ask: Any) -> None:
    async def swallows(scope: Scope, receive: Receive, send: Send, said: Any) -> None:
        try:
            while True:
                said.read += (await receive())["body"]
        except Exception:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"Traceback"})

    headers = [HOST, JSON, length(b"9")]
    for app in (None, swallows):
        said = ask("POST", b"/", headers, [b"0", None], limits=QUICK, app=app)
        assert (said.status, said.problem["code"], said.ended) == (408, "request_too_slow", True)


def test_too_many_requests_at_once_are_told_to_come_back_but_health_is_answered() -> None:
    async def story() -> tuple[list[int], list[int]]:
        gate = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] != "/healthz":
                await gate.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        guard = Guard(app, new_id=lambda: "0", limits=HttpLimits(requests_at_once=2))
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        def request(path: str) -> Any:
            scope = {"type": "http", "method": "GET", "http_version": "1.1", "path": path, "query_string": b""}
            return guard({**scope, "raw_path": path.encode(), "headers": [HOST], "client": None}, receive, send)

        tasks = [asyncio.create_task(request("/v1/a")) for _ in range(2)]
        await asyncio.sleep(0)
        await request("/v1/a")
        await request("/healthz")
        early = [status for status in statuses if status]
        gate.set()
        await asyncio.gather(*tasks)
        await request("/v1/a")
        return early, [status for status in statuses if status]

    early, late = asyncio.run(story())
    assert early == [503, 200]
    assert late == [503, 200, 200, 200, 200]


def test_a_crash_shows_its_request_id_and_nothing_else(ask: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, said: Any) -> None:
        raise RuntimeError("password=hunter2 in /etc/budwood")

    said = ask("GET", app=app)
    assert (said.status, said.problem["code"]) == (500, "internal_error")
    assert b"hunter2" not in said.body
    assert isinstance(said.exchanges[0].crash, RuntimeError)


def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole(ask: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send, said: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise OSError("disk")

    said = ask("GET", app=app)
    assert (said.status, said.body, said.ended) == (200, b"half", False)
