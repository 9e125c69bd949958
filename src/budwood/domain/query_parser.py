"""Reads the search language (domain/query.py) into a Query; every error points at the place it speaks of.

    query      := [either] [ORDER BY field [ASC | DESC]]
    either     := both (OR both)*
    both       := one (AND one)*
    one        := NOT one | ( either ) | comparison
    comparison := field operator value | field [NOT] LIKE value | field [NOT] IN ( value, … ) | retired | word

Which values a field takes is decided in query_values.py; where words begin and end in query_lexer.py.
"""

import re
from difflib import get_close_matches
from typing import Final

from budwood.domain.limits import FILTER_DEPTH, FILTER_TERMS, KEY_CHARS
from budwood.domain.query import And, Compare, FieldName, Filter, Not, Operator, Or, Order, Query
from budwood.domain.query_lexer import Shape, Token, bad_filter, tokens
from budwood.domain.query_values import FAMILIES, ORDERED, WrongValue
from budwood.errors import BadFilter, LimitExceeded

FILTER_HELP: Final = """\
A filter compares fields with values and joins comparisons with and, or, not and parentheses.

  name namespace author message   text: = != like in        name like 'enc%'
  kind stage                      one of the known words: = != in
  label                           = like                    label = 1.2.0
  alias                           = != like in              alias = champion
  commit digest                   = finds a beginning: = != like in
  number size                     = != < <= > >= in         size > 100MB
  created                         = != < <= > >=            2026-11-05, 2026-11-05T14:30Z, 7d ago, -12h
  retired                         true or false
  tags.KEY params.KEY             text: = != like in        tags."any key" = 'x'
  metrics.KEY                     a number: = != < <= > >=

Words with spaces, parentheses or commas go in quotes. In like, % stands for anything and _ for one
character, unless a backslash stands before it; case does not count. A bare date is the first moment of that
day, UTC; with = it is the whole day. A word alone searches names. Last may come: order by FIELD [asc|desc];
without it the newest come first.

  encoder                                      names that contain encoder
  kind = adapter and metrics.auc >= 0.9        good adapters
  stage = production and not retired           what serves
  tags.team in (risk, 'fraud team') or author = mara
  created > 7d ago and size > 1GB              large and new
  name like 'enc%' order by metrics.loss asc   the best first
"""

_OPERATORS: Final = {"==": "=", "<>": "!="}
_KEYWORDS: Final = ("and", "or", "not", "like", "in", "order", "by", "asc", "desc")
_OTHER_WORDS: Final = {
    "model": "name",
    "tag": "tags.KEY",
    "metric": "metrics.KEY",
    "param": "params.KEY",
    "parameters": "params.KEY",
    "time": "created",
    "date": "created",
    "version": "number",
    "user": "author",
    "owner": "author",
    "by": "author",
    "state": "stage",
    "sha256": "digest",
    "type": "kind",
    "bytes": "size",
    "git": "commit",
}


def parse_query(text: str, *, now_ms: int) -> Query:
    """Raises BadFilter with ``position`` (from 1) and a caret line in its hint, and LimitExceeded."""
    return _Parser(text, now_ms).query()


