"""MLflow's search language: comparisons joined by AND, and the orders of answers. No OR, no NOT, no parentheses.

What may be compared differs between runs, experiments, models and the rest: that is a ``Grammar``, and it is data. A
parsed filter is a tuple of ``Comparison``; nothing in it is checked twice by whoever turns it into SQL.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Final

from budwood.domain.limits import FILTER_TERMS, TRACKING_ORDERS
from budwood.domain.traces.patterns import BadPattern, check_pattern
from budwood.domain.tracking.words import Shape, Token, bad_filter, tokens
from budwood.errors import BadFilter

_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:inf|infinity|nan)", re.IGNORECASE)


class Kind(Enum):
    """What values of a field are, and with it how they compare. A CHOICE is a text that IN may list."""

    NUMBER = auto()
    TEXT = auto()
    CHOICE = auto()
    NUMBERED_CHOICE = auto()
    # Of traces: texts that a pattern may describe (a LABEL is not listed), texts that are only searched in, those
    # that are only compared, and what somebody judged, with a word or a number.
    WORD = auto()
    LABEL = auto()
    CONTENT = auto()
    EXACT = auto()
    JUDGED = auto()
    # Of MCP servers: texts with an order, one of which may be listed, and versions, ordered by precedence.
    ORDERED_TEXT = auto()
    ORDERED_CHOICE = auto()
    RELEASE = auto()


class Operator(StrEnum):
    """How a field and a value are compared."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    RLIKE = "RLIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


ATTRIBUTE: Final = "attribute"
_ORDERED: Final = frozenset({Operator.EQ, Operator.NE, Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_TEXTUAL: Final = frozenset({Operator.EQ, Operator.NE, Operator.LIKE, Operator.ILIKE})
_LISTED: Final = frozenset({Operator.IN, Operator.NOT_IN})
_RANKED: Final = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_PRESENCE: Final = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})
_ALLOWED: Final = {
    Kind.NUMBER: _ORDERED,
    Kind.TEXT: _TEXTUAL,
    Kind.CHOICE: _TEXTUAL | _LISTED,
    Kind.NUMBERED_CHOICE: _ORDERED | _LISTED,
    Kind.WORD: _TEXTUAL | _LISTED | {Operator.RLIKE},
    Kind.LABEL: _TEXTUAL | {Operator.RLIKE},
    Kind.CONTENT: frozenset({Operator.LIKE, Operator.ILIKE}),
    Kind.EXACT: frozenset({Operator.EQ}),
    Kind.JUDGED: _TEXTUAL | _RANKED | {Operator.RLIKE},
    Kind.ORDERED_TEXT: _TEXTUAL | _RANKED,
    Kind.ORDERED_CHOICE: _TEXTUAL | _RANKED | _LISTED,
    Kind.RELEASE: _ORDERED,
}
_QUOTED: Final = frozenset({Kind.ORDERED_TEXT, Kind.ORDERED_CHOICE, Kind.RELEASE})


@dataclass(frozen=True, slots=True)
class Family:
    """What stands before the dot. ``keys`` None: any key. ``may_be_absent``: IS NULL can be asked.

    ``kinds`` are those of single keys; keys that begin with ``prefix`` are let through, whatever follows."""

    name: str
    kind: Kind = Kind.TEXT
    keys: frozenset[str] | None = None
    may_be_absent: bool = False
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    prefix: str = ""

    def has(self, key: str) -> bool:
        """Whether there is such a key."""
        if self.keys is None or key in self.keys:
            return True
        return bool(self.prefix) and key.startswith(self.prefix) and len(key) > len(self.prefix)


@dataclass(frozen=True, slots=True)
class Grammar:
    """``families`` by each word that may name them; ``attributes`` by name, with ``aliases`` for other spellings.
    ``unknown`` are the words a mistake begins with that names a field which is none, ``unquoted`` those about a value
    without quotes, ``wrong`` those about an operator; ``begins`` stands before every mistake."""

    about: str
    attributes: Mapping[str, Kind]
    families: Mapping[str, Family] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    orderable: frozenset[str] = frozenset()
    attribute_words: frozenset[str] = frozenset({"attribute", "attributes", "attr", "run"})
    unknown: str = "Invalid attribute key"
    unquoted: str = ""
    wrong: str = "Invalid comparator"
    begins: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A field: an attribute, or a key of a family."""

    family: str
    key: str


Value = str | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``value`` is a number, a text, several texts for IN, or None where presence is asked. ``at`` is its place."""

    place: Place
    operator: Operator
    value: Value
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Order:
    """One word of an order."""

    place: Place
    descends: bool = False


def parse_filter(text: str, grammar: Grammar) -> tuple[Comparison, ...]:
    """Raises BadFilter, LimitExceeded."""
    if not text or text.isspace():
        return ()
    return tuple(_Reader(text, grammar).comparisons())


