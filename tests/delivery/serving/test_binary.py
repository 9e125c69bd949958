"""Tensors in binary behind the JSON: as the protocol has them, and whatever a client says of their sizes."""

import http.client
import json
import struct
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from budwood.delivery.serving.host import Served
from budwood.delivery.serving.inside.binary import HEAD, parted
from budwood.delivery.serving.inside.tensors import DATATYPES, Wrong, inputs_of, outputs_of
from budwood.domain.traffic.endpoint import Backend, Endpoint, Routing
from budwood.domain.traffic.fields import Act, FieldRule, Schema, TensorKind
from budwood.domain.traffic.segments import first_table
from tests.delivery.conftest import Gateway

from .conftest import Place, sent

ECHO = """
class Echo:
    def __init__(self, folder):
        pass
    def predict(self, inputs):
        return dict(inputs)
"""
AT = "/v2/models/adds/infer"


def binary(name: str, datatype: str, shape: list[int], size: object, **more: object) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}, **more}


def back(request: dict[str, Any], behind: bytes) -> Any:
    """What comes back of it from a model that hands back what it gets, all of it in binary."""
    return outputs_of(inputs_of(request, behind), {"parameters": {"binary_data_output": True}})


KINDS = sorted(DATATYPES)


@given(st.data(), st.sampled_from([kind for kind in KINDS if kind != "BYTES"]))
@settings(max_examples=150, deadline=None)
def test_any_numbers_come_back_bit_for_bit(drawn: st.DataObject, datatype: str) -> None:
    dtype = np.dtype(DATATYPES[datatype]).newbyteorder("<")
    array = drawn.draw(arrays.arrays(dtype, arrays.array_shapes(min_side=0, max_side=4)))
    content = array.tobytes()
    made = back({"inputs": [binary("x", datatype, list(array.shape), len(content))]}, content)
    assert made.behind == [content]
    (said,) = made.said
    assert said == binary("x", datatype, list(array.shape), len(content))


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_any_texts_come_back_byte_for_byte_whether_utf_8_or_not(texts: list[bytes]) -> None:
    content = b"".join(struct.pack("<I", len(each)) + each for each in texts)
    request = {"inputs": [binary("x", "BYTES", [len(texts), 1], len(content))]}
    assert back(request, content).behind == [content]
    utf_8 = all(each.decode("utf-8", "ignore").encode() == each for each in texts)
    if utf_8:
        assert outputs_of(inputs_of(request, content)).said[0]["data"] == [each.decode() for each in texts]
    else:
        with pytest.raises(Wrong, match="Ask for it in binary"):
            outputs_of(inputs_of(request, content))


def test_a_bf16_is_the_upper_half_of_an_fp32() -> None:
    content = b"\x80\x3f\x00\xc0\xc0\x7f"  # 1, -2, no number
    found = inputs_of({"inputs": [binary("x", "BF16", [3], 6)]}, content)["x"]
    assert found.dtype == np.float32
    assert found[:2].tolist() == [1.0, -2.0]
    assert np.isnan(found[2])
    with pytest.raises(Wrong, match="in binary only"):
        inputs_of({"inputs": [{"name": "x", "datatype": "BF16", "shape": [1], "data": [1]}]})


def test_what_a_model_gets_is_its_own_and_aligned() -> None:
    body = b"{}" + b"\x01" + struct.pack("<3d", 1, 2, 3)
    head, behind = parted(body, ["3"])
    assert head == b"{}\x01"
    found = inputs_of({"inputs": [binary("x", "FP64", [3], 24)]}, behind)["x"]
    assert found.flags.writeable
    assert found.flags.aligned
    found[0] = 9
    assert body[3:11] == struct.pack("<d", 1)


def test_tensors_in_json_and_in_binary_go_together_and_each_output_comes_as_it_is_asked_for() -> None:
    plain = {"name": "a", "datatype": "FP32", "shape": [1], "data": [0.5]}
    request = {
        "inputs": [binary("b", "INT8", [2], 2), plain, binary("c", "BYTES", [1], 6)],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "c"}, {"name": "b", "parameters": {"binary_data": False}}, {"name": "a"}],
    }
    made = outputs_of(inputs_of(request, b"\x01\xff\x02\x00\x00\x00hi"), request)
    assert [each["name"] for each in made.said] == ["c", "b", "a"]
    assert made.said[1]["data"] == [1, -1]
    assert made.behind == [b"\x02\x00\x00\x00hi", struct.pack("<f", 0.5)]


