"""Observations as they are sent: one mapping each, read strictly. One that is none is counted and says nothing.

``{"metric": "bought", "user": "u-17", "value": 1, "at": 1700000000000, "fields": {"land": "de"}}``, or with the
``request`` of an answer instead of a user. ``at`` is milliseconds since the epoch and may be left out: now.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from budwood.domain.limits import KEY_CHARS, OBSERVATION_FIELDS
from budwood.domain.traffic.hashing import xxh64
from budwood.domain.traffic.log_line import REQUEST_ID

_KNOWN: Final = frozenset({"metric", "user", "request", "value", "at", "fields"})
_LARGEST: Final = 1e15
_AHEAD_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Said:
    """One observation, of a user or of a request."""

    metric: str
    at_ms: int
    value: float
    user: str = ""
    request: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was read, in order, and how many were none."""

    said: tuple[Said, ...]
    garbled: int = 0


def read_observations(lines: Iterable[str], now_ms: int) -> Heard:
    """Of JSON texts."""
    read = [_read(line, now_ms) for line in lines]
    return Heard(tuple(each for each in read if each is not None), sum(each is None for each in read))


def unit_of(salt: str, user: str) -> str:
    """What stands for a user where their name must not be kept. Its remainder by 10,000 is their bucket."""
    return f"{xxh64(f'{salt}:{user}'.encode()):016x}"


def _read(line: str, now_ms: int) -> Said | None:
    try:
        given = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or not given.keys() <= _KNOWN or ("user" in given) == ("request" in given):
        return None
    metric, value, at_ms = given.get("metric"), given.get("value", 1), given.get("at", now_ms)
    user, request = given.get("user", ""), given.get("request", "")
    fields = _fields(given.get("fields", {}))
    if not isinstance(metric, str) or not _is_word(metric) or not _is_number(value) or fields is None:
        return None
    if not isinstance(at_ms, int) or isinstance(at_ms, bool) or not 0 < at_ms <= now_ms + _AHEAD_MS:
        return None
    if not isinstance(user, str) or not isinstance(request, str) or len(user) > 4 * KEY_CHARS:
        return None
    if not user and not REQUEST_ID.fullmatch(request):
        return None
    try:
        user.encode()
    except UnicodeEncodeError:
        return None
    return Said(metric, at_ms, float(value), user, request, fields)


def _fields(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict) or len(value) > OBSERVATION_FIELDS:
        return None
    if not all(_is_word(name) and (_is_word(each) or each == "") for name, each in value.items()):
        return None
    return dict(value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= KEY_CHARS and value.isprintable()


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= _LARGEST if isinstance(value, float) else abs(value) <= _LARGEST


def _no_constant(name: str) -> float:
    raise ValueError(name)
