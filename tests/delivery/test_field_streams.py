"""Fields of event streams are moved as the events pass: wherever the pieces begin and end, and nothing is held back."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.traffic.endpoint import Backend, Endpoint, Quota, Routing
from budwood.domain.traffic.fields import Act, FieldRule
from budwood.domain.traffic.segments import first_table

from .conftest import Gateway, eventually

RULES = (
    FieldRule(Act.MOVE, ("choices",), ("answers",)),
    FieldRule(Act.REMOVE, ("secret",)),
    FieldRule(Act.DEFAULT, ("model",), value='"fraud"'),
)
REFUSED = b'data: {"error":{"code":502,"message":"the answer does not fit"}}\n\n'
DONE = b"data: [DONE]\n\n"
LONGEST = 1 << 20
PATIENCE_S = 30
HIDDEN = (b'{}\n:\rdata: {"secret": 1}', b'[DONE]\r\rdata: {"secret": 1}', b'{}\n\xef\xbb\xbfdata: {"secret": 1}')


@dataclass
class Says:
    """What the backend sends, piece by piece; before the last one it waits for ``go`` where there is one."""

    pieces: list[bytes] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    go: threading.Event | None = None

    def again(self) -> "Says":
        self.__init__()  # type: ignore[misc]
        return self


class _Streams(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        says: Says = self.server.says  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        headers = {"content-type": "text/event-stream; charset=utf-8", **says.headers}
        is_chunked = "content-length" not in headers
        for name, value in (headers | ({"transfer-encoding": "chunked"} if is_chunked else {})).items():
            self.send_header(name, value)
        self.end_headers()
        for number, piece in enumerate(says.pieces, 1):
            if says.go is not None and number == len(says.pieces):
                says.go.wait(PATIENCE_S)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            self.wfile.flush()
            time.sleep(says.pause_s)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[tuple[Says, Backend]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Streams) as server:
        server.daemon_threads = True
        says = server.says = Says()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield says, Backend("127.0.0.1", server.server_address[1])
        server.shutdown()


@pytest.fixture(scope="module")
def told(one_gateway: Gateway, one_endpoint: Endpoint, backend: tuple[Says, Backend]) -> Gateway:
    arm = replace(one_endpoint.arms[0], backends=(backend[1],))
    mapped = replace(one_endpoint, arms=(arm, *one_endpoint.arms[1:]), name="mapped", response_fields=RULES)
    counted = replace(
        mapped, name="counted", response_fields=(FieldRule(Act.REMOVE, ("usage",)),), quota=Quota(100, 60)
    )
    table = first_table({"stable": 10_000})
    assert one_gateway.obey(*(Routing(each, 1, table) for each in (mapped, counted))) == {}
    return one_gateway


@pytest.fixture
def says(backend: tuple[Says, Backend]) -> Says:
    return backend[0].again()


def ask(gateway: Gateway, path: str = "/predict/mapped") -> bytes:
    connection = http.client.HTTPConnection(gateway.place.host, gateway.place.port, timeout=20)
    try:
        connection.request("POST", path, b"{}", {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return answer.read()
    finally:
        connection.close()


def test_fields_of_each_event_are_moved_and_all_else_is_left_as_it_came(told: Gateway, says: Says) -> None:
    says.pieces = [
        b': alive\n\nevent: token\nid: 7\ndata: {"choices": [{"delta": 1.50}], "secret": "s"}\n\n',
        b'data:{"choices": null, "model": "m"}\r\n\r\n' + DONE,
    ]
    assert ask(told) == (
        b': alive\n\nevent: token\nid: 7\ndata: {"answers":[{"delta": 1.50}],"model":"fraud"}\n\n'
        b'data: {"model":"m","answers":null}\n\n' + DONE
    )


def test_an_event_passes_before_the_next_one_is_said(told: Gateway, says: Says) -> None:
    says.pieces, says.go = [b'data: {"choices": 1}\n\ndata: {"ch', b'oices": 2}\n\n'], threading.Event()
    connection = http.client.HTTPConnection(told.place.host, told.place.port, timeout=PATIENCE_S / 2)
    try:
        connection.request("POST", "/predict/mapped", b"{}", {"content-type": "application/json"})
        answer = connection.getresponse()
        first = b'data: {"answers":1,"model":"fraud"}\n\n'
        assert answer.read(len(first)) == first
        says.go.set()
        assert answer.read() == first.replace(b"1", b"2")
    finally:
        says.go.set()
        connection.close()


def test_tokens_are_counted_by_what_the_backend_said(told: Gateway, says: Says) -> None:
    says.pieces = [
        b'data: {"choices": 1}\n\n',
        b'data: {"usage": {"prompt_tokens": 31, "completion_tokens": 4}}\n\n' + DONE,
    ]
    says.pause_s = 0.01
    assert b"usage" not in ask(told, "/predict/counted")
    eventually(lambda: any(line.get("prompt_tokens") == 31 for line in logged(told)))
    (found,) = (line for line in logged(told) if line.get("prompt_tokens") == 31)
    assert found["completion_tokens"] == 4


def logged(gateway: Gateway) -> list[dict[str, Any]]:
    written = (gateway.folder / "access.log").read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in written if line.endswith(b"\n")]


def test_an_event_in_several_lines_is_one_text(told: Gateway, says: Says) -> None:
    says.pieces = [b'data: {"choices":\ndata: [1,\ndata: 2], "secret": 1}\n\n']
    said = ask(told)
    lines = said.decode().removesuffix("\n\n").split("\n")
    assert all(line.startswith("data: ") for line in lines)
    assert json.loads("\n".join(line.removeprefix("data: ") for line in lines)) == {"answers": [1, 2], "model": "fraud"}


@pytest.mark.parametrize(
    "event", [b"[1]", b'{"secret": 1', b'{"secret": 1, "secret": 2}', b"secret", b'{"a": nul}', *HIDDEN]
)
def test_behind_an_event_that_cannot_be_followed_nothing_passes(told: Gateway, says: Says, event: bytes) -> None:
    says.pieces = [
        b'data: {"choices": 1}\n\ndata: ' + event + b'\n\ndata: {"secret": 2}\n\n',
        b'data: {"secret": 3}\n\n',
    ]
    says.pause_s = 0.01
    assert ask(told) == b'data: {"answers":1,"model":"fraud"}\n\n' + REFUSED


def test_an_event_without_end_is_held_up_to_a_bound(told: Gateway, says: Says) -> None:
    says.pieces = [b'data: {"choices": "', *[b"x" * 65_536] * 32, b'"}\n\n', DONE]
    assert ask(told) == REFUSED
    says.pieces = [b"data: 1\n" * 5_000, b"\n"]
    assert ask(told) == REFUSED
    long = b"x" * (LONGEST - 100)
    says.pieces = [b'data: {"choices": "' + long + b'"}\n\n', DONE]
    assert ask(told) == b'data: {"answers":"' + long + b'","model":"fraud"}\n\n' + DONE


@pytest.mark.parametrize("length", [True, False])
def test_an_event_that_the_stream_ends_in_is_moved_too(told: Gateway, says: Says, length: bool) -> None:
    begun = b'data: {"choices": 1}\n\ndata: {"secret": 1}'
    says.pieces = [begun]
    says.headers = {"content-length": str(len(begun))} if length else {}
    assert ask(told) == b'data: {"answers":1,"model":"fraud"}\n\ndata: {"model":"fraud"}\n\n'
    says.pieces = [b"data: [DONE]"]
    says.headers = {"content-length": "12"} if length else {}
    assert ask(told) == b"data: [DONE]"


EVENTS = st.lists(
    st.sampled_from(
        [
            b'data: {"choices": "\xc3\xa9\\n"}\n\n',
            b"data:{}\r\n\r\n",
            b": x\n\n",
            b"id: 1\nevent: e\ndata: {}\n\n",
            DONE,
        ]
    ),
    min_size=1,
    max_size=4,
)


@given(EVENTS, st.lists(st.integers(0, 120), max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_it_is_the_same_wherever_pieces_begin_and_end(
    told: Gateway, backend: tuple[Says, Backend], events: list[bytes], cuts: list[int]
) -> None:
    whole = b"".join(events)
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(whole)}), len(whole)]
    says = backend[0].again()
    says.pieces = [whole]
    at_once = ask(told)
    says.pause_s = 0.001
    says.pieces = [whole[begin:end] for begin, end in pairwise(places)]
    assert ask(told) == at_once
    moved = {b'data: {"choices": "\xc3\xa9\\n"}\n\n': b'data: {"answers":"\xc3\xa9\\n","model":"fraud"}\n\n'}
    moved[b"data:{}\r\n\r\n"] = b'data: {"model":"fraud"}\n\n'
    moved[b"id: 1\nevent: e\ndata: {}\n\n"] = b'id: 1\nevent: e\ndata: {"model":"fraud"}\n\n'
    assert at_once == b"".join(moved.get(event, event) for event in events)
