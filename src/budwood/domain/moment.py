"""Moments as people write them, and as milliseconds since the epoch, UTC.

One form for references and filters: ``2026-11-05``, ``2026-11-05T14:30Z``, with seconds, up to three
decimals, or an offset (``+01:00``). A bare date is the first moment of that day, UTC. A time without
a zone is not a moment: it would mean something else on each machine.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last moment that can be written with four digits of year."""

_MOMENT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,3}))?)?([Zz]|[+-][0-9]{2}:?[0-9]{2}))?"
)
_DATE_LIKE: Final = re.compile(r"[0-9]{4}-[0-9]{2}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_moment(text: str) -> int | None:
    """Milliseconds since the epoch; None when ``text`` is no moment from 1970 to 9999."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, decimals, zone = found.groups()
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return None
    offset_ms = _offset_ms(zone or "Z")
    if offset_ms is None:
        return None
    at_ms = (local - _EPOCH) // timedelta(milliseconds=1) + int((decimals or "0").ljust(3, "0")) - offset_ms
    return at_ms if 0 <= at_ms <= _LAST_MS else None


def moment_text(at_ms: int) -> str:
    """The shortest form that ``parse_moment`` gives back: ``2026-11-05T14:30Z``."""
    whole, rest_ms = divmod(at_ms, 1000)
    moment = _EPOCH + timedelta(seconds=whole)
    text = f"{moment:%Y-%m-%dT%H:%M}"
    if rest_ms:
        return f"{text}:{moment.second:02}.{rest_ms:03}Z"
    return f"{text}:{moment.second:02}Z" if moment.second else f"{text}Z"


def is_bare_date(text: str) -> bool:
    """Whether only a day was written, not a time of day."""
    return _DATE.fullmatch(text) is not None


def looks_like_moment(text: str) -> bool:
    """Whether it begins as a date does, so that the error can speak of dates."""
    return _DATE_LIKE.match(text) is not None


def _offset_ms(zone: str) -> int | None:
    if zone in ("Z", "z"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * 60_000 * (-1 if zone[0] == "-" else 1)
