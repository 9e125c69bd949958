"""Figures of one column as its values go by: how many, how many none, least, most, mean, how many different.

The memory a column takes does not grow with its rows. Different values are counted exactly up to ``DISTINCT_EXACT``;
beyond, from the smallest of their hashes (the k-th smallest of n hashes lies near k/n of the way). What a text says
is not kept: a column of e-mail addresses must not end up in a record that stays for ever. Its lengths are.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Final

from budwood.domain.dataset import Column, ColumnStatistics
from budwood.domain.limits import DISTINCT_EXACT

_HASHES: Final = 1 << 64
_PATTERNS: Final = {
    "boolean": re.compile(r"(?i:true|false)"),
    # No leading zeros (a postcode is no number), and no more digits than 64 bits hold.
    "integer": re.compile(r"-?(?:0|[1-9][0-9]{0,17})"),
    "number": re.compile(r"[+-]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"),
    "date": re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"),
    "timestamp": re.compile(
        r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?Z?"
    ),
}
"""What a text may be besides a text, the narrowest first. Every value of a column must fit."""


class Tally:
    """One column. Feed it texts (a CSV) or typed values (a database), never both."""

    def __init__(self) -> None:
        self._count = 0
        self._nulls = 0
        self._fits = list(_PATTERNS)
        self._types: set[str] = set()
        self._sum = 0.0
        self._numbers = 0
        self._least: object = None
        self._most: object = None
        self._shortest: int | None = None
        self._longest = 0
        self._distinct = _Distinct()

    def add_texts(self, texts: Sequence[str]) -> None:
        """Values of a file without types; an empty one is none."""
        counted = Counter(texts)
        self._nulls += counted.pop("", 0)
        if not counted:
            return
        self._count += counted.total()
        self._distinct.add(text.encode("utf-8", "surrogatepass") for text in counted)
        lengths = [len(text) for text in counted]
        self._widen_lengths(min(lengths), max(lengths))
        self._fits = [word for word in self._fits if all(map(_PATTERNS[word].fullmatch, counted))]
        if "number" in self._fits or "integer" in self._fits:
            self._add_number_texts(counted)
        elif self._fits:
            self._widen([min(counted), max(counted)])

    def add_values(self, values: Sequence[object]) -> None:
        """Values as a database gives them; None is none."""
        present = [value for value in values if value is not None]
        self._nulls += len(values) - len(present)
        self._count += len(present)
        self._types |= {word_of(value) for value in present}
        self._distinct.add(repr(value).encode("utf-8", "surrogatepass") for value in set(map(_hashable, present)))
        texts = [len(value) for value in present if isinstance(value, str | bytes)]
        if texts:
            self._widen_lengths(min(texts), max(texts))
        if len(self._types) == 1 or self._types <= {"integer", "number"}:
            self._widen([value for value in present if _is_ordered(value)])
        numbers = [_float(value) for value in present if isinstance(value, int | float | Decimal) and _is_finite(value)]
        self._numbers += len(numbers)
        self._sum += _total(numbers)

    def column(self, name: str) -> Column:
        """What it is, now that all values went by."""
        return Column(name, self._word(), nullable=self._nulls > 0)

    def statistics(self, name: str) -> ColumnStatistics:
        """Its figures, now that all values went by."""
        word = self._word()
        is_text = word in ("text", "bytes")
        low, high = (self._shortest, self._longest) if is_text else (self._least, self._most)
        kept = self._count > 0 and word not in ("mixed", "empty", "json")
        mean = self._sum / self._numbers if self._numbers and word in ("integer", "number", "decimal") else None
        return ColumnStatistics(
            name,
            count=self._count,
            nulls=self._nulls,
            least=text_of(low) if kept else "",
            most=text_of(high) if kept else "",
            # So many digits do not depend on the order of the rows.
            mean=float(f"{mean:.12g}") if mean is not None and math.isfinite(mean) else None,
            distinct=self._distinct.estimate(),
        )

    def _word(self) -> str:
        if self._count == 0:
            return "empty"
        if self._types:
            if len(self._types) == 1:
                return next(iter(self._types))
            return "number" if self._types == {"integer", "number"} else "mixed"
        return self._fits[0] if self._fits else "text"

    def _add_number_texts(self, counted: Counter[str]) -> None:
        whole = "integer" in self._fits
        values = {text: int(text) if whole else float(text) for text in counted}
        self._widen(list(values.values()))
        self._numbers += counted.total()
        self._sum += _total([values[text] * times for text, times in counted.items()])

    def _widen(self, values: Sequence[object]) -> None:
        bounds = [bound for bound in (self._least, self._most) if bound is not None]
        if not values:
            return
        try:
            self._least, self._most = min([*bounds, *values]), max([*bounds, *values])  # type: ignore[type-var]
        except TypeError:
            # Moments with and without a zone have no order between them.
            self._types.add("mixed")

    def _widen_lengths(self, low: int, high: int) -> None:
        self._shortest = low if self._shortest is None else min(self._shortest, low)
        self._longest = max(self._longest, high)


def word_of(value: object) -> str:
    """What a value of a database is called."""
    for kind, word in _WORDS:
        if isinstance(value, kind):
            return word
    return type(value).__name__.lower()


def text_of(value: object) -> str:
    """A figure as text; moments as ISO 8601."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return "" if value is None else str(value)


class _Distinct:
    """The smallest hashes seen: all of them while they are few."""

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._below = _HASHES

    def add(self, values: Iterable[bytes]) -> None:
        below, kept = self._below, self._kept
        for value in values:
            number = int.from_bytes(blake2b(value, digest_size=8).digest(), "big")
            if number < below:
                kept.add(number)
        if len(kept) > 2 * DISTINCT_EXACT:
            self._shrink()

    def estimate(self) -> int:
        if len(self._kept) > DISTINCT_EXACT:
            self._shrink()
        if self._below == _HASHES:
            return len(self._kept)
        return round((DISTINCT_EXACT - 1) * _HASHES / max(1, max(self._kept)))

    def _shrink(self) -> None:
        self._kept = set(sorted(self._kept)[:DISTINCT_EXACT])
        self._below = max(self._kept)


def _total(numbers: Sequence[float]) -> float:
    try:
        return math.fsum(numbers)
    except OverflowError:
        return math.inf


def _float(value: int | float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_ordered(value: object) -> bool:
    if isinstance(value, float | Decimal):
        return _is_finite(value)
    return isinstance(value, int | date | datetime | time | timedelta) and not isinstance(value, bool)


def _is_finite(value: int | float | Decimal) -> bool:
    if isinstance(value, bool):
        return False
    return value.is_finite() if isinstance(value, Decimal) else not isinstance(value, float) or math.isfinite(value)


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, list | dict | bytearray | memoryview) else value


_WORDS: Final[Sequence[tuple[type | tuple[type, ...], str]]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (Decimal, "decimal"),
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    (datetime, "timestamp"),
    (date, "date"),
    (time, "time"),
    (timedelta, "duration"),
    ((list, tuple, dict), "json"),
)
