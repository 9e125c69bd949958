"""Bodies are checked and their fields moved in the gateway; what it cannot follow is refused, and it goes on."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.traffic.endpoint import Backend, Endpoint, Quota, Routing
from budwood.domain.traffic.fields import Act, FieldKind, FieldRule, Kind, Schema, TensorKind
from budwood.domain.traffic.segments import first_table

from .conftest import Gateway

ALL = first_table({"stable": 10_000})
RULES = (
    FieldRule(Act.MOVE, ("customer", "id"), ("user_id",)),
    FieldRule(Act.MOVE, ("größe",), ("size", "cm")),
    FieldRule(Act.DEFAULT, ("options", "threshold"), value="0.5"),
    FieldRule(Act.REMOVE, ("debug",)),
)
ANSWERS = (FieldRule(Act.MOVE, ("outputs",), ("predictions",)), FieldRule(Act.DEFAULT, ("model",), value='"fraud"'))
SCHEMA = Schema(
    (
        FieldKind(("amount",), (Kind.NUMBER,)),
        FieldKind(("customer", "id"), (Kind.STRING, Kind.INTEGER)),
        FieldKind(("note",), (Kind.STRING, Kind.NULL), required=False),
    )
)
TENSORS = Schema(tensors=(TensorKind("x", "FP64", (-1, 4)), TensorKind("mask", "BOOL", (-1,), required=False)))


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        says: Says = self.server.says  # type: ignore[attr-defined]
        says.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        says.heard = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(says.status)
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(says.answer)))
        self.end_headers()
        self.wfile.write(says.answer)

    def log_message(self, *said: object) -> None:
        pass


@dataclass
class Says:
    """A backend that keeps what it got and says what it was told."""

    body: bytes = b""
    heard: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    answer: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    def again(self) -> "Says":
        self.__init__()  # type: ignore[misc]
        return self


@dataclass(frozen=True)
class Heard:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def why(self) -> str:
        message: str = self.said["error"]["message"]
        return message


@pytest.fixture(scope="module")
def backend() -> Iterator[tuple[Says, Backend]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads = True
        says = server.says = Says()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield says, Backend("127.0.0.1", server.server_address[1])
        server.shutdown()


@pytest.fixture(scope="module")
def told(one_gateway: Gateway, one_endpoint: Endpoint, backend: tuple[Says, Backend]) -> Gateway:
    """An endpoint for each way: mapped, with a schema of fields, of tensors, and all of it by the body's model."""
    arm = replace(one_endpoint.arms[0], backends=(backend[1],))
    plain = replace(one_endpoint, arms=(arm, *one_endpoint.arms[1:]))
    names = {"x-customer": "x-user"}, {"x-took": "x-latency"}
    headed = replace(plain, rename_request_headers=names[0], rename_response_headers=names[1])
    mapped = replace(headed, name="mapped", request_fields=RULES, response_fields=ANSWERS)
    routings = (
        mapped,
        replace(plain, name="plain"),
        replace(plain, name="fields", schema=SCHEMA),
        replace(plain, name="tensors", schema=TENSORS),
        replace(mapped, name="texts", quota=Quota(100, 60)),
    )
    assert one_gateway.obey(*(Routing(each, 1, ALL) for each in routings)) == {}
    return one_gateway


@pytest.fixture
def says(backend: tuple[Says, Backend]) -> Says:
    return backend[0].again()


def ask(gateway: Gateway, name: str, body: bytes, path: str = "", **headers: str) -> Heard:
    connection = http.client.HTTPConnection(gateway.place.host, gateway.place.port, timeout=20)
    try:
        told = {"content-type": "application/json", **headers}
        connection.request("POST", path or f"/predict/{name}", body, told)
        answer = connection.getresponse()
        heard = {key.lower(): value for key, value in answer.getheaders()}
        return Heard(answer.status, answer.read(), heard)
    finally:
        connection.close()


def test_fields_are_moved_on_the_way_there(told: Gateway, says: Says) -> None:
    body = b'{"customer": {"id": 17, "name": "A"}, "gr\\u00f6\\u00dfe": 1.80, "debug": [1], "amount": 1e400}'
    assert ask(told, "mapped", body).status == 200
    assert says.body == (
        b'{"customer":{"name":"A"},"amount":1e400,"user_id":17,"size":{"cm":1.80},"options":{"threshold":0.5}}'
    )
    assert says.heard["content-length"] == str(len(says.body))


def test_fields_are_moved_on_the_way_back(told: Gateway, says: Says) -> None:
    says.answer = b' {"outputs" : [0.1, 12345678901234567890], "debug": {"a": "}"}} '
    heard = ask(told, "mapped", b"{}")
    assert heard.body == b'{"debug":{"a": "}"},"predictions":[0.1, 12345678901234567890],"model":"fraud"}'
    assert heard.headers["content-length"] == str(len(heard.body))
    says.answer = b'{"error": "no"}'
    says.status = 422
    assert ask(told, "mapped", b"{}").body == says.answer
    says.again().headers = {"content-type": "text/plain"}
    says.answer = b"{}"
    assert ask(told, "mapped", b"{}").body == says.answer


