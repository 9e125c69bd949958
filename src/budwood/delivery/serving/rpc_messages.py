"""The messages of Open Inference's gRPC service, in a pool of their own beside other packages' that have them too.

A field's number is its place. Places that are ``-`` are parameters, which nothing here looks at.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "inference.GRPCInferenceService"
_NAMED: Final = ("string name", "string version")
_TENSOR: Final = ("string name", "string datatype", "repeated int64 shape")
_FILLED: Final = (*_TENSOR, "-", "Contents contents")
_INFER: Final = ("string model_name", "string model_version", "string id", "-")
_MESSAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (*_NAMED, "repeated string extensions"),
    "ModelMetadataRequest": _NAMED,
    "Tensor": _TENSOR,
    "ModelMetadataResponse": (
        *("string name", "repeated string versions", "string platform"),
        *("repeated Tensor inputs", "repeated Tensor outputs"),
    ),
    "Contents": (
        *("repeated bool bool_contents", "repeated int32 int_contents", "repeated int64 int64_contents"),
        *("repeated uint32 uint_contents", "repeated uint64 uint64_contents"),
        *("repeated float fp32_contents", "repeated double fp64_contents", "repeated bytes bytes_contents"),
    ),
    "FilledTensor": _FILLED,
    "WantedOutput": ("string name",),
    "ModelInferRequest": (
        *_INFER,
        *("repeated FilledTensor inputs", "repeated WantedOutput outputs", "repeated bytes raw_input_contents"),
    ),
    "ModelInferResponse": (*_INFER, "repeated FilledTensor outputs", "repeated bytes raw_output_contents"),
}
_FIELD: Final = descriptor_pb2.FieldDescriptorProto


@cache
def kind_of(name: str) -> Any:
    """The class of a message."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="budwood/inference.proto", package="inference", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, words in enumerate(fields, 1):
            if words != "-":
                _add(message, number, words)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(message: Any, number: int, words: str) -> None:
    *label, kind, name = words.split()
    made = message.field.add(name=name, number=number)
    made.label = _FIELD.LABEL_REPEATED if label else _FIELD.LABEL_OPTIONAL
    if kind in _MESSAGES:
        made.type, made.type_name = _FIELD.TYPE_MESSAGE, f".inference.{kind}"
    else:
        made.type = _FIELD.Type.Value(f"TYPE_{kind.upper()}")