def parse_orders(words: Sequence[str], grammar: Grammar) -> tuple[Order, ...]:
    """Raises BadFilter, LimitExceeded."""
    if len(words) > TRACKING_ORDERS:
        raise BadFilter(f"order_by has {len(words)} clauses; the limit is {TRACKING_ORDERS}.", limit="TRACKING_ORDERS")
    return tuple(_Reader(each, grammar).order() for each in words)


class _Reader:
    """A walk over the tokens of one text."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self._text, self._grammar = text, grammar
        self._tokens = tokens(text)
        self._at = 0

    def comparisons(self) -> Iterator[Comparison]:
        count = 0
        while True:
            count += 1
            if count > FILTER_TERMS:
                raise self._bad(self._now, f"Invalid filter: it has more than {FILTER_TERMS} comparisons")
            yield self._comparison()
            token = self._take()
            if token.shape is Shape.END or (token.marks(";") and self._now.shape is Shape.END):
                return
            if not token.says("and"):
                raise self._bad(token, "Invalid clause(s) in filter string: comparisons are joined by AND")

    def order(self) -> Order:
        token = self._take()
        if token.shape in (Shape.END, Shape.OPERATOR, Shape.MARK):
            raise self._bad(token, f"Invalid order_by clause '{self._text[:80]}': it begins with a field")
        place = self._ordered(token)
        descends = False
        if self._now.says("asc", "desc"):
            descends = self._take().says("desc")
        if self._now.shape is not Shape.END:
            message = "a field is followed by ASC or DESC, and nothing else"
            raise self._bad(self._now, f"Invalid order_by clause '{self._text[:80]}': {message}")
        return Order(place, descends)

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.shape is not Shape.END:
            self._at += 1
        return token

    def _comparison(self) -> Comparison:
        token = self._take()
        if token.shape in (Shape.END, Shape.OPERATOR, Shape.MARK, Shape.STRING):
            raise self._bad(token, "Invalid clause(s) in filter string: a comparison begins with a field")
        if self._now.shape is Shape.END or self._now.says("and"):
            raise self._bad(token, "Invalid clause(s) in filter string: a comparison operator belongs behind a field")
        place, kind, may_be_absent = self._field(token)
        sign = self._now
        operator = self._operator()
        if operator in _PRESENCE:
            if not may_be_absent:
                message = "IS NULL / IS NOT NULL is only supported for tags and params"
                raise self._bad(sign, message)
            return Comparison(place, operator, None, token.start)
        if operator not in _ALLOWED[kind]:
            allowed = sorted(str(each) for each in _ALLOWED[kind])
            shown = f"{self._grammar.wrong} '{operator}' not one of {allowed} for {place.family} '{place.key}'"
            if kind is Kind.CONTENT:
                shown = f"{place.family}.{place.key} comparator '{operator}' not one of {allowed}"
            raise self._bad(sign, shown)
        return Comparison(place, operator, self._value(place, kind, operator), token.start)

    def _operator(self) -> Operator:
        token = self._take()
        if token.shape is Shape.OPERATOR and token.text in ("=", "!=", "<", "<=", ">", ">="):
            return Operator(token.text)
        if token.says("like", "ilike", "rlike", "in"):
            return Operator(token.text.upper())
        if token.says("not") and self._now.says("in"):
            self._take()
            return Operator.NOT_IN
        if token.says("is"):
            absent = not self._now.says("not")
            if not absent:
                self._take()
            if self._now.says("null"):
                self._take()
                return Operator.IS_NULL if absent else Operator.IS_NOT_NULL
        raise self._bad(token, "Invalid clause(s) in filter string: a comparison operator belongs here")

    def _value(self, place: Place, kind: Kind, operator: Operator) -> Value:
        token = self._take()
        if token.shape is Shape.END:
            raise self._bad(token, f"Invalid clause(s) in filter string: a value belongs behind {operator}")
        if operator in _LISTED:
            return self._list(token, place, kind)
        if kind in (Kind.NUMBER, Kind.NUMBERED_CHOICE) or (operator in _RANKED and kind not in _QUOTED):
            if token.shape is Shape.WORD and _NUMBER.fullmatch(token.text):
                return float(token.text)
            if kind is Kind.NUMBERED_CHOICE and token.shape is Shape.STRING and token.text.isdigit():
                return float(token.text)
            raise self._bad(token, f"Expected numeric value type for {place.family} '{place.key}'. Found {token.shown}")
        if token.shape is Shape.STRING:
            if operator is Operator.RLIKE:
                self._check_pattern(token)
            return token.text
        if self._grammar.unquoted and place.family == ATTRIBUTE:
            raise self._bad(token, f"{self._grammar.unquoted} {token.text[:80]}")
        raise self._bad(
            token, f"Expected a quoted string value for {place.family} '{place.key}'. Got value {token.shown}"
        )

    def _check_pattern(self, token: Token) -> None:
        try:
            check_pattern(token.text)
        except BadPattern as error:
            raise self._bad(token, f"Invalid regular expression: {error}") from error

    def _list(self, token: Token, place: Place, kind: Kind) -> tuple[str, ...]:
        values: list[str] = []
        if not token.marks("("):
            raise self._bad(token, f"Expected a list of values in parentheses for {place.family} '{place.key}'")
        while True:
            each = self._take()
            is_number = kind is Kind.NUMBERED_CHOICE and each.shape is Shape.WORD and each.text.isdigit()
            if each.shape is not Shape.STRING and not is_number:
                if values and each.marks(")"):
                    return tuple(values)  # A comma behind the last one, as Python writes a tuple of one.
                raise self._bad(each, _no_item(each))
            values.append(each.text)
            mark = self._take()
            if mark.marks(")"):
                return tuple(values)
            if not mark.marks(","):
                raise self._bad(mark, "While parsing a list in the query, expected ',' or ')'")

    def _field(self, token: Token) -> tuple[Place, Kind, bool]:
        """The field, what it is compared as, and whether it may be absent."""
        head, key = _split(token)
        grammar = self._grammar
        family = grammar.families.get(head.lower()) if key is not None else None
        if family is not None:
            assert key is not None
            if not key:
                raise self._bad(token, f"Invalid filter: no key is given behind '{head}.'")
            if not family.has(key):
                assert family.keys is not None
                message = f"Invalid {family.name} key '{key[:80]}' specified. Valid keys are {sorted(family.keys)}"
                if family.prefix:
                    known = ", ".join(sorted(family.keys - {*family.kinds}))
                    message = f"Invalid {family.name} attribute '{key[:80]}'. Supported attributes: {known}, "
                    message += f"{family.prefix}<attribute_name>"
                raise self._bad(token, message)
            return Place(family.name, key), family.kinds.get(key, family.kind), family.may_be_absent
        name = self._attribute(token, head, key)
        return Place(ATTRIBUTE, name), grammar.attributes[name], False

    def _ordered(self, token: Token) -> Place:
        head, key = _split(token)
        family = self._grammar.families.get(head.lower()) if key is not None else None
        if family is not None and key and family.name not in self._grammar.orderable:
            raise self._bad(token, f"Invalid order_by entity: {family.name}")
        if family is not None and key:
            return Place(family.name, key)
        name = self._attribute(token, head, key)
        if name not in self._grammar.orderable:
            raise self._bad(token, f"{self._grammar.unknown} '{name}' specified for order_by")
        return Place(ATTRIBUTE, name)

    def _attribute(self, token: Token, head: str, key: str | None) -> str:
        grammar = self._grammar
        if key is None:
            name = head
        elif head.lower() in grammar.attribute_words:
            name = key
        else:
            valid = sorted({*grammar.families, *grammar.attribute_words})
            message = f"Invalid entity type '{head[:80]}' in '{token.text[:80]}'. Valid entity types are {valid}"
            raise self._bad(token, message)
        name = grammar.aliases.get(name.lower(), name)
        if name not in grammar.attributes:
            valid = sorted(grammar.attributes)
            raise self._bad(token, f"{grammar.unknown} '{name[:80]}' specified. Valid keys are '{valid}'")
        return name

    def _bad(self, token: Token, message: str) -> BadFilter:
        return bad_filter(self._text, token.start, self._grammar.begins + message)


def _split(token: Token) -> tuple[str, str | None]:
    """What stands before the first dot and behind it, without quotes; None behind where there is no dot."""
    if token.shape in (Shape.TICK, Shape.STRING):
        return token.text, None
    head, dot, key = token.text.partition(".")
    if not dot:
        return head, None
    if token.shape is Shape.FIELD and key:
        before, quote, quoted = key.partition(next(each for each in key if each in "`\"'"))
        key = before + quoted.removesuffix(quote)
    return head, key


def _no_item(token: Token) -> str:
    """What is wrong with a list that has this where one of its values belongs."""
    if token.shape is Shape.END:
        return "Invalid clause(s) in filter string: a list has no end"
    wanted, got = "a non-empty list of string values", "ill-formed list"
    if token.marks(")"):
        got = "empty list"
    elif not token.marks(","):
        wanted, got = "string value, punctuation, or whitespace", "different type in list"
    return f"While parsing a list in the query, expected {wanted}, but got {got}"


def is_finite(value: Value) -> bool:
    """Whether a number can be compared by a database."""
    return not isinstance(value, float) or math.isfinite(value)
