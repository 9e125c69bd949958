"""JSON read one element at a time, so that no more of a long text is decoded than the element at hand.

Whoever knows the shape of the text walks it: ``members`` of an object, ``elements`` of an array, and ``value`` for
what is small enough to be taken whole. Every error of form is a ValueError, as with ``canon.loads``.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from budwood.domain import canon
from budwood.domain.canon import Json

WINDOW: Final = 256 << 10
"""So many bytes are decoded at once; more only while one value is longer."""
LONGEST_CUT: Final = 4
"""A number cut off within its last characters may read as a shorter one."""
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class JsonPieces:
    """A place in a text, which moves forward only."""

    def __init__(self, written: Iterable[bytes | memoryview], *, window: int = WINDOW) -> None:
        """What is written may come in parts, each of which is read before the next is asked for."""
        self._window = window
        self._parts = iter(written)
        self._part = memoryview(b"")
        self._is_whole = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._text = ""
        self._at = 0

    def members(self) -> Iterator[str]:
        """The key of each member of the object that begins here; the caller takes its value before the next."""
        seen = set[str]()
        for _ in self._between("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise ValueError("a key of a JSON object is no text")
            if key in seen:
                raise ValueError("duplicate key in JSON object")
            seen.add(key)
            self._expect(":")
            yield key

    def elements(self) -> Iterator[None]:
        """Once for each element of the array that begins here; the caller takes it before asking for the next."""
        return self._between("[", "]")

    def value(self) -> Json:
        """What is here, whole."""
        self._next()
        while True:
            try:
                value, end = canon.scan(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if len(self._text) - end < LONGEST_CUT and self._more():
                continue
            self._at = end
            return value

    def short_object(self) -> dict[str, Json] | None:
        """The object here when it is shorter than a window; else None and no move."""
        while self._next() == "{":
            try:
                value, end = canon.scan(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at >= self._window or not self._more():
                    return None
                continue
            self._at = end
            assert isinstance(value, dict)
            return value
        return None

    def end(self) -> None:
        """Nothing but space may follow."""
        if self._next():
            raise ValueError("something follows the JSON value")

    def _between(self, opening: str, closing: str) -> Iterator[None]:
        self._expect(opening)
        if self._next() == closing:
            self._at += 1
            return
        while True:
            yield
            if self._next() == closing:
                self._at += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if self._next() != character:
            raise ValueError(f"{character!r} expected in JSON")
        self._at += 1

    def _next(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            text, at = self._text, self._at
            if at < len(text):
                if text[at] not in " \t\n\r":
                    return text[at]
                found = _SPACE.match(text, at)
                assert found is not None
                self._at = found.end()
            elif not self._more():
                return ""

    def _more(self) -> bool:
        """Decode a window more, or as much again as one value takes already; False at the end."""
        if self._is_whole:
            return False
        left = self._text[self._at :]
        more = [left]
        wanted = max(self._window, len(left))
        while wanted > 0 and not self._is_whole:
            if not self._part:
                self._is_whole = (part := next(self._parts, None)) is None
                self._part = memoryview(part or b"")
            more.append(self._decoder.decode(self._part[:wanted], self._is_whole))
            wanted, self._part = wanted - len(self._part), self._part[wanted:]
        self._text, self._at = "".join(more), 0
        return True
