"""Thrift's compact protocol, as far as a parquet footer needs it: read only, and bounded.

A value is read along a *wish*: which fields of a structure to keep, and what of them. Everything else is passed over
without being built. Whatever the bytes say, reading ends: each value takes at least one byte or a unit of a budget.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from budwood.domain.limits import DATASET_COLUMNS, PARQUET_DEPTH, PARQUET_VALUES

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
STOP: Final = 0
ITEMS_BUILT: Final = 4 * DATASET_COLUMNS
"""No list of a footer that is asked for is longer: a schema, which has groups besides its columns."""
FIELDS_BUILT: Final = 100
Wish = Mapping[int, "Wish"] | None
"""None: as it is. A mapping: these fields of a structure, or of each structure in a list."""
Value = None | bool | int | float | bytes | list["Value"] | dict[int, "Value"]


class Broken(Exception):
    """The bytes are not what the protocol allows."""


class TooMuch(Exception):
    """There are more values than anybody should look at."""


class Reader:
    """Reads from the start of some bytes."""

    def __init__(self, text: bytes, *, budget: int = PARQUET_VALUES) -> None:
        self._text = text
        self._at = 0
        self._left = budget

    def fields(self) -> Iterator[tuple[int, int]]:
        """The id and type of each field of a structure; each must be read or passed over before the next."""
        last = 0
        while (head := self._byte()) != STOP:
            kind, step = head & 0x0F, head >> 4
            last = last + step if step else self._signed()
            self._spend()
            yield last, kind

    def structures(self, kind: int) -> Iterator[None]:
        """Once for each structure of a list of them, standing before it. Raises Broken for another list."""
        of, count = self._head(kind)
        if of != STRUCT:
            raise Broken("a list holds no structures")
        for _ in range(count):
            yield

    def value(self, kind: int, wish: Wish = None, depth: int = 0) -> Value:
        """The value that begins here. Raises Broken, TooMuch."""
        self._spend()
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return int.from_bytes(self._take(1), "little", signed=True)
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == DOUBLE:
            (number,) = struct.unpack("<d", self._take(8))
            return float(number)
        if kind == BINARY:
            return self._take(self._unsigned())
        if kind == UUID:
            return self._take(16)
        if depth >= PARQUET_DEPTH:
            raise Broken("values are nested too deep")
        if kind in (LIST, SET):
            of, count = self._head(kind)
            if count > ITEMS_BUILT:
                raise TooMuch
            return [self._item(of, wish, depth + 1) for _ in range(count)]
        if kind == STRUCT:
            return self._structure(wish, depth + 1)
        if kind == MAP:
            return self._map(depth + 1)
        raise Broken(f"no type {kind}")

    def _structure(self, wish: Wish, depth: int) -> dict[int, Value]:
        kept: dict[int, Value] = {}
        for field, kind in self.fields():
            inner = wish.get(field, {}) if wish is not None else None
            if wish is None or field in wish:
                kept[field] = self.value(kind, inner, depth)
                if len(kept) > FIELDS_BUILT:
                    raise Broken("a structure has too many fields")
            else:
                self.skip(kind, depth)
        return kept

    def _item(self, kind: int, wish: Wish, depth: int) -> Value:
        # In a list a truth takes a byte of its own; in a field its type says it.
        if kind in (TRUE, FALSE):
            self._spend()
            return self._byte() == TRUE
        return self.value(kind, wish, depth)

    def _map(self, depth: int) -> Value:
        """Passed over: nothing in a footer that is asked for is a map."""
        count = self._unsigned()
        if count:
            kinds = self._byte()
            self._check_count(count)
            for _ in range(count):
                self._skip_item(kinds >> 4, depth)
                self._skip_item(kinds & 0x0F, depth)
        return None

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over the value that begins here. Raises Broken, TooMuch."""
        self._spend()
        if kind == BINARY:
            self._pass(self._unsigned())
        elif kind in (I16, I32, I64):
            self._signed()
        elif kind in (LIST, SET):
            of, count = self._head(kind)
            for _ in range(count):
                self._skip_item(of, depth + 1)
        elif kind == STRUCT and depth < PARQUET_DEPTH:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind == MAP and depth < PARQUET_DEPTH:
            self._map(depth + 1)
        else:
            self.value(kind, None, depth)

    def _skip_item(self, kind: int, depth: int) -> None:
        if depth >= PARQUET_DEPTH:
            raise Broken("values are nested too deep")
        if kind in (TRUE, FALSE):
            self._pass(1)
            self._spend()
        else:
            self.skip(kind, depth)

    def _head(self, kind: int) -> tuple[int, int]:
        """The type and number of a list's items."""
        if kind not in (LIST, SET):
            raise Broken("no list where one must be")
        head = self._byte()
        count = head >> 4
        if count == 15:
            count = self._unsigned()
        self._check_count(count)
        return head & 0x0F, count

    def _check_count(self, count: int) -> None:
        # Every item takes a byte at least.
        if count > len(self._text) - self._at:
            raise Broken("a list is longer than what is left")

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMuch

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift > 63:
                raise Broken("a number has more than 64 bits")

    def _byte(self) -> int:
        if self._at >= len(self._text):
            raise Broken("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, length: int) -> bytes:
        start = self._at
        self._pass(length)
        return self._text[start : self._at]

    def _pass(self, length: int) -> None:
        if length > len(self._text) - self._at:
            raise Broken("it ends too early")
        self._at += length