def test_what_is_there_already_is_kept_by_a_default_and_replaced_by_a_move(told: Gateway, says: Says) -> None:
    ask(told, "mapped", b'{"options": {"threshold": null}, "user_id": 1, "customer": {"id": 2}}')
    assert json.loads(says.body) == {"options": {"threshold": None}, "user_id": 2, "customer": {}}


def test_headers_are_renamed_both_ways(told: Gateway, says: Says) -> None:
    says.headers = {"content-type": "application/json", "x-took": "5"}
    heard = ask(told, "mapped", b"{}", **{"x-customer": "ada", "x-user": "eve"})
    assert (says.heard["x-user"], heard.headers["x-latency"]) == ("ada", "5")
    assert "x-customer" not in says.heard
    assert "x-took" not in heard.headers


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"a": 1,}', "no JSON"),
        (b'{"a": [1}}', "no JSON"),
        (b'{"a": 1} x', "no JSON"),
        (b'{"a": "', "no JSON"),
        (b'{"a": nul}', "no JSON"),
        (b'{"a": Infinity}', "no JSON"),
        (b'{"a\\\\": "\\\\\\"", "a": 1,,}', "no JSON"),
        (b'{"debug": 1, "de\\u0062ug": 2}', "a field twice"),
        (b'{"options": 5}', "options"),
        (b'{"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "too deep"),
        (b"{" + b",".join(b'"%d":1' % each for each in range(2_000)) + b"}", "too many"),
    ],
)
def test_what_cannot_be_followed_is_refused(told: Gateway, says: Says, body: bytes, why: str) -> None:
    heard = ask(told, "mapped", body)
    assert (heard.status, says.body) == (400, b"")
    assert why in heard.why


def test_long_bodies_are_refused_either_way(told: Gateway, says: Says) -> None:
    assert ask(told, "mapped", json.dumps({"a": "x" * 1_100_000}).encode()).status == 413
    body = json.dumps({"model": "texts", "a": "x" * 3_000_000}).encode()
    assert ask(told, "", body, "/v1/chat/completions").status == 413
    assert says.body == b""
    says.answer = json.dumps({"outputs": "x" * 1_100_000}).encode()
    assert ask(told, "mapped", b"{}").status in (500, 502)
    says.answer = json.dumps({"outputs": "x" * 900_000}).encode()
    assert ask(told, "mapped", b"{}").said["predictions"] == "x" * 900_000


@pytest.mark.parametrize("answer", [b"", b"[1]", b'{"outputs": 1, "outputs": 2}', b'{"outputs"', b"\x00"])
def test_an_answer_that_cannot_be_followed_is_an_error_of_the_version(told: Gateway, says: Says, answer: bytes) -> None:
    says.answer = answer
    heard = ask(told, "mapped", b"{}")
    assert (heard.status, heard.why) == (502, "the answer does not fit")


def test_a_body_that_names_its_model_is_mapped_and_counted(told: Gateway, says: Says) -> None:
    says.answer = b'{"outputs": 1, "usage": {"prompt_tokens": 3}}'
    heard = ask(told, "", b'{"model": "texts", "debug": 1}', "/v1/chat/completions")
    assert (heard.status, heard.said["predictions"]) == (200, 1)
    assert json.loads(says.body) == {"model": "texts", "options": {"threshold": 0.5}}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"amount": 1.5, "customer": {"id": "a"}}, ""),
        ({"amount": -3, "customer": {"id": 7}, "note": None, "more": []}, ""),
        ({"customer": {"id": "a"}}, "amount is missing"),
        ({"amount": "1.5", "customer": {"id": "a"}}, "amount is no number"),
        ({"amount": True, "customer": {"id": "a"}}, "amount is no number"),
        ({"amount": 1, "customer": {"id": 1.5}}, "customer.id is no string or integer"),
        ({"amount": 1, "customer": []}, "customer.id is missing"),
        ({"amount": 1, "customer": {"id": "a"}, "note": 5}, "note is no string or null"),
    ],
)
def test_a_request_has_the_fields_that_the_schema_asks_for(
    told: Gateway, says: Says, body: dict[str, object], why: str
) -> None:
    heard = ask(told, "fields", json.dumps(body).encode())
    assert heard.status == (400 if why else 200)
    assert why in (heard.why if why else "")
    assert bool(says.body) == (not why)


def tensor(**said: object) -> dict[str, object]:
    return {"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]} | said


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([tensor()], ""),
        ([tensor(shape=[700, 4]), tensor(name="mask", datatype="BOOL", shape=[2])], ""),
        ([], "x is missing"),
        (None, "inputs is no list"),
        ([tensor(name="mask", datatype="BOOL", shape=[2])], "x is missing"),
        ([tensor(), tensor()], "x is there twice"),
        ([tensor(), tensor(name="y")], "not known here"),
        ([tensor(datatype="FP32")], "not of datatype"),
        ([tensor(shape=[1, 5])], "shape [-1, 4]"),
        ([tensor(shape=[4])], "shape [-1, 4]"),
        ([tensor(shape=[-1, 4])], "shape [-1, 4]"),
        ([tensor(shape="4")], "no list"),
        ([5], "no JSON object"),
    ],
)
def test_a_request_has_the_tensors_that_the_schema_asks_for(
    told: Gateway, says: Says, inputs: object, why: str
) -> None:
    heard = ask(told, "tensors", json.dumps({"inputs": inputs}).encode())
    assert heard.status == (400 if why else 200)
    assert why in (heard.why if why else "")


