"""GraphQL as MLflow's pages write it: operations with fields, arguments, aliases and variables, read within bounds.

No fragments, and no directives but those of an operation, which say nothing to a server. Bounds are checked while a
text is read, so that nothing is built of one that is too deep or too wide.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import GRAPH_ALIASES, GRAPH_CHARS, GRAPH_DEPTH, GRAPH_ROOTS, GRAPH_SELECTIONS
from budwood.errors import BadValue, LimitExceeded

_TOKEN: Final = re.compile(
    r"""(?:[\s,\ufeff]++|\#[^\n\r]*+)*+(?:
        (?P<name>[_A-Za-z][_0-9A-Za-z]*+)
      | (?P<number>-?[0-9]++(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)
      | (?P<string>"(?!"")(?:[^"\\\n\r]|\\.)*+")
      | (?P<mark>[!$():=@{}\[\]])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked for. ``shown_as`` is its alias, else its name; ``inside`` is empty for plain values."""

    name: str
    shown_as: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    inside: tuple["Field", ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """``name`` is empty where it has none."""

    name: str
    fields: tuple[Field, ...]
    is_mutation: bool = False


def operation(text: str, variables: Mapping[str, Json], name: str) -> Operation:
    """The operation of a text, or the one of that name. Raises BadValue, LimitExceeded."""
    if len(text) > GRAPH_CHARS:
        raise LimitExceeded(f"A GraphQL query has at most {GRAPH_CHARS} characters.", limit="GRAPH_CHARS")
    found = _Reader(text, variables).operations()
    chosen = [each for each in found if each.name == name] if name else found
    if len(chosen) != 1:
        raise BadValue(f"Unknown operation named '{name[:80]}'." if name else "Must provide an operation name.")
    return chosen[0]


@dataclass(frozen=True, slots=True)
class _Token:
    shape: str
    text: str
    start: int


class _Reader:
    """A walk over the tokens of one text."""

    def __init__(self, text: str, variables: Mapping[str, Json]) -> None:
        self._text, self._given = text, variables
        self._variables: dict[str, Json] = {}
        self._selections = 0
        self._now = self._next(0)

    def operations(self) -> list[Operation]:
        found: list[Operation] = []
        while self._now.shape != "end":
            self._selections = 0
            found.append(self._operation())
        return found

    def _operation(self) -> Operation:
        self._variables = {}
        kind = "query" if self._is("{") else self._take("name")
        if kind not in ("query", "mutation"):
            raise self._bad(f"it begins with query, mutation or {{, not with {kind[:40]!r}")
        name = self._take("name") if self._now.shape == "name" else ""
        if self._passes("("):
            self._define()
        while self._passes("@"):
            self._take("name")
            self._arguments()
        return Operation(name, self._fields(1), kind == "mutation")

    def _define(self) -> None:
        """``($data: Input! = {...})``: what kind a variable is does not matter here, for its use is checked."""
        while not self._passes(")"):
            self._expect("$")
            name = self._take("name")
            self._expect(":")
            while self._now.shape == "name" or self._is("[", "]", "!"):
                self._step()
            default = self._value(0) if self._passes("=") else None
            self._variables[name] = self._given.get(name, default)

    def _fields(self, depth: int) -> tuple[Field, ...]:
        if depth > GRAPH_DEPTH:
            raise LimitExceeded(f"Query exceeds maximum depth of {GRAPH_DEPTH}", limit="GRAPH_DEPTH")
        self._expect("{")
        found: list[Field] = []
        while not found or not self._is("}"):
            found.append(self._field(depth))
        self._step()
        _at_most(GRAPH_ALIASES, "aliases", sum(each.shown_as != each.name for each in found), "GRAPH_ALIASES")
        if depth == 1:
            _at_most(GRAPH_ROOTS, "root fields", len(found), "GRAPH_ROOTS")
        return tuple(found)

    def _field(self, depth: int) -> Field:
        self._selections += 1
        if self._selections > GRAPH_SELECTIONS:
            message = f"Query exceeds maximum total selections of {GRAPH_SELECTIONS}"
            raise LimitExceeded(message, limit="GRAPH_SELECTIONS")
        shown_as = name = self._take("name")
        if self._passes(":"):
            name = self._take("name")
        arguments = self._arguments()
        return Field(name, shown_as, arguments, self._fields(depth + 1) if self._is("{") else ())

    def _arguments(self) -> dict[str, Json]:
        return self._pairs(")", 0) if self._passes("(") else {}

    def _pairs(self, end: str, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        while not self._passes(end):
            name = self._take("name")
            self._expect(":")
            found[name] = self._value(depth)
        return found

    def _value(self, depth: int) -> Json:
        if depth > GRAPH_DEPTH:
            raise LimitExceeded(f"Values are nested at most {GRAPH_DEPTH} deep.", limit="GRAPH_DEPTH")
        token = self._now
        self._step()
        match token.shape, token.text:
            case "number" | "string", text:
                return self._plain(text)
            case "name", word:
                return _WORDS.get(word, word)
            case "mark", "$":
                return self._variable(self._take("name"))
            case "mark", "{":
                return self._pairs("}", depth + 1)
            case "mark", "[":
                several: list[Json] = []
                while not self._passes("]"):
                    several.append(self._value(depth + 1))
                return several
        raise self._bad("a value belongs here", token)

    def _plain(self, text: str) -> Json:
        try:
            value: Json = json.loads(text)
        except ValueError as error:
            raise self._bad(f"{text[:40]} cannot be read") from error
        return value

    def _variable(self, name: str) -> Json:
        if name not in self._variables:
            raise BadValue(f"Variable '${name[:80]}' is not defined.")
        return self._variables[name]

    def _is(self, *marks: str) -> bool:
        return self._now.shape == "mark" and self._now.text in marks

    def _passes(self, mark: str) -> bool:
        """Whether the mark stands here; it is passed then."""
        there = self._is(mark)
        if there:
            self._step()
        return there

    def _expect(self, mark: str) -> None:
        if not self._passes(mark):
            raise self._bad(f"{mark} belongs here")

    def _take(self, shape: str) -> str:
        token = self._now
        if token.shape != shape:
            raise self._bad(f"a {shape} belongs here")
        self._step()
        return token.text

    def _step(self) -> None:
        self._now = self._next(self._now.start + len(self._now.text))

    def _next(self, at: int) -> _Token:
        match = _TOKEN.match(self._text, at)
        if match is None:
            raise BadValue(f"Syntax Error: nothing that is understood follows character {at}: {self._text[at:][:40]!r}")
        shape = str(match.lastgroup)
        return _Token(shape, match[shape], match.start(shape))

    def _bad(self, message: str, token: _Token | None = None) -> BadValue:
        return BadValue(f"Syntax Error at character {(token or self._now).start + 1}: {message}")


def _at_most(most: int, what: str, count: int, limit: str) -> None:
    if count > most:
        raise LimitExceeded(f"GraphQL queries should have at most {most} {what}, got {count} {what}.", limit=limit)
