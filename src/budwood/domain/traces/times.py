"""Times and durations as MLflow's messages write them: texts of Protocol Buffers, such as ``2026-01-02T03:04:05.678Z``
and ``1.500s``. Here they are milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")


def time_read(written: str) -> int:
    """Milliseconds since the epoch. Raises ValueError for what is no time."""
    match = _TIME.fullmatch(written)
    if match is None:
        raise ValueError(written[:100])
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        return (moment - _EPOCH) // timedelta(milliseconds=1) + int((match[2] or "").ljust(3, "0")[:3])
    except OverflowError as error:
        raise ValueError(written[:100]) from error


def duration_read(written: str) -> int:
    """Milliseconds. Raises ValueError for what is no duration."""
    match = _DURATION.fullmatch(written)
    if match is None:
        raise ValueError(written[:100])
    length_ms = int(match[2]) * 1000 + int((match[3] or "").ljust(3, "0")[:3])
    return -length_ms if match[1] else length_ms


def time_written(at_ms: int) -> str:
    """The years are 1 to 9999."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.strftime("%Y").rjust(4, "0") + moment.strftime("-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def duration_written(length_ms: int) -> str:
    """With a sign where it is below zero."""
    seconds, rest = divmod(abs(length_ms), 1000)
    return f"{'-' if length_ms < 0 else ''}{seconds}.{rest:03d}s"
