"""The words of MLflow's search language, each with its place.

Keys with odd characters stand in backticks or double quotes, behind their family and a dot (metrics.`val loss`);
values stand in single or double quotes. There is nothing to escape a quote with.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from budwood.domain.limits import TRACKING_FILTER_CHARS
from budwood.errors import BadFilter, LimitExceeded

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<operator>[=!<>]=|<>|[=<>])
      | (?P<mark>[(),;])
      | (?P<field>[^\s()=<>!,;'"`.]+\.(?:\w+\.)?(?:`[^`]*+`|"[^"]*+"|'[^']*+'))
      | (?P<string>'[^']*+'|"[^"]*+")
      | (?P<tick>`[^`]*+`)
      | (?P<word>[^\s()=<>!,;'"`]++)
    )""",
    re.VERBOSE,
)


class Shape(Enum):
    """What a token looks like."""

    OPERATOR = auto()
    MARK = auto()
    FIELD = auto()
    STRING = auto()
    TICK = auto()
    WORD = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is without quotes, but for a FIELD; ``start`` is an offset into the text, from 0."""

    shape: Shape
    text: str
    start: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these bare words, in any case."""
        return self.shape is Shape.WORD and self.text.lower() in words

    def marks(self, mark: str) -> bool:
        return self.shape is Shape.MARK and self.text == mark

    @property
    def shown(self) -> str:
        """How an error names it."""
        return "the end" if self.shape is Shape.END else repr(self.text[:80])


def tokens(text: str) -> list[Token]:
    """All tokens and a last one of shape END. Raises BadFilter, LimitExceeded."""
    if len(text) > TRACKING_FILTER_CHARS:
        message = f"The filter has {len(text)} characters; the limit is {TRACKING_FILTER_CHARS}."
        raise LimitExceeded(message, limit="TRACKING_FILTER_CHARS")
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_filter(text, at, "Invalid clause(s) in filter string: a quote has no end, or '!' stands alone")
        found.append(_token(text, match))
        at = match.end()
    found.append(Token(Shape.END, "", end))
    return found


def bad_filter(text: str, at: int, message: str) -> BadFilter:
    """An error that names the place, from 1."""
    at += len(text[at:]) - len(text[at:].lstrip())
    shown = "".join(c if c.isprintable() else " " for c in text[at : at + 60])
    place = f" (at position {at + 1}: {shown!r})" if shown else f" (at position {at + 1}, the end)"
    return BadFilter(message + place + ".", position=at + 1, filter=text[:200])


def _token(text: str, match: re.Match[str]) -> Token:
    assert match.lastgroup is not None
    shape = Shape[match.lastgroup.upper()]
    written = match[match.lastgroup]
    start = match.start(match.lastgroup)
    for offset, character in enumerate(written):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise bad_filter(text, start + offset, "The filter contains a character that is not text")
    return Token(shape, written[1:-1] if shape in (Shape.STRING, Shape.TICK) else written, start)