# Tensors in binary, behind the JSON

HEAD = "inference-header-content-length"
BEHIND = bytes(range(256)) + b'}]"\r\n'


def test_what_is_behind_the_json_is_left_as_it_is_when_fields_are_moved(told: Gateway, says: Says) -> None:
    head = b'{"customer": {"id": 1}, "debug": 1, "amount": 2}'
    heard = ask(told, "mapped", head + BEHIND, **{HEAD: str(len(head))})
    assert heard.status == 200
    length = int(says.heard[HEAD])
    assert says.body[length:] == BEHIND
    assert json.loads(says.body[:length])["user_id"] == 1
    assert says.heard["content-length"] == str(len(says.body))
    says.answer = b'{"outputs": 1}' + BEHIND
    says.headers = {"content-type": "application/octet-stream", HEAD: "14"}
    heard = ask(told, "mapped", b"{}")
    length = int(heard.headers[HEAD])
    assert (json.loads(heard.body[:length]), heard.body[length:]) == ({"predictions": 1, "model": "fraud"}, BEHIND)


def test_binary_tensors_are_held_to_the_schema_by_what_the_json_says_of_them(told: Gateway, says: Says) -> None:
    good, bad = (json.dumps({"inputs": [tensor(data=None, datatype=each)]}).encode() for each in ("FP64", "FP32"))
    assert ask(told, "tensors", good + BEHIND, **{HEAD: str(len(good))}).status == 200
    assert says.body == good + BEHIND
    heard = ask(told, "tensors", bad + BEHIND, **{HEAD: str(len(bad))})
    assert (heard.status, "not of datatype" in heard.why) == (400, True)


@pytest.mark.parametrize("said", ["0", "-1", "1e1", "9999", "9" * 30, "2", "48, 48"])
def test_a_length_of_the_json_that_cannot_be_is_refused(told: Gateway, says: Says, said: str) -> None:
    heard = ask(told, "tensors", json.dumps({"inputs": [tensor()]}).encode(), **{HEAD: said})
    assert (heard.status, says.body) == (400, b"")


@pytest.mark.parametrize("said", ["9999", "x", "3"])
def test_a_binary_answer_that_lies_is_an_error_of_the_version(told: Gateway, says: Says, said: str) -> None:
    says.answer, says.headers = b"{}", {"content-type": "application/octet-stream", HEAD: said}
    heard = ask(told, "mapped", b"{}")
    assert (heard.status, heard.why) == (502, "the answer does not fit")
    assert HEAD not in heard.headers


def test_binary_bodies_pass_an_endpoint_without_rules_as_they_are(told: Gateway, says: Says) -> None:
    says.answer, says.headers = b"{}" + BEHIND, {"content-type": "application/octet-stream", HEAD: "2"}
    heard = ask(told, "plain", b"{}" + BEHIND, **{HEAD: "2"})
    assert (heard.status, heard.body, heard.headers[HEAD]) == (200, says.answer, "2")
    assert (says.body, says.heard[HEAD]) == (b"{}" + BEHIND, "2")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["customer", "id", "options", "größe", "debug", "\\", '"', "é"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def expected(body: dict[str, Any]) -> dict[str, Any] | None:
    """What the rules make of it; None where they refuse."""
    customer = body.get("customer")
    if isinstance(customer, dict) and "id" in customer:
        body["user_id"] = customer.pop("id")
    if "größe" in body:
        body["size"] = {"cm": body.pop("größe")}
    options = body.setdefault("options", {})
    if not isinstance(options, dict):
        return None
    options.setdefault("threshold", 0.5)
    body.pop("debug", None)
    return body


@given(st.dictionaries(st.sampled_from(["customer", "options", "größe", "debug", "\\", '"']), JSON), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_object_is_mapped_as_the_rules_say(
    told: Gateway, backend: tuple[Says, Backend], body: dict[str, Any], ascii_only: bool
) -> None:
    backend[0].again()
    text = json.dumps(body, ensure_ascii=ascii_only).encode()
    heard, wanted = ask(told, "mapped", text), expected(json.loads(text))
    assert heard.status == (400 if wanted is None else 200)
    if wanted is not None:
        assert json.loads(backend[0].body) == wanted


@given(st.binary(max_size=40) | st.text('{}[]",:\\u1eE.-tfn ', max_size=60).map(str.encode))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_pass_or_are_refused(told: Gateway, backend: tuple[Says, Backend], body: bytes) -> None:
    backend[0].again().answer = body
    assert ask(told, "mapped", body).status in (200, 400, 502)
    assert ask(told, "mapped", b"{}").status in (200, 502)
    assert ask(told, "tensors", body).status in (200, 400)
