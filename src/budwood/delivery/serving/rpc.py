"""Open Inference over gRPC, for all versions that one host serves: each call becomes a request over HTTP to the
version's own process.

gRPC cannot listen on a socket that it was handed, so a version's process, which comes and goes, cannot answer it by
itself. Tensors travel on as the bytes they are: what gRPC calls raw contents is what HTTP has behind the JSON.
"""

import http.client
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import grpc

from budwood.delivery.serving.host import Served
from budwood.delivery.serving.inside.binary import HEAD, packed, parted
from budwood.delivery.serving.rpc_messages import SERVICE, kind_of
from budwood.delivery.tls import Tls
from budwood.domain.limits import SERVING_BODY_BYTES, SERVING_CONNECTIONS, SERVING_LOAD_S
from budwood.errors import ModelDown

_THREADS: Final = 32
_LEAST_S: Final = 0.001
_CONTENTS: Final = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


class _Refused(Exception):
    """The call is answered with this."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.code = _CODES.get(status, grpc.StatusCode.INTERNAL)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a version's process answered."""

    said: Mapping[str, Any]
    behind: memoryview


class Rpc:
    """Listens at ``port`` of ``host`` until closed, over TLS where there is a certificate. A call that names no version
    is for the first. Raises ModelDown when the port is taken, BadValue for a certificate that is none."""

    def __init__(self, served: Sequence[Served], host: str, port: int, tls: Tls | None = None) -> None:
        credentials = tls.credentials() if tls else None
        self._served = served
        most = [("grpc.max_receive_message_length", SERVING_BODY_BYTES), ("grpc.max_send_message_length", -1)]
        threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="rpc")
        self._server = grpc.server(
            threads, options=[*most, ("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=SERVING_CONNECTIONS
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._methods()),))
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port: int = (
                self._server.add_secure_port(at, credentials) if credentials else self._server.add_insecure_port(at)
            )
        except RuntimeError:
            raise ModelDown(f"{at} is taken.", hint="Give another --grpc-port.") from None
        self._server.start()

    def close(self, wait_s: float = 5.0) -> None:
        """Take no more calls; wait for those that are being answered."""
        self._server.stop(wait_s).wait()

    def _methods(self) -> dict[str, Any]:
        answers: dict[str, Callable[[Any, float], dict[str, Any]]] = {
            "ServerLive": lambda _, __: {"live": True},
            "ServerReady": self._server_ready,
            "ServerMetadata": lambda _, __: {"name": "budwood", "version": "1"},
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        return {name: _method(name, answer) for name, answer in answers.items()}

    def _server_ready(self, _: Any, left_s: float) -> dict[str, Any]:
        return {"ready": all(_is_ready(each, left_s) for each in self._served)}

    def _model_ready(self, request: Any, left_s: float) -> dict[str, Any]:
        return {"ready": _is_ready(self._one(request.name, request.version), left_s)}

    def _model_metadata(self, request: Any, left_s: float) -> dict[str, Any]:
        one = self._one(request.name, request.version)
        said = _asked(one, "GET", f"/v2/models/{one.asked.model}", left_s).said
        return {name: said[name] for name in ("name", "versions", "platform", "inputs")}

    def _infer(self, request: Any, left_s: float) -> dict[str, Any]:
        one = self._one(request.model_name, request.model_version)
        contents = _contents(request)
        head = {
            "inputs": [_input(each, content) for each, content in zip(request.inputs, contents, strict=True)],
            "outputs": [{"name": each.name} for each in request.outputs],
            "parameters": {"binary_data_output": True},
        }
        heard = _asked(one, "POST", f"/v2/models/{one.asked.model}/infer", left_s, head, contents)
        outputs, raw, at = heard.said["outputs"], [], 0
        for each in outputs:
            size = each["parameters"]["binary_data_size"]
            raw.append(bytes(heard.behind[at : at + size]))
            at += size
        tensors = [{name: each[name] for name in ("name", "datatype", "shape")} for each in outputs]
        version = {name: heard.said[name] for name in ("model_name", "model_version")}
        return {**version, "id": request.id, "outputs": tensors, "raw_output_contents": raw}

    def _one(self, model: str, version: str) -> Served:
        for each in self._served:
            if each.asked.model == model and version in ("", str(each.asked.number)):
                return each
        raise _Refused(404, f"There is no model {model[:80]!r} of version {version[:20]!r} here.")


def _method(name: str, answer: Callable[[Any, float], dict[str, Any]]) -> Any:
    def called(request: Any, context: Any) -> Any:
        try:
            left_s = context.time_remaining()
            left_s = SERVING_LOAD_S if left_s is None else min(max(left_s, _LEAST_S), SERVING_LOAD_S)
            return kind_of(f"{name}Response")(**answer(request, left_s))
        except _Refused as refused:
            context.abort(refused.code, str(refused)[:2_000])

    return grpc.unary_unary_rpc_method_handler(
        called,
        request_deserializer=kind_of(f"{name}Request").FromString,
        response_serializer=lambda said: said.SerializeToString(),
    )


def _contents(request: Any) -> list[bytes]:
    """The bytes of each input, whichever way the client wrote it."""
    raw = list(request.raw_input_contents)
    if not raw:
        return [_packed(each) for each in request.inputs]
    if len(raw) != len(request.inputs) or any(each.HasField("contents") for each in request.inputs):
        raise _Refused(400, "Send the contents of all inputs raw, or of none.")
    return raw


def _packed(tensor: Any) -> bytes:
    if tensor.datatype not in _CONTENTS:
        raise _Refused(400, f"A tensor of {tensor.datatype[:20]!r} must be sent as raw contents.")
    try:
        return packed(tensor.datatype, getattr(tensor.contents, _CONTENTS[tensor.datatype]))
    except (ValueError, struct.error) as error:
        raise _Refused(400, f"The input {tensor.name[:80]!r} has values that are not {tensor.datatype}.") from error


def _input(tensor: Any, content: bytes) -> dict[str, Any]:
    said = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    return {**said, "parameters": {"binary_data_size": len(content)}}


def _is_ready(one: Served, left_s: float) -> bool:
    try:
        _asked(one, "GET", "/v2/health/ready", left_s)
    except _Refused:
        return False
    return True


def _asked(
    one: Served,
    method: str,
    path: str,
    left_s: float,
    head: Mapping[str, Any] | None = None,
    behind: Sequence[bytes] = (),
) -> _Heard:
    """A connection for each: one that is kept may end in the moment its idle process does. Raises _Refused."""
    first = json.dumps(head).encode() if head else b""
    body = b"".join((first, *behind))
    if len(body) > SERVING_BODY_BYTES:
        raise _Refused(413, f"A request has at most {SERVING_BODY_BYTES} bytes.")
    connection = http.client.HTTPConnection(one.reached, one.port, timeout=left_s)
    try:
        connection.request(method, path, body or None, {HEAD: str(len(first))} if behind else {})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise _Refused(503, f"{one.name} does not answer: {error}") from error
    finally:
        connection.close()
    length = answer.getheader(HEAD)
    text, rest = parted(body, [length] if length else [])
    said = json.loads(text)
    if answer.status != 200:
        raise _Refused(answer.status, str(said.get("error", "")))
    return _Heard(said, rest)
