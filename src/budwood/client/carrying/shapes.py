"""Reading fields of what a stranger sent: of the wrong kind is refused, too long is refused, missing is empty."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from budwood.domain.carrying.records import Measured, Point
from budwood.domain.limits import CARRIED_KEYS, CARRIED_TEXT_BYTES
from budwood.domain.tracking.checks import GREATEST
from budwood.errors import LimitExceeded, Malformed

Fields = Mapping[str, Any]
MOST: Final = (1 << 63) - 1
STATUSES: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
LOGGED_STATUSES: Final = {
    0: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}


def text(fields: Fields, name: str, default: str = "") -> str:
    """Numbers count as text: ids come as either. Raises Malformed, LimitExceeded."""
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool | dict | list):
        raise Malformed(f"The source says {name!r} with something that is no text.")
    said = value if isinstance(value, str) else str(value)
    if len(said) > CARRIED_TEXT_BYTES:
        raise LimitExceeded(f"The source says {name!r} with {len(said)} characters.", limit="CARRIED_TEXT_BYTES")
    return said


def whole(fields: Fields, name: str, default: int = 0) -> int:
    """Raises Malformed."""
    value = fields.get(name)
    if value is None:
        return default
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"The source says {name!r} with something that is no whole number.") from error
    if not -MOST <= number <= MOST:
        raise Malformed(f"The source says {name!r} with a number of more than 64 bits.")
    return number


def real(fields: Fields, name: str) -> float:
    """Infinite ones as databases keep them. Raises Malformed."""
    value = fields.get(name, 0.0)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"The source says {name!r} with something that is no number.") from error
    return math.copysign(GREATEST, number) if math.isinf(number) else number


def point(fields: Fields) -> Point:
    return Point.of(whole(fields, "timestamp"), whole(fields, "step"), real(fields, "value"))


def objects(fields: Fields, name: str) -> list[Fields]:
    """Raises Malformed, LimitExceeded."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Malformed(f"The source says {name!r} with something that is no list of objects.")
    if len(value) > CARRIED_KEYS:
        raise LimitExceeded(f"The source says {len(value)} of {name!r} at once.", limit="CARRIED_KEYS")
    return value


def inner(fields: Fields, name: str) -> Fields:
    """Raises Malformed."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"The source says {name!r} with something that is no object.")
    return value


def pairs(fields: Fields, name: str) -> dict[str, str]:
    """Tags or parameters. Raises Malformed, LimitExceeded."""
    return {text(each, "key"): text(each, "value") for each in objects(fields, name)}


def status(value: object) -> str:
    """A run's, as a word or as an old store's number."""
    return STATUSES.get(value, str(value)) if isinstance(value, int) else str(value or "FINISHED")


def logged_status(value: object) -> str:
    """The same of a logged model."""
    if isinstance(value, int):
        return LOGGED_STATUSES.get(value, LOGGED_STATUSES[0])
    said = str(value or LOGGED_STATUSES[0])
    return said if said.startswith("LOGGED_MODEL_") else f"LOGGED_MODEL_{said}"


def logged_in(source: str) -> str:
    """The logged model that a version was registered from; servers forget it."""
    return source.removeprefix("models:/").strip("/") if source.startswith("models:/m-") else ""


def newest(measured: Sequence[Measured]) -> tuple[Measured, ...]:
    """Of each metric, run and data set the value of the highest step, then time."""
    found: dict[tuple[str, str, tuple[str, str]], Measured] = {}
    for each in sorted(measured, key=lambda one: (one.point.step, one.point.at_ms, one.point.value)):
        found[each.run, each.key, each.dataset] = each
    return tuple(found[key] for key in sorted(found))
