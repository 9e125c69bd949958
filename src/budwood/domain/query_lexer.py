"""The words of the search language, each with its place, and the errors that point at a place.

Strings are quoted with ' or ", a quote inside is doubled or follows a backslash; every other backslash is
itself, so that ``like 'a\\_b'`` reaches the catalog unchanged. A bare word runs to the next space, quote,
parenthesis, comma or operator.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from budwood.domain.limits import FILTER_CHARS
from budwood.errors import BadFilter, LimitExceeded

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<operator><>|[=!<>]=|[=<>])
      | (?P<mark>[(),])
      | (?P<string>'(?:[^'\\]|''|\\.)*+'|"(?:[^"\\]|""|\\.)*+")
      | (?P<word>[^\s()=<>!,'"]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_CARET_CHARS: Final = 60


class Shape(Enum):
    """What a token looks like; whether a word is a keyword or a value is for the grammar to say."""

    OPERATOR = auto()
    MARK = auto()
    STRING = auto()
    WORD = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is without quotes; ``start`` and ``end`` are offsets into the filter, from 0."""

    shape: Shape
    text: str
    start: int
    end: int

    def is_keyword(self, *words: str) -> bool:
        """Whether it is one of these bare words, in any case."""
        return self.shape is Shape.WORD and self.text.lower() in words

    def is_mark(self, mark: str) -> bool:
        return self.shape is Shape.MARK and self.text == mark

    @property
    def shown(self) -> str:
        """How an error names it."""
        return "the end" if self.shape is Shape.END else repr(self.text[:80])


def tokens(text: str) -> list[Token]:
    """All tokens and a last one of shape END. Raises BadFilter, LimitExceeded."""
    if len(text) > FILTER_CHARS:
        message = f"The filter has {len(text)} characters; the limit is {FILTER_CHARS}."
        raise LimitExceeded(message, limit="FILTER_CHARS")
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        found.append(_token(text, match))
        at = match.end()
    found.append(Token(Shape.END, "", end, end))
    return found


def bad_filter(text: str, at: int, message: str, hint: str = "") -> BadFilter:
    """An error that points at offset ``at``: the hint ends with the filter and a caret below the place."""
    start = max(0, at - _CARET_CHARS // 2)
    line = "".join(c if c.isprintable() else " " for c in text[start : start + _CARET_CHARS])
    pointer = f"  {line}\n  {' ' * (at - start)}^"
    return BadFilter(message, hint=f"{hint}\n{pointer}" if hint else pointer, position=at + 1, filter=text[:200])


def _token(text: str, match: re.Match[str]) -> Token:
    shape = Shape[(match.lastgroup or "").upper()]
    start, end = match.span(match.lastgroup or 0)
    written = text[start:end]
    for offset, character in enumerate(written):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise bad_filter(text, start + offset, "The filter contains a character that is not text.")
    if shape is Shape.STRING:
        quote = written[0]
        written = re.sub(rf"\\([\\'\"])|{quote}{quote}", lambda m: m[1] or quote, written[1:-1])
    return Token(shape, written, start, end)


def _unreadable(text: str, at: int) -> BadFilter:
    at += len(text[at:]) - len(text[at:].lstrip())
    if text[at] in "'\"":
        return bad_filter(
            text, at, f"The string that begins at position {at + 1} has no end.", f"Close it with {text[at]}."
        )
    return bad_filter(text, at, "'!' stands alone.", "Write != for 'is not', or not before a comparison.")
