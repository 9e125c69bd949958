"""Reading the wire format of Protocol Buffers: a message is numbered fields, and a field may be a message again.

It reads what there is and knows no schema: whoever asks knows which number means what. Nothing is copied but what is
asked for; a field that claims to be longer than its message, an endless number or a group is refused, so a hostile
message costs no more than its own length.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from budwood.errors import Malformed

_VARINT_BYTES: Final = 10
_WORD: Final = (1 << 64) - 1


class Wire(IntEnum):
    """How a field's value is written."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. ``number`` is its value unless it is bytes."""

    tag: int
    wire: Wire
    number: int
    content: memoryview

    @property
    def signed(self) -> int:
        """A whole number of 64 bits with a sign."""
        return self.number - (1 << 64) if self.number >> 63 else self.number

    @property
    def double(self) -> float:
        found: float = struct.unpack("<d", struct.pack("<Q", self.number))[0]
        return found

    @property
    def text(self) -> str:
        """Raises Malformed for what is no UTF-8."""
        try:
            return str(self.content, "utf-8")
        except UnicodeDecodeError as error:
            raise _bad() from error


def fields(message: memoryview) -> Iterator[Field]:
    """Every field, in the order they stand. Raises Malformed."""
    at, end = 0, len(message)
    nothing = message[:0]
    while at < end:
        key, at = _varint(message, at, end)
        tag, kind = key >> 3, key & 7
        if not 0 < tag < 1 << 29:
            raise _bad()
        if kind == Wire.VARINT:
            number, at = _varint(message, at, end)
            yield Field(tag, Wire.VARINT, number, nothing)
        elif kind == Wire.BYTES:
            length, at = _varint(message, at, end)
            if length > end - at:
                raise _bad()
            yield Field(tag, Wire.BYTES, 0, message[at : at + length])
            at += length
        elif kind in (Wire.FIXED64, Wire.FIXED32):
            size = 8 if kind == Wire.FIXED64 else 4
            if size > end - at:
                raise _bad()
            yield Field(tag, Wire(kind), int.from_bytes(message[at : at + size], "little"), nothing)
            at += size
        else:
            raise _bad()


def _varint(message: memoryview, at: int, end: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 7 * _VARINT_BYTES, 7):
        if at >= end:
            break
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _WORD, at
    raise _bad()


def _bad() -> Malformed:
    return Malformed("Invalid OpenTelemetry format")
