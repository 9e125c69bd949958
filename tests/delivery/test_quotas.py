"""Tokens of language models are counted by what answers say, and who used up theirs is refused."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.traffic.endpoint import Backend, Endpoint, KeyAuth, Quota, Routing
from budwood.domain.traffic.lines import Line, read_lines
from budwood.domain.traffic.quotas import tokens_of
from budwood.domain.traffic.segments import first_table
from budwood.server.control import ControlPlane

from .conftest import Answer, Client, Gateway, eventually, free_port

CHAT = "/v1/chat/completions"
ALL = first_table({"stable": 10_000})
KEYS = KeyAuth("x-api-key", {"key-acme": "acme", "key-zeta": "zeta"})
USE = {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42, "prompt_tokens_details": {"cached_tokens": 3}}


class _Model(BaseHTTPRequestHandler):
    """Answers with the pieces that the test put there, each by itself."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        says: Says = self.server.says  # type: ignore[attr-defined]
        says.heard = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(says.status)
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in says.pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
            time.sleep(says.wait_s)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *said: object) -> None:
        pass


class Says:
    def __init__(self) -> None:
        self.status, self.pieces, self.wait_s = 200, [b"{}"], 0.0
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self.heard: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def model() -> Iterator[tuple[Says, Backend]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Model) as server:
        server.daemon_threads = True
        server.says = Says()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.says, Backend("127.0.0.1", server.server_address[1])  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture(scope="module")
def texts(one_gateway: Gateway, one_endpoint: Endpoint, model: tuple[Says, Backend]) -> Endpoint:
    arm = replace(one_endpoint.arms[0], backends=(model[1],))
    made = replace(one_endpoint, name="texts", model="texts", arms=(arm, *one_endpoint.arms[1:]), keys=KEYS)
    return replace(made, quota=Quota(100, 3_600))


@pytest.fixture
def says(model: tuple[Says, Backend]) -> Says:
    model[0].__init__()  # type: ignore[misc]
    return model[0]


@pytest.fixture(scope="module")
def told(one_gateway: Gateway, texts: Endpoint) -> Gateway:
    free = replace(texts, name="free", quota=None)
    assert one_gateway.obey(Routing(texts, 1, ALL), Routing(free, 1, ALL)) == {}
    return one_gateway


def chat(gateway: Gateway, model: str = "texts", key: str = "key-acme") -> Answer:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()
    return gateway.ask(CHAT, {"x-api-key": key, "accept-encoding": "gzip"}, body)


def logged(gateway: Gateway, answer: Answer) -> Line:
    """The line of a request, when the gateway has written it."""
    found: list[Line] = []

    def is_written() -> bool:
        text = (gateway.folder / "access.log").read_bytes()
        lines = read_lines(text[: text.rfind(b"\n") + 1]).lines
        found.extend(line for line in lines if line.request == answer.headers["x-request-id"])
        return bool(found)

    eventually(is_written)
    return found[0]


def event(said: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def test_what_an_answer_used_is_in_the_log(told: Gateway, says: Says) -> None:
    says.pieces = [json.dumps({"choices": [{"message": {"content": 'the "usage": {9}'}}], "usage": USE}).encode()]
    line = logged(told, chat(told))
    assert (line.prompt_tokens, line.completion_tokens, line.tenant) == (12, 30, "acme")
    assert "accept-encoding" not in says.heard
    assert tokens_of(line) == 42


def test_a_stream_says_it_at_its_end_however_it_is_cut(told: Gateway, says: Says) -> None:
    words = b"".join(event({"choices": [{"delta": {"content": "word"}}], "usage": None}) for _ in range(200))
    whole = words + event({"choices": [], "usage": USE}) + b"data: [DONE]\n\n"
    says.headers = {"content-type": "text/event-stream"}
    says.pieces = [whole[at : at + 7] for at in range(len(words) - 21, len(whole), 7)]
    assert tokens_of(logged(told, chat(told))) == 42
    says.pieces = [words, event({"choices": [], "usage": USE | {"completion_tokens": 5}}), whole]
    assert tokens_of(logged(told, chat(told))) == 42


@pytest.mark.parametrize(
    ("use", "tokens"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, 7),
        ({"prompt_tokens": 5, "total_tokens": 5}, 5),
        ({"total_tokens": 9}, 9),
    ],
)
def test_other_servers_say_it_in_other_words(told: Gateway, says: Says, use: dict[str, int], tokens: int) -> None:
    says.pieces = [b'{"usage" : ', json.dumps(use).encode(), b"}"]
    assert tokens_of(logged(told, chat(told))) == tokens


