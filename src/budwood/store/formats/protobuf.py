"""The wire form of protocol buffers, walked field by field within a budget; no schema, no recursion of its own.

A length that reaches past its message is refused before anything is read, so a promise of two gigabytes
costs nothing. Every walk over one file shares a ``Budget`` of PROTOBUF_FIELDS fields.
"""

from collections.abc import Iterator
from typing import Final

from budwood.domain.limits import PROTOBUF_FIELDS
from budwood.store.api import Source
from budwood.store.formats.bounded import Cursor, Malformed

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
TEXT_BYTES: Final = 64 << 10


class Budget:
    """How many fields may still be walked."""

    __slots__ = ("left",)

    def __init__(self, fields: int = PROTOBUF_FIELDS) -> None:
        self.left = fields


class Message:
    """A message as a range of a source."""

    __slots__ = ("_budget", "_cursor", "end", "start")

    def __init__(self, source: Source, budget: Budget, start: int = 0, end: int | None = None) -> None:
        self._cursor = Cursor(source, start, end)
        self._budget = budget
        self.start = start
        self.end = self._cursor.end

    def fields(self) -> Iterator["Field"]:
        """Each field in order. The cursor is shared: nested messages go through ``Field.message``. Raises Malformed."""
        cursor, budget = self._cursor, self._budget
        at = self.start
        while at < self.end:
            cursor.at = at
            budget.left -= 1
            if budget.left < 0:
                raise Malformed("more fields than the limit PROTOBUF_FIELDS")
            key = _varint(cursor)
            number, wire = key >> 3, key & 7
            value = 0
            start = cursor.at
            if wire == VARINT:
                value = _varint(cursor)
            elif wire == BYTES:
                length = _varint(cursor)
                start = cursor.at
                cursor.skip(length)
            elif wire in (FIXED32, FIXED64):
                cursor.skip(4 if wire == FIXED32 else 8)
            else:
                raise Malformed(f"wire type {wire} at {at}")
            if number == 0:
                raise Malformed(f"field number 0 at {at}")
            at = cursor.at
            yield Field(self, number, wire, value, start, at)


class Field:
    """One field: ``value`` of a varint, or the bytes from ``start`` to ``end``."""

    __slots__ = ("_message", "end", "number", "start", "value", "wire")

    def __init__(self, message: Message, number: int, wire: int, value: int, start: int, end: int) -> None:
        self._message = message
        self.number = number
        self.wire = wire
        self.value = value
        self.start = start
        self.end = end

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def signed(self) -> int:
        """A varint as the int64 it stands for."""
        return self.value - (1 << 64) if self.value >> 63 else self.value

    def message(self) -> Message:
        """The bytes as a message, walked with the same cursor: leave it before going on. Raises Malformed."""
        if self.wire != BYTES:
            raise Malformed(f"field {self.number} at {self.start} is no message")
        outer = self._message
        inner = Message.__new__(Message)
        inner._cursor, inner._budget, inner.start, inner.end = outer._cursor, outer._budget, self.start, self.end
        return inner

    def text(self) -> str:
        """The bytes as text, at most TEXT_BYTES of them. Raises Malformed when it is no text."""
        if self.wire != BYTES:
            raise Malformed(f"field {self.number} at {self.start} is no text")
        cursor = self._message._cursor
        cursor.at = self.start
        return cursor.take(min(self.length, TEXT_BYTES)).decode("utf-8", "replace")

    def numbers(self, limit: int) -> list[int]:
        """A repeated int64, packed or not, at most ``limit`` of them. Raises Malformed."""
        if self.wire == VARINT:
            return [self.signed]
        cursor = self._message._cursor
        cursor.at = self.start
        found: list[int] = []
        while cursor.at < self.end:
            if len(found) >= limit:
                raise Malformed(f"more than {limit} numbers at {self.start}")
            value = _varint(cursor)
            found.append(value - (1 << 64) if value >> 63 else value)
        return found


def _varint(cursor: Cursor) -> int:
    value = shift = 0
    byte = cursor.byte
    while True:
        part = byte()
        value |= (part & 0x7F) << shift
        if part < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF
        shift += 7
        if shift > 63:
            raise Malformed(f"a number that does not end at {cursor.at}")
