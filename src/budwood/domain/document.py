"""Reading the plain values of a document field by field: everything in it is understood, or refused by name.

A ``Reader`` raises one kind of error, always with the field's path, what is wrong with it and what it may be. A field
that nobody knows is an error too, because a typing mistake must not open a gate or move traffic.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from budwood.domain.limits import NAME_CHARS
from budwood.errors import Invalid

_LASTS: Final = re.compile(r"([1-9][0-9]{0,6})(s|m|h|d)")
_LASTS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PATTERN: Final = re.compile(r"[a-z0-9*?][a-z0-9._*?-]*")
_TEXT_BYTES: Final = 1_000
_DEPTH: Final = 32
_LARGEST: Final = 10**300
Word = TypeVar("Word", bound=StrEnum)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """``error`` is what it raises; ``items`` how long a list may be."""

    error: type[Invalid]
    items: int = 50

    def fields(
        self, value: object, at: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """A mapping with these fields and no others."""
        known = (*required, *optional)
        if not isinstance(value, Mapping):
            self.bad(at or "The document", f"is {said(value)} and not a mapping", f"Give it {', '.join(known)}.")
        for name in value:
            if name not in known:
                close = near(name, known) if isinstance(name, str) else ""
                self.bad(
                    _below(at, str(name) or "''")[:200], "is not known here", close or f"Known are {', '.join(known)}."
                )
        for name in required:
            if name not in value:
                self.bad(_below(at, name), "is missing", f"Give {name}.")
        return value

    def head(self, document: object, version: str, kind: str, *, metadata: Sequence[str] = ()) -> Mapping[str, Any]:
        """The top of a document in Kubernetes' shape; ``metadata`` are the fields it must have there."""
        beside = ("metadata",)
        asked = ("apiVersion", "kind", *(beside if metadata else ()), "spec")
        top = self.fields(document, "", required=asked, optional=() if metadata else beside)
        self.same(top["apiVersion"], version, "apiVersion")
        self.same(top["kind"], kind, "kind")
        others = tuple(name for name in ("name", "labels", "annotations") if name not in metadata)
        self.fields(top.get("metadata", {}), "metadata", required=metadata, optional=others)
        return top

    def distinct(self, given: Mapping[str, Any], name: str, at: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """The same as ``each``; nothing may stand in it twice."""
        found = self.each(given, name, at, read)
        if any(found.count(one) > 1 for one in found):
            self.bad(_below(at, name), "names something twice", "Name each once.")
        return found

    def each(self, given: Mapping[str, Any], name: str, at: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """A list of the field's values; none when it is not given."""
        if name not in given:
            return ()
        value, where = given[name], _below(at, name)
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.bad(where, f"is {said(value)} and not a list", f"Write a list: {name}: [...].")
        if not value:
            self.bad(where, "is an empty list", f"It takes from 1 to {self.items}; or leave the field out.")
        if len(value) > self.items:
            self.bad(where, f"has {len(value)} entries", f"It takes from 1 to {self.items}.")
        return tuple(read(one, f"{where}[{number}]") for number, one in enumerate(value))

    def text(self, value: object, at: str, most: int = _TEXT_BYTES) -> str:
        """Printable, not empty, at most so many bytes."""
        if not isinstance(value, str) or not value.strip():
            self.bad(at, f"is {said(value)} and not a text", "Write it in quotes.")
        if len(value.encode("utf-8", "surrogatepass")) > most or not value.replace("\n", " ").isprintable():
            self.bad(at, f"is longer than {most} bytes, or not printable", "Shorten it.")
        return value

    def pattern(self, value: object, at: str) -> str:
        """A name, in which ``*`` and ``?`` stand for anything."""
        if not isinstance(value, str) or len(value) > NAME_CHARS or not _PATTERN.fullmatch(value):
            self.bad(at, f"is {said(value)}", "A name, in which * stands for anything: fraud-*.")
        return value

    def number(self, value: object, at: str, *, least: float = -math.inf, most: float = math.inf) -> float:
        """A finite one within bounds."""
        # Not isfinite: it cannot take a whole number of more than 308 digits.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            self.bad(at, f"is {said(value)} and not a number", "Write a finite number: 0.9.")
        if abs(value) >= _LARGEST:
            self.bad(at, "is a very large number", "Write a smaller one.")
        if not least <= value <= most:
            self.bad(at, f"is {said(value)}", f"It is a number from {least:g} to {most:g}.")
        return float(value)

    def count(self, value: object, at: str, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.bad(at, f"is {said(value)}", f"It is a whole number from {least} to {most}.")
        return value

    def flag(self, value: object, at: str) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.bad(at, f"is {said(value)}", "It is true or false.")
        return value

    def lasts_s(self, value: object, at: str) -> int:
        """A time, in seconds, written as 90s, 15m, 12h or 30d; 0 is none."""
        match = _LASTS.fullmatch(value) if isinstance(value, str) else None
        if match is None and value != 0:
            self.bad(at, f"is {said(value)}", "Write seconds, minutes, hours or days: 90s, 15m, 12h, 30d.")
        return int(match[1]) * _LASTS_S[match[2]] if match else 0

    def points(self, value: object, at: str) -> int:
        """Basis points, written as percent: 5, 0.5 or "12.5%"."""
        given = value[:-1].strip() if isinstance(value, str) and value.endswith("%") else value
        try:
            percent = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
        except ValueError:
            percent = math.nan
        points = round(percent * 100) if math.isfinite(percent) else -1
        if not 0 <= points <= 10_000 or abs(points - percent * 100) > 1e-6:
            self.bad(at, f"is {said(value)}", "It is a percentage from 0 to 100 with at most two decimals: 5%.")
        return points

    def word(self, kind: type[Word]) -> Callable[[object, str], Word]:
        """One of these."""

        def read(value: object, at: str) -> Word:
            words = [str(word) for word in kind]
            if not isinstance(value, str) or value not in words:
                close = near(value, words) if isinstance(value, str) else ""
                self.bad(at, f"is {said(value)}", close or f"It is one of {', '.join(words)}.")
            return kind(value)

        return read

    def same(self, value: object, wanted: str, at: str) -> None:
        """Exactly this."""
        if value != wanted:
            self.bad(at, f"is {said(value)}", f"Write {at}: {wanted}.")

    def plain(self, value: object, at: str = "", depth: int = 0) -> Any:
        """The document in values that JSON has, too: what cannot be written the same everywhere has no digest."""
        where = at or "The document"
        if depth > _DEPTH:
            self.bad(where, "is nested too deep", f"At most {_DEPTH} levels are allowed.")
        if isinstance(value, Mapping):
            below = {self._key(key, where): each for key, each in value.items()}
            return {key: self.plain(each, _below(at, key)[:200], depth + 1) for key, each in below.items()}
        if isinstance(value, list | tuple):
            return [self.plain(each, f"{at}[{number}]", depth + 1) for number, each in enumerate(value)]
        if isinstance(value, str):
            return self._whole(value, where)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not abs(value) < _LARGEST:
                self.bad(where, "is not a number that can be kept", "Write a finite number: 0.9.")
        elif value is not None and not isinstance(value, bool):
            self.bad(where, f"is {said(value)}", "Write dates and such in quotes, and numbers plainly: 0.9.")
        return value

    def _key(self, key: object, where: str) -> str:
        if not isinstance(key, str):
            hint = "Write it in quotes. YAML reads yes, no, on and off as true and false."
            self.bad(where, f"has the key {said(key)}, which is no text", hint)
        return self._whole(key, where)

    def _whole(self, text: str, where: str) -> str:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self.bad(where, "holds half a character (a lone surrogate)", "Write the character itself.")
        return text

    def bad(self, at: str, what: str, fix: str) -> NoReturn:
        """Raises the error."""
        raise self.error(f"{at or 'A field without a name'} {what}.", hint=fix, field=at or "document")


def near(text: str, known: Sequence[str]) -> str:
    """A question whether something else was meant; empty where nothing is alike."""
    same_letters = [word for word in known if sorted(word) == sorted(text[:80])]
    close = same_letters or difflib.get_close_matches(text[:80], known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""


def said(value: object) -> str:
    """A value as an error names it."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a very large number"
    return repr(value)[:80] if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
