"""Reading bytes nobody vouches for: every length is checked before it is used, every count has a limit.

``Malformed`` is how a reader says "this is not what it claims"; it never leaves this room (dispatch
turns it into a flag). ``Cursor`` walks forward through a part of a source without holding more than a
chunk of it. ``Window`` and ``Memory`` are sources made from a part of another and from plain bytes.
"""

import json
import struct
from collections.abc import Iterable
from typing import Final

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.facts import Flag
from budwood.domain.limits import FACT_CHARS, FACT_DEPTH, FACT_ITEMS, HEADER_BYTES, JSON_ITEMS
from budwood.store.api import Source

CHUNK_BYTES: Final = 64 << 10
INT64_MAX: Final = (1 << 63) - 1


class Malformed(Exception):
    """The bytes are not what their format says. Only readers raise it, only dispatch catches it."""


def malformed(path: str, detail: str) -> Flag:
    """The flag of a file that is stored bit for bit all the same."""
    return Flag("malformed", path, detail[:500])


class Window:
    """A part of a source as a source of its own; the caller has checked that it lies inside."""

    __slots__ = ("_offset", "_source", "path", "size")

    def __init__(self, source: Source, offset: int, size: int, path: str = "") -> None:
        assert 0 <= offset <= offset + size <= source.size
        self._source = source
        self._offset = offset
        self.size = size
        self.path = path or source.path

    def read(self, offset: int, length: int) -> bytes:
        return self._source.read(self._offset + offset, max(0, min(length, self.size - offset)))

    def read_into(self, offset: int, target: memoryview) -> None:
        assert offset + len(target) <= self.size
        self._source.read_into(self._offset + offset, target)


class Memory:
    """Bytes as a source."""

    __slots__ = ("_content", "path", "size")

    def __init__(self, content: bytes, path: str = "") -> None:
        self._content = content
        self.size = len(content)
        self.path = path

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def read_into(self, offset: int, target: memoryview) -> None:
        target[:] = self._content[offset : offset + len(target)]


class Cursor:
    """Walks from ``start`` to ``end`` of a source; what it cannot give whole it refuses with Malformed."""

    __slots__ = ("_base", "_buffer", "_source", "at", "end")

    def __init__(self, source: Source, start: int = 0, end: int | None = None) -> None:
        self._source = source
        self._buffer = b""
        self._base = 0
        self.at = start
        self.end = source.size if end is None else end

    @property
    def left(self) -> int:
        return self.end - self.at

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes, at most HEADER_BYTES."""
        low = self.at - self._base
        if length < 0 or length > self.end - self.at or length > HEADER_BYTES:
            raise Malformed(f"{length} bytes promised at {self.at}, {self.left} are left")
        if low < 0 or low + length > len(self._buffer):
            self._fill(length)
            low = 0
        self.at += length
        return self._buffer[low : low + length]

    def skip(self, length: int) -> None:
        if length < 0 or length > self.end - self.at:
            raise Malformed(f"{length} bytes promised at {self.at}, {self.left} are left")
        self.at += length

    def byte(self) -> int:
        low = self.at - self._base
        if 0 <= low < len(self._buffer) and self.at < self.end:
            self.at += 1
            return self._buffer[low]
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def f64_big(self) -> float:
        value: float = struct.unpack(">d", self.take(8))[0]
        return value

    def line(self, keep: int, limit: int) -> bytes | None:
        """Up to and without the next line feed, which must come within ``limit`` bytes; None when over ``keep``."""
        start = self.at
        found = -1
        while found < 0:
            low = self.at - self._base
            if not 0 <= low < len(self._buffer):
                self._fill(1)
                low = 0
            found = self._buffer.find(b"\n", low)
            self.at = self._base + (len(self._buffer) if found < 0 else found)
            if self.at - start > limit or self.at >= self.end:
                raise Malformed(f"no end of line within {limit} bytes of {start}")
        stop, self.at = self.at, start
        text = self.take(stop - start) if stop - start <= keep else None
        self.at = stop + 1
        return text

    def _fill(self, length: int) -> None:
        wanted = min(max(length, CHUNK_BYTES), self.end - self.at)
        self._buffer = self._source.read(self.at, wanted) if wanted > 0 else b""
        self._base = self.at
        if len(self._buffer) < max(length, 1):
            raise Malformed(f"the file ends at {self.at + len(self._buffer)}")


def parse_json(text: bytes, items: int = JSON_ITEMS) -> Json:
    """JSON without duplicate keys or NaN, refused before it is built when it would have too many parts.

    An empty object of three bytes becomes sixty-four; counting brackets and commas first is what
    keeps a small hostile file from becoming a large heap.
    """
    if text.count(b"{") + text.count(b"[") + text.count(b",") > items:
        raise Malformed(f"JSON of more than {items} parts")
    try:
        return canon.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {_brief(error)}") from error


def plain(value: object) -> Json:
    """What was parsed, as JSON that can be stored for ever: bounded, no NaN, no broken Unicode."""
    return _Plain().value(value, 0)


def plain_text(text: str, limit: int = FACT_CHARS) -> str:
    """Text that encodes as UTF-8, cut to ``limit`` characters."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def is_size(value: object) -> bool:
    """A non-negative int that fits 63 bits; True and False are not numbers here."""
    return type(value) is int and 0 <= value <= INT64_MAX


def elements(shape: Iterable[int]) -> int:
    """The product of the dimensions. Raises Malformed as soon as it leaves 63 bits."""
    product = 1
    empty = False
    for dimension in shape:
        if not is_size(dimension):
            raise Malformed("a dimension is not a size")
        empty = empty or dimension == 0
        product *= dimension or 1
        if product > INT64_MAX:
            raise Malformed("the dimensions multiply to more than any file holds")
    return 0 if empty else product


class _Plain:
    def __init__(self) -> None:
        self.items = 0

    def value(self, value: object, depth: int) -> Json:
        self.items += 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return plain_text(value)
        if isinstance(value, int):
            return int(value) if abs(value) <= INT64_MAX else str(value)[:FACT_CHARS] if abs(value) < 1 << 4096 else "…"
        if isinstance(value, float):
            return value if value == value and abs(value) != float("inf") else str(value)
        if isinstance(value, dict | list | tuple):
            return "…" if depth >= FACT_DEPTH else self._container(value, depth)
        return plain_text(str(value)) if not isinstance(value, bytes) else f"{len(value)} bytes"

    def _container(self, value: "dict[object, object] | list[object] | tuple[object, ...]", depth: int) -> Json:
        if isinstance(value, dict):
            named: dict[str, Json] = {}
            for key, member in value.items():
                if self.items >= FACT_ITEMS:
                    break
                named[plain_text(str(key) if isinstance(key, str | int | float) else "…", 250)] = self.value(
                    member, depth + 1
                )
            return named
        listed: list[Json] = []
        for member in value:
            if self.items >= FACT_ITEMS:
                break
            listed.append(self.value(member, depth + 1))
        return listed


def _brief(error: BaseException) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else json.dumps(str(error)[:200])[1:-1]