@pytest.mark.parametrize(
    ("inputs", "behind", "why"),
    [
        ([binary("x", "FP32", [2], 4)], b"\0" * 4, "4 bytes, and its shape asks for 8"),
        ([binary("x", "FP32", [2], 8)], b"\0" * 4, "4 are left"),
        ([binary("x", "FP32", [1], 4)], b"\0" * 5, "belong to no input"),
        ([binary("x", "FP32", [1], 4)] * 2, b"\0" * 8, "there twice"),
        ([binary("x", "FP32", [1], 4), binary("y", "FP32", [1], 4)], b"\0" * 6, "2 are left"),
        ([binary("x", "FP32", [1], -4)], b"\0" * 4, "a number of bytes"),
        ([binary("x", "FP32", [1], 4.0)], b"\0" * 4, "a number of bytes"),
        ([binary("x", "INT8", [1], True)], b"\0", "a number of bytes"),
        ([binary("x", "FP32", [1], "4")], b"\0" * 4, "a number of bytes"),
        ([binary("x", "FP32", [1], 4, data=[1.0])], b"\0" * 4, "one of them"),
        ([binary("x", "FP32", [1 << 62, 1 << 62, 4], 4)], b"\0" * 4, "its shape asks for"),
        ([binary("x", "FP32", [1 << 62, 0, 1 << 62], 0)], b"", "The input"),
        ([binary("x", "FP32", [1 << 80], 4)], b"\0" * 4, "whole numbers"),
        ([binary("x", "FP32", [-1, -1], 4)], b"\0" * 4, "whole numbers"),
        ([binary("x", "FP8", [1], 1)], b"\0", "there are"),
        ([binary("x", "BOOL", [1], 1)], b"\2", "not BOOL"),
        ([binary("x", "BYTES", [1], 4)], b"\1\0\0\0", "end behind"),
        ([binary("x", "BYTES", [1], 4)], b"\xff\xff\xff\xff", "end behind"),
        ([binary("x", "BYTES", [1], 3)], b"\0\0\0", "end behind"),
        ([binary("x", "BYTES", [1 << 62], 4)], b"\0\0\0\0", "end behind"),
        ([binary("x", "BYTES", [1], 8)], b"\0\0\0\0\0\0\0\0", "more bytes"),
        ([{**binary("x", "FP32", [1], 4), "parameters": [4]}], b"\0" * 4, "an object"),
    ],
)
def test_sizes_that_lie_are_refused(inputs: list[dict[str, Any]], behind: bytes, why: str) -> None:
    with pytest.raises(Wrong, match=why):
        inputs_of({"inputs": inputs}, behind)


@pytest.mark.parametrize("said", ["", "-1", "+2", "3.0", "0x2", "99", "²", "1" * 5_000, "1_0"])
def test_a_length_of_the_json_that_cannot_be_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="at most 10"):
        parted(b"0123456789", [said])
    with pytest.raises(ValueError, match="at most 10"):
        parted(b"0123456789", ["2", "3"])


SIZES = st.integers(-2, 20) | st.integers() | st.none() | st.text(max_size=2) | st.booleans()
BINARY = st.builds(
    binary,
    st.sampled_from(["x", "y"]),
    st.sampled_from([*KINDS, "BF16", "FP8"]),
    st.lists(st.integers(-1, 3) | st.integers(), max_size=3),
    SIZES,
)


@given(st.lists(BINARY, max_size=3), st.binary(max_size=40), st.booleans())
@settings(max_examples=400, deadline=None)
@example([binary("x", "BYTES", [3], 20)], b"\4\0\0\0" * 5, True)
def test_any_binary_request_is_understood_or_refused(inputs: list[Any], behind: bytes, as_binary: bool) -> None:
    request = {"inputs": inputs, "parameters": {"binary_data_output": as_binary}}
    try:
        made = outputs_of(inputs_of(request, behind), request)
    except Wrong:
        return
    sizes = [each["parameters"]["binary_data_size"] for each in made.said if "data" not in each]
    assert sizes == [len(each) for each in made.behind]


# Over HTTP


@pytest.fixture
def echo(place: Place) -> Served:
    (place.folder / "echo.py").write_text(ECHO)
    return place.serve(place.asked(predictor="echo:Echo"))


