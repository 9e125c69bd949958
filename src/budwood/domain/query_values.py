"""What each field of the search language may be compared with, and how what was written becomes a value.

Each function takes the field, the operator and the words written, and gives a Filter of plain comparisons
the catalog can bind. Where one comparison means several (a list of numbers, a whole day, the beginning of a
digest) it is spelled out here, so that the catalog stays simple.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.label import Label
from budwood.domain.moment import DAY_MS, is_bare_date, parse_moment
from budwood.domain.names import Kind, Stage
from budwood.domain.query import And, Compare, FieldName, Filter, Not, Operator, Or, Value
from budwood.errors import BadLabel

_UNITS: Final = {"": 1, "b": 1} | {
    f"{letter}{tail}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for tail, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_AGO_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_COUNT_MAX: Final = 2**63 - 1

ORDERED: Final = frozenset({Operator.EQ, Operator.NE, Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_TEXT: Final = frozenset({Operator.EQ, Operator.NE, Operator.LIKE, Operator.IN})


class WrongValue(Exception):
    """Inside the parser only: what is wrong with ``word``; the parser adds the place."""

    def __init__(self, word: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.message = message
        self.hint = hint


Maker = Callable[[FieldName, Operator, tuple[str, ...], int], Filter]
"""(field, operator, what was written, now in milliseconds) → filter. Raises WrongValue."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of fields: the operators it takes, how values are made, whether results can be ordered by it."""

    make: Maker
    operators: frozenset[Operator]
    keyed: bool = False
    sortable: bool = False


