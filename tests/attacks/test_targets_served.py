"""Addresses and places that a client names: none leads a server anywhere it should not go, or is told in full."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.attacks import wire
from tests.attacks.siege import Siege
from tests.server.conftest import Start

HOOKS = "/v1/namespaces/ours/webhooks"

INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://0.0.0.0/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
]
STRANGE = [
    "",
    "file:///etc/passwd",
    "gopher://h/_x",
    "ftp://h/",
    "javascript:alert(1)",
    "//h/",
    "h",
    "http:///x",
    "http://",
    "http://h:0/",
    "http://h:99999/",
    "http://h:22/",
    "http://h:6379/",
    "http://h\\@127.0.0.1/",
    "http://127.0.0.1#@h/",
    "http://h/\r\nHost: 127.0.0.1",
    "http://h/\u0000",
    "http://h /",
    "http://\u24d7/",
    "http://h\u3002com/",
    "http://-h/",
    "http://h..com/",
    "http://" + "a" * 64 + ".com/",
    "http://h/" + "a" * 5_000,
    "https://user:hunter2hunter2@h/",
    "https://user@h/",
    "https://:hunter2hunter2@h/",
]


@pytest.mark.parametrize("url", INSIDE + STRANGE, ids=lambda url: ascii(url)[:40])
def test_a_webhook_is_sent_to_no_such_place(url: str, unmoved: Siege) -> None:
    for method, path, body in (("POST", HOOKS, {"url": url}), ("PATCH", f"{HOOKS}/1", {"url": url})):
        reply = unmoved.ask(method, path, by="owner", json=body)
        assert reply.status in (404, 422) if method == "PATCH" else reply.status == 422, reply
        assert b"hunter2" not in reply.body
    assert "hunter2" not in "".join(unmoved.server.log)


PLACES = [
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://bucket/key",
    "http://169.254.169.254/x@v1",
    "../../theirs/secret@v1",
    "ours/encoder@../../etc",
    "postgresql://user:hunter2hunter2@h/x",
    "\\\\host\\share",
    "~root/x",
    "$HOME/x@v1",
    "`id`@v1",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_reference_is_a_name_and_never_a_place(place: str, unmoved: Siege) -> None:

    asks: list[tuple[str, str, object]] = [
        ("GET", f"/v1/export?references={quote(place, safe='')}", None),
        ("GET", f"/v1/diff?before=ours/encoder@v1&after={quote(place, safe='')}", None),
        ("POST", "/v1/namespaces/ours/pushes/look", {"model": "encoder", "parents": [place]}),
        ("POST", "/v1/namespaces/ours/pushes/candidates", {"model": "encoder", "structure": "", "parents": [place]}),
        ("POST", "/v1/namespaces/ours/pushes", {"model": place}),
        ("PUT", "/v1/models/ours/encoder/aliases/next", {"version": place}),
    ]
    for method, path, body in asks:
        reply = unmoved.ask(method, path, by="owner", json=body)
        assert reply.status in (400, 404, 422), (path, reply)
        assert b"root:" not in reply.body


@pytest.fixture
def behind_a_proxy(start: Start, make_team: Callable[[], Path]) -> Iterator[Siege]:
    """A server that is known by one more name."""
    siege = Siege(start(make_team(), "--allow-host", "models.example.com"))
    yield siege
    siege.end()


def test_a_host_that_was_not_allowed_makes_no_address(behind_a_proxy: Siege) -> None:
    for host, status in {
        "models.example.com": 200,
        "models.example.com:443": 200,
        "evil.example": 421,
        "models.example.com.evil.example": 421,
        "evil.example:80@models.example.com": 400,
        "models.example.com, evil.example": 400,
    }.items():
        for told in behind_a_proxy.send(f"GET /docs HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()):
            assert told.status in ((status, 421) if status == 400 else (status,)), host
            assert b"evil" not in told.body
    for field in ("X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Original-URL: /v1/people"):
        sent = f"GET /openapi.json HTTP/1.1\r\nHost: models.example.com\r\n{field}\r\n\r\n"
        told = wire.exchange(behind_a_proxy.port, sent.encode())[0]
        assert told.status == 200
        assert b"evil" not in told.body
