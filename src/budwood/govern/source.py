"""The text of an expression in CEL, as far as it must be known before the library sees it.

The library says what is well formed; here are the bounds that it does not have (nested comprehensions, long lists),
which variables an expression reaches, and the text with every sum and product handed to ``CHECKED``, because the
library goes on counting with infinity: to it ``1.0 / 0.0 >= 0.9`` is true.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from budwood.domain.limits import EXPRESSION_BYTES, EXPRESSION_ITEMS, EXPRESSION_NESTING

CHECKED: Final = "checked"
_LISTS: Final = frozenset(("map", "filter", "sortBy", "transformList", "transformMap", "transformMapEntry"))
_MACROS: Final = _LISTS | frozenset(("all", "exists", "exists_one", "existsOne", "bind"))
_WORDS: Final = frozenset(("true", "false", "null", "in"))
_TYPES: Final = frozenset(("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"))
_CLOSES: Final = {"(": ")", "[": "]", "[?": "]", "{": "}"}
# What binds less than a sum ends it.
_ENDS: Final = frozenset(("<", "<=", ">", ">=", "==", "!=", "&&", "||", "?", ":", ",", "in"))
_COUNTS: Final = frozenset("+-*/")
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\n\f\r]++|//[^\n]*+)"
    r"""|(?P<string>(?:[rR][bB]?|[bB][rR])(?:"{3}(?:[^"]|"(?!""))*+"{3}|'{3}(?:[^']|'(?!''))*+'{3}"""
    r"""|"(?!"")[^"\n\r]*+"|'(?!'')[^'\n\r]*+')"""
    r"""|[bB]?(?:"{3}(?:[^"\\]|\\.|"(?!""))*+"{3}|'{3}(?:[^'\\]|\\.|'(?!''))*+'{3}"""
    r"""|"(?!"")(?:[^"\\\n\r]|\\.)*+"|'(?!'')(?:[^'\\\n\r]|\\.)*+'))"""
    r"|(?P<number>0[xX][0-9a-fA-F]++[uU]?|(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+[uU]?)"
    r"|(?P<name>[_a-zA-Z][_a-zA-Z0-9]*+)"
    r"|(?P<mark>\.\?|\[\?|<=|>=|==|!=|&&|\|\||[-+*/%<>!?:,.()\[\]{}])",
    re.DOTALL,
)


class BadSource(Exception):
    """An expression that may not be: the message is for the person who wrote it."""


class Token(NamedTuple):
    """A piece of the text. ``kind``: string, number, name or mark."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of an expression: the paths of variables it reaches (``facts.metrics.accuracy``, as far as they
    are written out), and the text to evaluate."""

    text: str
    reached: frozenset[tuple[str, ...]]
    guarded: str


def read_source(text: str) -> Source:
    """Raises BadSource."""
    if len(text.encode("utf-8", "surrogatepass")) > EXPRESSION_BYTES:
        raise BadSource(f"It is longer than {EXPRESSION_BYTES} bytes (EXPRESSION_BYTES).")
    tokens = tuple(_tokens(text))
    return Source(text, frozenset(_reached(tokens)), _guarded(text, tokens))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "a text that does not end" if text[at] in "'\"" else f"{text[at]!r}, which means nothing here"
            raise BadSource(f"At character {at + 1} is {what}.")
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], at, match.end())
        at = match.end()


# Which variables it reaches


def _reached(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    bound = {tokens[at + 2].text for at in range(len(tokens) - 2) if _is_macro(tokens, at)}
    others = _WORDS | _TYPES | bound
    for at, token in enumerate(tokens):
        apart = token.kind == "name" and not _selected(tokens, at) and not _called(tokens, at)
        if apart and token.text not in others:
            yield tuple(_path(tokens, at))


def _path(tokens: Sequence[Token], at: int) -> Iterator[str]:
    """The names after each other, to where something else than a name is asked for."""
    yield tokens[at].text
    while _text(tokens, at + 1) == "." and at + 2 < len(tokens):
        at += 2
        if tokens[at].kind != "name" or _called(tokens, at):
            return
        yield tokens[at].text


def _is_macro(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].text in _MACROS and _selected(tokens, at) and _called(tokens, at)


def _selected(tokens: Sequence[Token], at: int) -> bool:
    return _text(tokens, at - 1) in (".", ".?")


def _called(tokens: Sequence[Token], at: int) -> bool:
    return _text(tokens, at + 1) == "("


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) and tokens[at].kind in ("mark", "name") else ""


# Its bounds, and its sums and products


@dataclass(slots=True)
class _Level:
    """Within one pair of brackets: where the sum began that is read now, and whether it is one."""

    closes: str
    macro: bool = False
    nested: int = 0
    first: int = -1
    counts: bool = False
    items: int = 1


def _guarded(text: str, tokens: Sequence[Token]) -> str:
    inserts: list[tuple[int, str]] = []
    levels = [_Level("")]
    for at, token in enumerate(tokens):
        level = levels[-1]
        word = token.text if token.kind in ("mark", "name") else ""
        if word and word == level.closes:
            _end(level, tokens, at, inserts)
            levels.pop()
        elif word in (")", "]", "}"):
            raise BadSource(f"At character {token.start + 1}, {word} closes nothing.")
        elif word in _ENDS and not (word == "in" and _selected(tokens, at)):
            _end(level, tokens, at, inserts)
            _count_item(level, word)
        else:
            _go_on(level, tokens, at, word)
            if word in _CLOSES:
                levels.append(_inside(level, tokens, at, word))
    if len(levels) > 1:
        raise BadSource(f"A {levels[-1].closes} is missing.")
    _end(levels[0], tokens, len(tokens), inserts)
    return _with(text, inserts)


def _inside(level: _Level, tokens: Sequence[Token], at: int, word: str) -> _Level:
    macro = word == "(" and at > 0 and _is_macro(tokens, at - 1)
    nested = level.nested + macro
    if nested > EXPRESSION_NESTING:
        raise BadSource(f"Comprehensions are nested deeper than {EXPRESSION_NESTING} (EXPRESSION_NESTING).")
    return _Level(_CLOSES[word], macro, nested)


def _go_on(level: _Level, tokens: Sequence[Token], at: int, word: str) -> None:
    if level.first < 0:
        level.first = at
        # A sign before a number counts nothing.
        level.counts = False
    elif word in _COUNTS:
        level.counts = True
    # double('inf') is infinite without counting.
    level.counts |= word == "double" and _called(tokens, at)


def _end(level: _Level, tokens: Sequence[Token], at: int, inserts: list[tuple[int, str]]) -> None:
    if level.counts:
        inserts += [(tokens[level.first].start, f"{CHECKED}("), (tokens[at - 1].end, ")")]
    level.first, level.counts = -1, False


def _count_item(level: _Level, word: str) -> None:
    level.items += word == ","
    if level.items > EXPRESSION_ITEMS:
        raise BadSource(f"A list is longer than {EXPRESSION_ITEMS} (EXPRESSION_ITEMS).")


def _with(text: str, inserts: list[tuple[int, str]]) -> str:
    """The text with the pieces at their places. What closes comes before what opens at the same place."""
    pieces, last = [], 0
    for at, piece in sorted(inserts, key=lambda insert: (insert[0], insert[1] != ")")):
        pieces += [text[last:at], piece]
        last = at
    return "".join(pieces) + text[last:]
