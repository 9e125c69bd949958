"""Regular expressions of searches (RLIKE), found in a text in a time that grows with the text and nothing else.

The usual engines go back and try again, and a pattern of a few characters keeps them busy for years. Here all ways
are followed at once, and sets of places that were met before are remembered. It knows characters, classes, ``.``,
``^`` and ``$``, groups, ``|``, ``*``, ``+``, ``?`` and ``{m,n}``; PostgreSQL reads what is let through alike. What
looks back (``\\1``) or ahead is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from budwood.domain.limits import PATTERN_CHARS, PATTERN_PLACES

_CLASSES: Final = {
    "d": str.isdigit,
    "w": lambda letter: letter.isalnum() or letter == "_",
    "s": str.isspace,
}
_PLAIN: Final = {"n": "\n", "t": "\t", "r": "\r"}
_REMEMBERED: Final = 2_000
_COUNTED: Final = 255
"""PostgreSQL counts no further."""
Fits = Callable[[str], bool]


class BadPattern(ValueError):
    """What is no pattern, or not one of ours."""


@dataclass(slots=True)
class _Place:
    """Where a match may be: it reads a letter that fits and goes on, or goes on without reading."""

    fits: Fits | None = None
    ahead: list[int] = field(default_factory=list)
    anchor: str = ""


def check_pattern(pattern: str) -> None:
    """Raises BadPattern."""
    _compiled(pattern)


def matches(pattern: str, text: str | None) -> bool:
    """Whether it is found anywhere in the text."""
    return text is not None and _compiled(pattern).found_in(text)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "_Machine":
    if len(pattern) > PATTERN_CHARS:
        raise BadPattern(f"it has more than {PATTERN_CHARS} characters")
    return _Machine(pattern)


class _Machine:
    """Places in a row; 0 is behind the end of the pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = pattern, 0
        self._places: list[_Place] = [_Place()]
        self._begin = self._either(0)
        if self._at < len(pattern):
            raise BadPattern("a ')' stands alone")
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def found_in(self, text: str) -> bool:
        first = self._closed({self._begin}, at_start=True, at_end=not text)
        now = first
        if 0 in now:
            return True
        last = len(text) - 1
        for at, letter in enumerate(text):
            now = self._step(now, letter) if at != last else self._stepped(now, letter, at_end=True)
            if 0 in now:
                return True
        return False

    def _step(self, now: frozenset[int], letter: str) -> frozenset[int]:
        found = self._steps.get((now, letter))
        if found is None:
            found = self._stepped(now, letter, at_end=False)
            if len(self._steps) < _REMEMBERED:
                self._steps[now, letter] = found
        return found

    def _stepped(self, now: frozenset[int], letter: str, *, at_end: bool) -> frozenset[int]:
        ahead: set[int] = {self._begin}
        for number in now:
            place = self._places[number]
            if place.fits is not None and place.fits(letter):
                ahead.update(place.ahead)
        return self._closed(ahead, at_start=False, at_end=at_end)

    def _closed(self, places: set[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        """With all that can be reached without reading."""
        left, found = list(places), set(places)
        while left:
            place = self._places[left.pop()]
            if place.fits is not None or (place.anchor == "^" and not at_start) or (place.anchor == "$" and not at_end):
                continue
            for number in place.ahead:
                if number not in found:
                    found.add(number)
                    left.append(number)
        return frozenset(found)

    # Building: each part is given the place behind it, and gives the one at its beginning.

    def _either(self, behind: int) -> int:
        begins = [self._row(behind)]
        while self._now == "|":
            self._at += 1
            begins.append(self._row(behind))
        return begins[0] if len(begins) == 1 else self._new(ahead=begins)

    def _row(self, behind: int) -> int:
        parts: list[tuple[int, int, int, int | None]] = []
        while self._now not in ("", "|", ")"):
            begin = self._at
            if self._now in ("*", "+", "?", "{"):
                raise BadPattern("nothing stands before a repetition")
            self._skip()
            end = self._at
            least, most = self._times()
            if self._pattern[begin] in "^$" and end < self._at:
                raise BadPattern("a beginning or an end is repeated")
            parts.append((begin, end, least, most))
        resume = self._at
        for begin, end, least, most in reversed(parts):
            behind = self._repeated(begin, end, least, most, behind)
        self._at = resume
        return behind

    def _repeated(self, begin: int, end: int, least: int, most: int | None, behind: int) -> int:
        if most is None:
            around = self._new()
            self._places[around].ahead = [self._part(begin, around), behind]
            behind = around
        else:
            for _ in range(most - least):
                behind = self._new(ahead=[self._part(begin, behind), behind])
        for _ in range(least):
            behind = self._part(begin, behind)
        return behind

    def _part(self, begin: int, behind: int) -> int:
        """One letter, class, anchor or group, from where it is written."""
        self._at = begin
        letter = self._take()
        if letter == "(":
            if self._now == "?":
                if self._pattern[self._at : self._at + 2] != "?:":
                    raise BadPattern("'(?' is only known in '(?:'")
                self._at += 2
            found = self._either(behind)
            self._at += 1
            return found
        if letter in "^$":
            return self._new(ahead=[behind], anchor=letter)
        return self._new(self._letter(letter), [behind])

    def _skip(self) -> None:
        """Behind the next part, whatever it holds."""
        letter = self._take()
        if letter == "\\":
            self._take()
        elif letter == "[":
            self._class()
        elif letter == "(":
            if self._now == "?" and self._pattern[self._at : self._at + 2] != "?:":
                raise BadPattern("'(?' is only known in '(?:'")
            if self._now == "?":
                self._at += 2
            depth = 1
            while depth:
                letter = self._take()
                if letter == "\\":
                    self._take()
                elif letter == "[":
                    self._class()
                elif letter in "()":
                    depth += 1 if letter == "(" else -1

    def _times(self) -> tuple[int, int | None]:
        letter = self._now
        if letter == "{":
            least, most = self._counted()
        elif letter in ("*", "+", "?") and letter:
            self._at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[letter]
        else:
            return 1, 1
        if self._now == "?":  # As little as possible: whether it is found is the same.
            self._at += 1
        if self._now in ("*", "+", "?", "{") and self._now:
            raise BadPattern("a repetition is repeated")
        return least, most

    def _counted(self) -> tuple[int, int | None]:
        written, closed, _ = self._pattern[self._at + 1 :].partition("}")
        least, comma, most = written.partition(",")
        numbers = [each for each in (least, most) if each]
        if not closed or not least or not all(each.isascii() and each.isdigit() and len(each) < 5 for each in numbers):
            raise BadPattern("'{' begins no count")
        self._at += len(written) + 2
        low = int(least)
        high = int(most) if most else None if comma else low
        if (high is not None and high < low) or max(low, high or 0) > _COUNTED:
            raise BadPattern("a count is out of bounds")
        return low, high

    def _letter(self, letter: str) -> Fits:
        if letter == ".":
            return lambda each: each != "\n"
        if letter == "\\":
            return self._escaped()
        if letter == "[":
            return self._class()
        return letter.__eq__

    def _escaped(self) -> Fits:
        letter = self._take()
        if letter.lower() in _CLASSES:
            known = _CLASSES[letter.lower()]
            return known if letter.islower() else lambda each: not known(each)
        if letter in _PLAIN:
            return _PLAIN[letter].__eq__
        if letter.isalnum():
            raise BadPattern(f"'\\{letter}' is not known")
        return letter.__eq__

    def _class(self) -> Fits:
        denied = self._now == "^"
        if denied:
            self._at += 1
        parts: list[Fits] = []
        letter = self._take()
        while True:
            if letter == "\\":
                if self._now in ("D", "S", "W") and self._now:
                    raise BadPattern("what is denied stands in no class")
                parts.append(self._escaped())
            elif letter == "[":
                raise BadPattern("'[' in a class stands behind '\\'")
            elif self._now == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                parts.append(_between(letter, self._take()))
            else:
                parts.append(letter.__eq__)
            letter = self._take()
            if letter == "]":
                break
        return lambda each: any(part(each) for part in parts) is not denied

    @property
    def _now(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self._pattern):
            raise BadPattern("it ends in the middle")
        self._at += 1
        return self._pattern[self._at - 1]

    def _new(self, fits: Fits | None = None, ahead: list[int] | None = None, anchor: str = "") -> int:
        if len(self._places) >= PATTERN_PLACES:
            raise BadPattern("it is too large")
        self._places.append(_Place(fits, ahead or [], anchor))
        return len(self._places) - 1


def _between(first: str, last: str) -> Fits:
    if last in "\\[" or last < first:
        raise BadPattern("a range in a class is none")
    return lambda each: first <= each <= last
