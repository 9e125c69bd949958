"""Open Inference over gRPC: every version of a host at one port, with the answers that it gives over HTTP."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")
pytest.importorskip("cryptography")

import grpc
import numpy as np

import budwood
from budwood.delivery.serving.host import Limits
from budwood.delivery.serving.rpc import Rpc
from budwood.delivery.serving.rpc_messages import SERVICE, kind_of
from budwood.delivery.tls import Tls
from budwood.errors import BadValue, ModelDown
from tests.delivery.certificates import certificate
from tests.waiting import eventually

from .conftest import PREDICTOR, Command, Place

ECHO = """
class Echo:
    def __init__(self, folder):
        pass
    def predict(self, inputs):
        if "fail" in inputs:
            raise KeyError("what it needs")
        return dict(inputs)
"""


@pytest.fixture(scope="module")
def rpc(one_place: Place) -> Iterator[Rpc]:
    (one_place.folder / "echo.py").write_text(ECHO)
    for number in (1, 2):
        one_place.serve(one_place.asked(number, predictor="echo:Echo", limits=Limits(0, 1, 2)))
    made = Rpc(one_place.served, "127.0.0.1", 0)
    yield made
    made.close(0)


def ask(at: "Rpc | str", method: str, tls: Tls | None = None, **said: Any) -> Any:
    with channel_to(at if isinstance(at, str) else f"127.0.0.1:{at.port}", tls) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=kind_of(f"{method}Response").FromString,
        )
        return call(kind_of(f"{method}Request")(**said), timeout=30)


def channel_to(address: str, tls: Tls | None) -> Any:
    """Over TLS to whoever has this certificate."""
    if tls is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(tls.certificate.read_bytes()))


def tensor(name: str = "x", datatype: str = "FP64", shape: tuple[int, ...] = (2,), **contents: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape} | ({"contents": contents} if contents else {})


def test_raw_contents_come_back_as_raw_contents(rpc: Rpc) -> None:
    raw = [struct.pack("<2d", 1.5, float("nan")), b"\2\0\0\0\xff\xfe", b"\x80\x3f"]
    inputs = [tensor(), tensor("t", "BYTES", (1,)), tensor("h", "BF16", (1, 1))]
    said = ask(rpc, "ModelInfer", model_name="adds", id="7", inputs=inputs, raw_input_contents=raw)
    assert (said.model_name, said.model_version, said.id) == ("adds", "1", "7")
    assert [(each.name, each.datatype, list(each.shape)) for each in said.outputs] == [
        ("x", "FP64", [2]),
        ("t", "BYTES", [1]),
        ("h", "FP32", [1, 1]),
    ]
    assert list(said.raw_output_contents) == [*raw[:2], struct.pack("<f", 1.0)]


@pytest.mark.parametrize(
    ("datatype", "contents", "raw"),
    [
        ("BOOL", {"bool_contents": [True, False]}, b"\1\0"),
        ("INT8", {"int_contents": [-1, 2]}, b"\xff\2"),
        ("UINT16", {"uint_contents": [1, 256]}, b"\1\0\0\1"),
        ("INT64", {"int64_contents": [1, -1]}, struct.pack("<2q", 1, -1)),
        ("FP32", {"fp32_contents": [0.5, 1]}, struct.pack("<2f", 0.5, 1)),
        ("BYTES", {"bytes_contents": [b"a", b""]}, b"\1\0\0\0a\0\0\0\0"),
    ],
)
def test_typed_contents_are_understood(rpc: Rpc, datatype: str, contents: dict[str, Any], raw: bytes) -> None:
    said = ask(rpc, "ModelInfer", model_name="adds", inputs=[tensor(datatype=datatype, **contents)])
    assert list(said.raw_output_contents) == [raw]


def test_a_version_is_named_and_only_the_outputs_that_are_asked_for_come(rpc: Rpc) -> None:
    inputs, raw = [tensor("a"), tensor("b")], [bytes(16)] * 2
    said = ask(
        rpc,
        "ModelInfer",
        model_name="adds",
        model_version="2",
        inputs=inputs,
        raw_input_contents=raw,
        outputs=[{"name": "b"}],
    )
    assert (said.model_version, [each.name for each in said.outputs]) == ("2", ["b"])


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"model_name": "other"}, "NOT_FOUND"),
        ({"model_version": "3"}, "NOT_FOUND"),
        ({"inputs": []}, "INVALID_ARGUMENT"),
        ({"raw_input_contents": [b"1234"]}, "INVALID_ARGUMENT"),
        ({"raw_input_contents": [bytes(16), b""]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(fp64_contents=[1, 2])], "raw_input_contents": [bytes(16)]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(datatype="INT8", int_contents=[300, 1])], "raw_input_contents": []}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(datatype="FP16", fp32_contents=[3, 1])], "raw_input_contents": []}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(shape=(-2,))]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor("fail")]}, "INTERNAL"),
        ({"outputs": [{"name": "y"}]}, "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_be_answered_says_so_by_its_code(rpc: Rpc, said: dict[str, Any], code: str) -> None:
    whole = {"model_name": "adds", "inputs": [tensor()], "raw_input_contents": [bytes(16)]} | said
    with pytest.raises(grpc.RpcError, match=code):
        ask(rpc, "ModelInfer", **whole)
    assert ask(rpc, "ServerLive").live


def test_it_says_what_it_is_and_a_version_that_rests_is_woken(rpc: Rpc, one_place: Place) -> None:
    assert ask(rpc, "ServerReady").ready
    assert ask(rpc, "ModelReady", name="adds", version="2").ready
    said = ask(rpc, "ModelMetadata", name="adds", version="2")
    assert (said.name, list(said.versions)) == ("adds", ["2"])
    assert ask(rpc, "ServerMetadata").name == "budwood"
    eventually(lambda: not any(each.pid for each in one_place.served))
    assert ask(rpc, "ModelInfer", model_name="adds", inputs=[tensor()], raw_input_contents=[bytes(16)]).outputs
    with pytest.raises(ModelDown, match="is taken"):
        Rpc(one_place.served, "127.0.0.1", rpc.port)


def test_tritons_client_asks_over_grpc(rpc: Rpc) -> None:
    client = pytest.importorskip("tritonclient.grpc")
    with client.InferenceServerClient(f"127.0.0.1:{rpc.port}") as triton:
        assert triton.is_server_live()
        assert triton.is_model_ready("adds", "2")
        one = client.InferInput("x", [2, 2], "FP32")
        array = np.array([[1, 2], [3, 4]], np.float32)
        one.set_data_from_numpy(array)
        for outputs in (None, [client.InferRequestedOutput("x")]):
            assert triton.infer("adds", [one], "2", outputs=outputs).as_numpy("x").tolist() == array.tolist()


def test_with_a_certificate_it_answers_over_tls_alone_and_a_renewed_one_is_taken(
    one_place: Place, rpc: Rpc, tmp_path: Path
) -> None:
    tls, other = certificate(tmp_path, "serving"), certificate(tmp_path, "other")
    secured = Rpc(one_place.served, "127.0.0.1", 0, tls)
    try:
        assert ask(secured, "ServerLive", tls).live
        for wrong in (None, other):
            with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
                ask(secured, "ServerLive", wrong)
        for new, old in ((other.certificate, tls.certificate), (other.key, tls.key)):
            new.replace(old)
        assert ask(secured, "ServerLive", tls).live
    finally:
        secured.close(0)
    tls.key.write_text("none")
    with pytest.raises(BadValue, match="The gRPC port needs"):
        Rpc(one_place.served, "127.0.0.1", 0, replace(tls, port="gRPC port"))


def test_the_command_answers_over_grpc_too(tmp_path: Path, command: Callable[..., Command]) -> None:
    (tmp_path / "adds.py").write_text(PREDICTOR)
    (tmp_path / "by.txt").write_text("2")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(tmp_path / "by.txt", "adds")
    tls = certificate(tmp_path, "serving")
    secured = ("--grpc-tls-cert", str(tls.certificate), "--grpc-tls-key", str(tls.key))
    for told, by in (((), None), (secured, tls)):
        (row,) = command("adds", "--predictor", "adds:Adds", "--grpc-port", "0", "--json", *told).served()
        said = ask(row["grpc"], "ModelInfer", by, model_name="adds", inputs=[tensor(fp64_contents=[1, 2])])
        assert said.raw_output_contents[0] == struct.pack("<2d", 3, 4)


def test_a_certificate_that_nobody_would_see_is_refused(command: Callable[..., Command]) -> None:
    for words in (("--grpc-port", "0", "--grpc-tls-cert", "a.crt"), ("--grpc-tls-cert", "a", "--grpc-tls-key", "b")):
        said = command("adds", *words).process.communicate(timeout=60)[1]
        assert "certificate" in said