@pytest.mark.parametrize(
    "piece",
    [b'"usage": {' * 5_000, b'{"usage": {"prompt_tokens": 99999999999999999999}}', b'{"usage": null}', b"\x00" * 9_000],
)
def test_an_answer_that_does_not_say_it_counts_by_its_bytes(told: Gateway, says: Says, piece: bytes) -> None:
    says.pieces = [b" ", piece, piece]
    answer = chat(told)
    line = logged(told, answer)
    assert answer.status == 200
    assert line.prompt_tokens == line.completion_tokens == -1
    assert tokens_of(line) >= len(piece) // 2


def test_an_error_and_an_endpoint_without_a_quota_count_nothing(told: Gateway, says: Says) -> None:
    says.status = 500
    assert tokens_of(logged(told, chat(told))) == 0
    says.status = 200
    says.pieces = [json.dumps({"usage": USE}).encode()]
    line = logged(told, chat(told, "free"))
    assert line.prompt_tokens == -1


def test_who_used_up_theirs_is_refused_until_the_period_ends(told: Gateway, texts: Endpoint, says: Says) -> None:
    until_ms = int((time.time() + 1.5) * 1_000)
    over = Routing(texts, 1, ALL, refused={"acme": until_ms, 'né"w\n%41]] x': until_ms})
    told.obey(over, Routing(replace(texts, name="free", quota=None), 1, ALL))
    answer = chat(told)
    assert (answer.status, answer.said["error"]["code"]) == (429, 429)
    assert answer.said["error"]["message"] == "the quota of tokens is used up"
    assert answer.headers["retry-after"] in ("1", "2")
    assert told.ask("/predict/texts", {"x-api-key": "key-acme"}).status == 429
    assert chat(told, key="key-zeta").status == 200
    assert chat(told, "free").status == 200
    eventually(lambda: chat(told).status == 200)


ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: texts}}
spec:
  model: texts
  arms:
    stable: {{version: v1, backends: ["http://127.0.0.1:{port}"]}}
  auth: {{keys: {{header: x-api-key}}}}
  quota: {{tokens: {tokens}, per: 31d}}
  tenantQuotas: {{zeta: {{tokens: 10000, per: 31d}}}}
"""


def test_tokens_are_counted_and_the_tenant_is_refused(tmp_path: Path, model: tuple[Says, Backend], says: Says) -> None:
    says.pieces = [json.dumps({"usage": USE}).encode()]
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        (tmp_path / "config.json").write_text("{}")
        registry.push(tmp_path / "config.json", "texts")
        registry.endpoints.put(ENDPOINT.format(port=model[1].port, tokens=100))
        acme, zeta = (registry.endpoints.add_client("texts", name).key for name in ("acme", "zeta"))
        control = ControlPlane(registry.house)
        control.start()
        folder = tmp_path / "gateway"
        folder.mkdir()
        place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
        told = written(boot("edge-1", place, Backend("127.0.0.1", control.port), str(folder / "admin.sock")))
        process.start(folder, told, process.program(), workers=1)
        client = Client(place)

        def ask(key: str) -> int:
            return client.ask("/predict/texts", {"x-api-key": key}).status

        def used() -> dict[str, int]:
            return {each.tenant: each.tokens for each in registry.endpoints.usage("texts").tenants}

        try:
            eventually(lambda: ask(zeta) == 200)
            asked = 1
            for _ in range(3):
                assert ask(acme) == 200
            eventually(lambda: ask(acme) == 429)
            assert used()["acme"] % 42 == 0
            assert 126 <= used()["acme"] < 42 * 1_000
            refused = {each.tenant: each.refused for each in registry.endpoints.usage("texts").tenants}
            assert (refused["acme"], refused["zeta"]) == (True, False)
            assert ask(zeta) == 200
            control.close()
            assert ask(acme) == 429
            control = ControlPlane(registry.house, port=control.port)
            control.start()
            eventually(lambda: used()["zeta"] == 42 * (asked + 1))
            assert ask(acme) == 429
            registry.endpoints.put(ENDPOINT.format(port=model[1].port, tokens=1_000_000))
            eventually(lambda: ask(acme) == 200)
        finally:
            client.close()
            process.stop(folder)
            control.close()