class _Parser:
    """One pass over the tokens, one method for each rule of the grammar."""

    def __init__(self, text: str, now_ms: int) -> None:
        self.text = text
        self.now_ms = now_ms
        self.tokens = tokens(text)
        self.at = 0
        self.terms = 0
        self.depth = 0

    def query(self) -> Query:
        found = None if self.here.shape is Shape.END or self.at_order() else self.either()
        order = self.order() if self.at_order() else Query().order
        if self.here.shape is not Shape.END:
            hint = "Join comparisons with and or or; put values with spaces in quotes."
            raise self.wrong(self.here, f"{self.here.shown} is not expected here.", hint)
        return Query(found, order)

    def either(self) -> Filter:
        parts = [self.both()]
        while self.take_keyword("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self) -> Filter:
        parts = [self.one()]
        while self.take_keyword("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def one(self) -> Filter:
        opening = self.here
        if not opening.is_keyword("not") and not opening.is_mark("("):
            return self.comparison()
        self.advance()
        self.deeper()
        found = Not(self.one()) if opening.is_keyword("not") else self.either()
        if opening.is_mark("("):
            self.expect(")", f"the parenthesis opened at position {opening.start + 1} is not closed")
        self.depth -= 1
        return found

    def comparison(self) -> Filter:
        first, after = self.here, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if first.shape not in (Shape.WORD, Shape.STRING) or first.is_keyword(*_KEYWORDS):
            raise self.wrong(first, f"A comparison is expected, not {first.shown}.", "For example: kind = adapter")
        if not self.compares(first, after):
            return self.lone(self.advance())
        field = self.field()
        negated = self.take_keyword("not")
        operator = self.operator(field, negated=negated)
        found = self.values(field, operator)
        return Not(found) if negated else found

    def compares(self, first: Token, after: Token) -> bool:
        """Whether a field begins here: an operator follows, or a quoted key and then an operator."""
        glued = first.text.endswith(".") and after.shape is Shape.STRING and after.start == first.end
        return glued or after.shape is Shape.OPERATOR or after.is_keyword("like", "in", "not")

    def lone(self, word: Token) -> Filter:
        """A word alone: ``retired``, or part of a name."""
        self.count_term()
        if word.is_keyword("retired"):
            return Compare(FieldName("retired"), Operator.EQ, True)
        family, dot, _ = word.text.partition(".")
        if word.shape is Shape.WORD and (word.text.lower() in FAMILIES or (dot and family.lower() in FAMILIES)):
            raise self.wrong(
                self.here, f"An operator is expected after {word.text}.", f"For example: {_example(family)}"
            )
        if wrong := re.search(r"[^A-Za-z0-9._%-]", word.text):
            hint = "Write namespace = risk and name = encoder." if wrong[0] == "/" else ""
            raise self.wrong(word, f"{word.shown} cannot be part of a model's name.", hint)
        if not word.text:
            raise self.wrong(word, "The word to search names for is empty.")
        escaped = word.text.replace("_", r"\_")
        pattern = word.text if "%" in word.text else f"%{escaped}%"
        return Compare(FieldName("name"), Operator.LIKE, pattern)

    def field(self) -> FieldName:
        token = self.advance()
        family, dot, key = token.text.partition(".")
        known = FAMILIES.get(family.lower()) if token.shape is Shape.WORD else None
        if known is None:
            raise self.wrong(token, f"There is no field {token.shown}.", _nearest(family))
        if dot and not known.keyed:
            raise self.wrong(token, f"{family} has no keys.", f"Write {family.lower()} alone.")
        if dot and not key and self.here.shape is Shape.STRING and self.here.start == token.end:
            key = self.advance().text
        if known.keyed and not key:
            raise self.wrong(token, f"{family} needs a key.", f"For example: {_example(family)}")
        if len(key) > KEY_CHARS:
            raise self.wrong(token, f"The key has {len(key)} characters; the limit is {KEY_CHARS}.")
        return FieldName(family.lower(), key)

    def operator(self, field: FieldName, *, negated: bool) -> Operator:
        token = self.advance()
        written = _OPERATORS.get(token.text, token.text.lower())
        if token.shape not in (Shape.OPERATOR, Shape.WORD) or written not in frozenset(Operator):
            raise self.wrong(token, f"An operator is expected after {_shown(field)}, not {token.shown}.")
        operator, allowed = Operator(written), FAMILIES[field.family].operators
        if negated and operator not in (Operator.LIKE, Operator.IN):
            raise self.wrong(token, f"'not' cannot stand before {written}.", "Put not before the whole comparison.")
        if operator not in allowed:
            hint = f"It takes {' '.join(op.value for op in Operator if op in allowed)}."
            if field.family == "params" and operator in ORDERED:
                hint += " Parameters are text; record what you compare by size as a metric."
            raise self.wrong(token, f"{_shown(field)} cannot be compared with {written}.", hint)
        return operator

    def values(self, field: FieldName, operator: Operator) -> Filter:
        first = self.here
        written = self.listed() if operator is Operator.IN else (self.value(field),)
        try:
            return FAMILIES[field.family].make(field, operator, written, self.now_ms)
        except WrongValue as error:
            values = self.tokens[self.tokens.index(first) : self.at]
            at = next((token for token in values if token.text == error.word), first)
            raise self.wrong(at, error.message, error.hint) from error

    def listed(self) -> tuple[str, ...]:
        self.expect("(", "a list in parentheses follows in")
        found = [self.value()]
        while self.here.is_mark(","):
            self.advance()
            found.append(self.value())
        self.expect(")", "a list ends with ')'")
        return tuple(found)

    def value(self, field: FieldName | None = None) -> str:
        token = self.advance()
        if token.shape not in (Shape.WORD, Shape.STRING):
            raise self.wrong(token, f"A value is expected, not {token.shown}.")
        if token.is_keyword(*_KEYWORDS):
            raise self.wrong(token, f"{token.shown} is a word of the language.", f"As a value, write '{token.text}'.")
        self.count_term()
        if field and field.family == "created" and token.shape is Shape.WORD and self.take_keyword("ago"):
            return f"{token.text} ago"
        return token.text

    def at_order(self) -> bool:
        return self.here.is_keyword("order") and self.tokens[self.at + 1].is_keyword("by")

    def order(self) -> Order:
        self.at += 2
        token = self.here
        field = self.field()
        if not FAMILIES[field.family].sortable:
            names = ", ".join(name + (".KEY" if f.keyed else "") for name, f in FAMILIES.items() if f.sortable)
            raise self.wrong(token, f"Versions cannot be ordered by {_shown(field)}.", f"Choose from {names}.")
        descending = self.take_keyword("desc")
        if not descending:
            self.take_keyword("asc")
        return Order(field, descending)

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def advance(self) -> Token:
        token = self.here
        if token.shape is not Shape.END:
            self.at += 1
        return token

    def take_keyword(self, word: str) -> bool:
        taken = self.here.is_keyword(word)
        self.at += taken
        return taken

    def expect(self, mark: str, why: str) -> None:
        token = self.advance()
        if not token.is_mark(mark):
            raise self.wrong(token, f"'{mark}' is expected, not {token.shown}: {why}.")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > FILTER_DEPTH:
            raise LimitExceeded(f"The filter is nested deeper than {FILTER_DEPTH}.", limit="FILTER_DEPTH")

    def count_term(self) -> None:
        self.terms += 1
        if self.terms > FILTER_TERMS:
            raise LimitExceeded(f"The filter has more than {FILTER_TERMS} terms.", limit="FILTER_TERMS")

    def wrong(self, token: Token, message: str, hint: str = "") -> BadFilter:
        return bad_filter(self.text, token.start, message, hint)


def _shown(field: FieldName) -> str:
    return f"{field.family}.{field.key[:80]}" if field.key else field.family


def _example(family: str) -> str:
    known = {"tags": "tags.team = risk", "metrics": "metrics.auc >= 0.9", "params": "params.epochs = 3"}
    others = {
        "kind": "kind = adapter",
        "stage": "stage = production",
        "created": "created > 7d ago",
        "size": "size > 1GB",
    }
    return (known | others).get(family.lower(), f"{family.lower()} = …")


def _nearest(word: str) -> str:
    if other := _OTHER_WORDS.get(word.lower()):
        return f"Did you mean {other}?"
    near = get_close_matches(word.lower(), FAMILIES, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}{'.KEY' if FAMILIES[near[0]].keyed else ''}?"
    return f"The fields are {', '.join(FAMILIES)}."