def asked(one: Served, head: bytes, behind: bytes, length: str = "") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
    try:
        connection.request("POST", AT, head + behind, {HEAD: length or str(len(head))})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_a_binary_request_gets_a_binary_answer(echo: Served) -> None:
    content = np.arange(6, dtype="<f8").tobytes()
    inputs = [binary("x", "FP64", [2, 3], 48)]
    request = {"inputs": inputs, "outputs": [{"name": "x", "parameters": {"binary_data": True}}]}
    answer, body = asked(echo, json.dumps(request).encode(), content)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    length = int(answer.headers[HEAD])
    (said,) = json.loads(body[:length])["outputs"]
    assert (said["shape"], body[length:]) == ([2, 3], content)
    answer, body = asked(echo, json.dumps({"inputs": inputs}).encode(), content)
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(body)["outputs"][0]["data"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_binary_request_that_lies_is_400_and_the_next_one_is_answered(echo: Served) -> None:
    good = json.dumps({"inputs": [binary("x", "INT8", [1], 1)]}).encode()
    for head, behind, length in ((good, b"", ""), (good, b"\1\1", ""), (good, b"\1", "9999"), (good, b"\1", "x")):
        answer, body = asked(echo, head, behind, length)
        assert (answer.status, list(json.loads(body))) == (400, ["error"])
    assert asked(echo, good, b"\1")[0].status == 200
    assert sent(echo, good, AT, headers={"content-encoding": "gzip"}).status == 415
    assert "binary_tensor_data" in sent(echo, b"", "/v2").said["extensions"]


def test_binary_tensors_pass_a_gateway_that_looks_at_them(gateway: Gateway, endpoint: Endpoint, echo: Served) -> None:
    arm = replace(endpoint.arms[0], backends=(Backend("127.0.0.1", echo.port),))
    schema = Schema(tensors=(TensorKind("x", "FP16", (-1, 2)),))
    fields = (FieldRule(Act.DEFAULT, ("parameters", "binary_data_output"), value="true"),)
    told = replace(endpoint, arms=(arm,), asks_at=AT, schema=schema, request_fields=fields)
    assert gateway.obey(Routing(told, 1, first_table({"stable": 10_000}))) == {}
    content = np.arange(4, dtype="<f2").tobytes()
    connection = http.client.HTTPConnection(gateway.place.host, gateway.place.port, timeout=30)
    try:
        for datatype, status in (("FP16", 200), ("BF16", 400)):
            head = json.dumps({"inputs": [binary("x", datatype, [2, 2], 8)]}).encode()
            connection.request("POST", "/predict/fraud", head + content, {HEAD: str(len(head))})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status, body
            if status == 200:
                assert body[int(answer.headers[HEAD]) :] == content
    finally:
        connection.close()


def test_binary_needs_no_numpy(place: Place, tmp_path: Path) -> None:
    (place.folder / "echo.py").write_text(ECHO)
    venv.create(tmp_path / "env", with_pip=False)
    one = place.serve(place.asked(predictor="echo:Echo", python=str(tmp_path / "env/bin/python")))
    inputs = [
        binary("a", "INT64", [2, 2], 32),
        binary("b", "BYTES", [1], 6),
        binary("c", "BF16", [2], 4),
        binary("d", "BOOL", [2], 2),
    ]
    content = struct.pack("<4q", 1, -2, 3, 4) + b"\2\0\0\0hi" + b"\x80\x3f\x00\xc0" + b"\1\0"
    answer, body = asked(one, json.dumps({"inputs": inputs}).encode(), content)
    assert answer.status == 200, body
    assert [each["data"] for each in json.loads(body)["outputs"]] == [[1, -2, 3, 4], ["hi"], [1.0, -2.0], [True, False]]
    request = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    answer, body = asked(one, json.dumps(request).encode(), content)
    behind = body[int(answer.headers[HEAD]) :]
    assert behind == struct.pack("<4q", 1, -2, 3, 4) + b"\2\0\0\0hi" + struct.pack("<2d", 1, -2) + b"\1\0"


def test_tritons_client_sends_and_reads_it(echo: Served) -> None:
    client = pytest.importorskip("tritonclient.http")
    triton = client.InferenceServerClient(f"127.0.0.1:{echo.port}")
    try:
        assert triton.is_server_ready()
        assert triton.is_model_ready("adds")
        texts = np.array([b"a", b"\xff\xfe", "é".encode()], dtype=object)
        arrays_ = {"x": np.arange(6, dtype=np.float16).reshape(2, 3), "t": texts, "b": np.array([True, False])}
        inputs = [
            client.InferInput(name, list(each.shape), kind)
            for (name, each), kind in zip(arrays_.items(), ("FP16", "BYTES", "BOOL"), strict=True)
        ]
        for each in inputs:
            each.set_data_from_numpy(arrays_[each.name()], binary_data=True)
        wanted = [
            client.InferRequestedOutput("x"),
            client.InferRequestedOutput("t"),
            client.InferRequestedOutput("b", binary_data=False),
        ]
        for outputs in (None, wanted):
            found = triton.infer("adds", inputs, outputs=outputs)
            assert found.as_numpy("x").tolist() == arrays_["x"].tolist()
            assert found.as_numpy("t").tolist() == texts.tolist()
            assert found.as_numpy("b").tolist() == [True, False]
    finally:
        triton.close()


def test_numbers_are_little_endian() -> None:
    big = np.array([1, 256], dtype=">i2")
    assert outputs_of({"x": big}, {"parameters": {"binary_data_output": True}}).behind == [b"\1\0\0\1"]
