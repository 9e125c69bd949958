"""Requests in OpenAI's style go where the model in their body says, and their answers stream."""

import http.client
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from budwood.domain.traffic.endpoint import Backend, Endpoint, KeyAuth, Routing
from budwood.domain.traffic.segments import first_table

from .conftest import Answer, Gateway

CHAT = "/v1/chat/completions"
ALL = first_table({"stable": 10_000})
PATIENCE_S = 30
KEYS = KeyAuth("x-api-key", {"key-acme": "acme"})


@pytest.fixture(scope="module")
def told(one_gateway: Gateway, one_endpoint: Endpoint) -> Gateway:
    """An open endpoint with an adapter, one with keys, and one of another namespace."""
    texts = replace(one_endpoint, name="texts", model="texts", adapters=("tone-fr",))
    keyed = replace(one_endpoint, name="keyed", keys=KEYS)
    theirs = replace(one_endpoint, namespace="theirs", name="texts")
    split = first_table({"canary": 10_000})
    assert one_gateway.obey(Routing(texts, 1, ALL), Routing(keyed, 1, ALL), Routing(theirs, 1, split)) == {}
    return one_gateway


def chat(gateway: Gateway, model: object, path: str = CHAT, **headers: str) -> Answer:
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}], "model": model}).encode()
    return gateway.ask(path, headers, body)


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings"])
def test_the_body_names_the_endpoint(told: Gateway, path: str) -> None:
    answer = chat(told, "texts", path)
    assert (answer.status, answer.arm, answer.path) == (200, "stable", path)
    assert answer.headers["x-budwood-version"] == "texts@v1"


def test_the_body_names_a_version_or_an_adapter(told: Gateway) -> None:
    assert chat(told, "texts@v2").arm == "canary"
    assert chat(told, "texts@1.1.0").arm == "canary"
    assert chat(told, "texts@champion").arm == "stable"
    assert chat(told, "tone-fr").arm == "stable"


def test_a_namespace_has_its_own_models(told: Gateway) -> None:
    answer = chat(told, "texts", f"/ns/theirs{CHAT}")
    assert (answer.arm, answer.path) == ("canary", CHAT)
    assert chat(told, "tone-fr", f"/ns/theirs{CHAT}").status == 404
    assert chat(told, "theirs/texts").status == 404


@pytest.mark.parametrize("model", ["nothing", "texts@v9", "../texts", "texts\r\nx-evil: 1", "", 7, None, ["texts"]])
def test_a_model_that_is_not_there_is_not_found(told: Gateway, model: object) -> None:
    answer = chat(told, model)
    assert answer.status in (400, 404)
    assert answer.said["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": {"model": "texts"}}', b'{"m": "' + b"x" * 5_000 + b'"}'])
def test_a_body_that_names_no_model_is_refused(told: Gateway, body: bytes) -> None:
    answer = told.ask(CHAT, {}, body)
    assert answer.status == 400
    assert answer.said["error"]["message"]


def test_a_model_inside_a_message_is_not_the_requests(told: Gateway) -> None:
    inside = {"content": '"model": "texts@v2"', "model": "texts@v2", "more": [{"model": "texts@v2"}]}
    body = json.dumps({"messages": [inside], "model": "texts"}).encode()
    assert told.ask(CHAT, {}, body).arm == "stable"


def test_a_key_is_asked_for_after_the_model_is_known(told: Gateway) -> None:
    assert chat(told, "keyed").status == 401
    assert chat(told, "keyed", **{"x-budwood-open": "1"}).status == 401
    assert chat(told, "keyed", **{"x-api-key": "1"}).status == 401
    answer = chat(told, "keyed", **{"x-api-key": "key-acme", "x-budwood-tenant": "zeta"})
    assert (answer.status, answer.heard["x-budwood-tenant"]) == (200, "acme")
    assert not {"x-api-key", "x-budwood-open"} & answer.heard.keys()


def test_the_model_header_is_the_gateways(told: Gateway) -> None:
    assert chat(told, "texts", **{"x-budwood-model": "default/texts@v2"}).arm == "stable"


def test_a_long_request_arrives_whole(told: Gateway) -> None:
    body = json.dumps({"model": "texts", "prompt": "x" * 3_000_000}).encode()
    answer = told.ask(CHAT, {}, body)
    assert (answer.status, answer.arm) == (200, "stable"), answer


@pytest.fixture
def go() -> threading.Event:
    return threading.Event()


@pytest.fixture
def slow(go: threading.Event) -> Iterator[Backend]:
    """A backend that says a word, waits until it may go on, and says two more."""

    class Speaks(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length:") else 0
                left = length or locals().get("left", 0)
            self.rfile.read(left)
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            for number in range(3):
                said = f"data: {number}\n\n".encode()
                self.wfile.write(f"{len(said):x}\r\n".encode() + said + b"\r\n")
                go.wait(PATIENCE_S)
            self.wfile.write(b"0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speaks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Backend("127.0.0.1", server.server_address[1])
        server.shutdown()


def test_words_are_passed_on_as_they_come(
    gateway: Gateway, endpoint: Endpoint, slow: Backend, go: threading.Event
) -> None:
    speaks = replace(endpoint, arms=(replace(endpoint.arms[0], backends=(slow,)), *endpoint.arms[1:]))
    gateway.obey(Routing(speaks, 1, ALL))
    connection = http.client.HTTPConnection(gateway.place.host, gateway.place.port, timeout=PATIENCE_S / 2)
    connection.request("POST", CHAT, b'{"model": "fraud", "stream": true}')
    answer = connection.getresponse()
    # If the gateway waited for the whole answer, the first word would not come before the backend may go on.
    assert answer.readline() == b"data: 0\n"
    go.set()
    assert answer.read() == b"\ndata: 1\n\ndata: 2\n\n"
    connection.close()