def _text(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    word = written[0]
    if operator is Operator.LIKE and (len(word) - len(word.rstrip("\\"))) % 2:
        raise WrongValue(
            word, "The pattern ends in a lone backslash.", r"Write \\ for a backslash; \% and \_ are themselves."
        )
    value: Value = written if operator is Operator.IN else word
    return Compare(field, operator, value)


def _one_of(words: type[StrEnum]) -> Maker:
    def make(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
        for word in written:
            if word not in frozenset(words):
                raise WrongValue(word, f"{word[:80]!r} is no {field.family}.", f"Choose from {', '.join(words)}.")
        return _text(field, operator, written, now_ms)

    return make


def _alias(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    for word in written:
        if word in frozenset(Stage):
            raise WrongValue(word, f"{word!r} is a stage, not an alias.", f"Write stage = {word}.")
    return _text(field, operator, written, now_ms)


def _label(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    if operator is Operator.LIKE:
        return _text(field, operator, written, now_ms)
    try:
        return Compare(field, operator, str(Label.parse(written[0])))
    except BadLabel as error:
        raise WrongValue(written[0], error.message, error.hint) from error


def _hex(digits: int) -> Maker:
    """Equal means: begins with. People copy the short form."""

    def make(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
        if operator is Operator.LIKE:
            return _text(field, operator, written, now_ms)
        found = _any_of(tuple(_hex_compare(field, word, digits) for word in written))
        return Not(found) if operator is Operator.NE else found

    return make


def _hex_compare(field: FieldName, word: str, digits: int) -> Filter:
    prefix = word.lower().removeprefix("sha256:").removeprefix("git:")
    if not re.fullmatch(r"[0-9a-f]+", prefix) or len(prefix) > digits:
        raise WrongValue(word, f"{word[:80]!r} is no {field.family}.", f"Write up to {digits} hexadecimal digits.")
    if len(prefix) == digits:
        return Compare(field, Operator.EQ, prefix)
    return Compare(field, Operator.LIKE, f"{prefix}%")


def _count(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    counts = [_whole(field, word) for word in written]
    if operator is Operator.IN:
        return _any_of(tuple(Compare(field, Operator.EQ, count) for count in counts))
    return Compare(field, operator, counts[0])


def _whole(field: FieldName, word: str) -> int:
    if field.family == "number":
        word = word.lower().removeprefix("v")
    found = re.fullmatch(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)([a-zA-Z]*)", word)
    units = _UNITS if field.family == "size" else {"": 1}
    scale = units.get(found[2].lower(), 0) if found else 0
    if found is None or not scale or ("." in found[1] and scale == 1):
        kind, example = ("a size", "100MB or 2GiB") if field.family == "size" else ("a whole number", "7")
        raise WrongValue(word, f"{word[:80]!r} is not {kind}.", f"Write {kind} such as {example}.")
    whole, _, decimals = found[1].partition(".")
    count: int = int(whole) * scale + int(decimals or 0) * scale // 10 ** len(decimals)
    if count > _COUNT_MAX:
        raise WrongValue(word, f"{word!r} is larger than any {field.family}.")
    return count


def _metric(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    word = written[0]
    value = float(word) if _NUMBER.fullmatch(word) else math.nan
    if not math.isfinite(value):
        raise WrongValue(
            word, f"Metrics are numbers; {word[:80]!r} is not a finite one.", "Write a number such as 0.9 or 1e-4."
        )
    return Compare(field, operator, value)


def _truth(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    known = {"true": True, "false": False, "yes": True, "no": False}
    value = known.get(written[0].lower())
    if value is None:
        raise WrongValue(written[0], f"{field.family} is true or false, not {written[0][:80]!r}.")
    return Compare(field, Operator.EQ, value if operator is Operator.EQ else not value)


def _created(field: FieldName, operator: Operator, written: tuple[str, ...], now_ms: int) -> Filter:
    word = written[0]
    at_ms = _moment(word, now_ms)
    if not is_bare_date(word) or operator not in (Operator.EQ, Operator.NE):
        return Compare(field, operator, at_ms)
    day = And((Compare(field, Operator.GE, at_ms), Compare(field, Operator.LT, at_ms + DAY_MS)))
    return Not(day) if operator is Operator.NE else day


def _moment(word: str, now_ms: int) -> int:
    if word.lower() == "now":
        return now_ms
    if found := re.fullmatch(r"(?:-([0-9]{1,6})([smhdw])|([0-9]{1,6})([smhdw])\s+ago)", word.lower()):
        count, unit = found[1] or found[3], found[2] or found[4]
        return max(0, now_ms - int(count) * _AGO_MS[unit])
    at_ms = parse_moment(word.replace(" ", "T", 1))
    if at_ms is None:
        hint = "Write 2026-11-05, 2026-11-05T14:30Z, 7d ago or -7d (units s, m, h, d, w)."
        raise WrongValue(word, f"{word[:80]!r} is not a date or time.", hint)
    return at_ms


def _any_of(parts: tuple[Filter, ...]) -> Filter:
    return parts[0] if len(parts) == 1 else Or(parts)


_CHOICE: Final = frozenset({Operator.EQ, Operator.NE, Operator.IN})
_EQUAL: Final = frozenset({Operator.EQ, Operator.NE})

FAMILIES: Final[Mapping[str, Family]] = {
    "name": Family(_text, _TEXT, sortable=True),
    "namespace": Family(_text, _TEXT, sortable=True),
    "kind": Family(_one_of(Kind), _CHOICE, sortable=True),
    "stage": Family(_one_of(Stage), _CHOICE, sortable=True),
    "label": Family(_label, frozenset({Operator.EQ, Operator.LIKE})),
    "author": Family(_text, _TEXT, sortable=True),
    "message": Family(_text, _TEXT),
    "created": Family(_created, ORDERED, sortable=True),
    "number": Family(_count, ORDERED | {Operator.IN}, sortable=True),
    "size": Family(_count, ORDERED | {Operator.IN}, sortable=True),
    "commit": Family(_hex(40), _TEXT),
    "digest": Family(_hex(64), _TEXT),
    "alias": Family(_alias, _TEXT),
    "retired": Family(_truth, _EQUAL),
    "tags": Family(_text, _TEXT, keyed=True),
    "metrics": Family(_metric, ORDERED, keyed=True, sortable=True),
    "params": Family(_text, _TEXT, keyed=True),
}
"""Every family of fields, in the order the help lists them."""
