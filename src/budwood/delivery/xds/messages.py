"""Envoy's messages from plain values, and their bytes.

The descriptions lie in ``descriptors.xz`` and are loaded into a pool of their own, so that nothing here clashes with
another package that brings Envoy's messages. A field that is misspelled is refused when the message is made.
"""

import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from budwood.delivery.xds.filling import Filler
from budwood.domain.canon import Json

TYPE: Final = "type.googleapis.com/"
REQUEST: Final = "envoy.service.discovery.v3.DiscoveryRequest"
RESPONSE: Final = "envoy.service.discovery.v3.DiscoveryResponse"


@cache
def _pool() -> Any:
    packed = (Path(__file__).parent / "descriptors.xz").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(lzma.decompress(packed))
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def kind_of(name: str) -> type[Message]:
    """The class of a message, by its full name."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))  # type: ignore[no-any-return]


def number_of(name: str, field: str) -> int:
    """Of a field, in the bytes of its message."""
    number: int = kind_of(name).DESCRIPTOR.fields_by_name[field].number
    return number


def encoded(name: str, plain: Mapping[str, Json]) -> bytes:
    """The bytes of a message. Raises ValueError for a field that it does not have, and a value that does not fit."""
    message = kind_of(name)()
    _FILLER.fill(message, plain)
    # The same values are always the same bytes, so that nothing is sent that did not change.
    content: bytes = message.SerializeToString(deterministic=True)
    return content


_FILLER: Final = Filler(kind_of, _pool)


def plain(name: str, content: bytes) -> dict[str, Any]:
    """The values of a message."""
    message = kind_of(name).FromString(content)
    values: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=_pool()
    )
    return values
