"""Reading the fields of a request, with MLflow's own words for what is missing or of another kind.

Fields come as JSON of its messages: whole numbers as numbers or as text, numbers that are none as "NaN" or
"Infinity"; in an address all is text, and a field that may stand several times is one text when it stands once.
``at`` is where the fields are, for those inside others.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.errors import BadValue

Values = Mapping[str, Json]
INT64_MOST: Final = (1 << 63) - 1
_NO_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_SHOWN_CHARS: Final = 500


def within(field: str, at: int) -> str:
    """How mistakes name what is inside one of several: ``metrics[0].``"""
    return f"{field}[{at}]."


def missing(field: str) -> BadValue:
    """For a field that must be given."""
    return BadValue(
        f"Missing value for required parameter '{field}'. See the API docs for more information about request "
        "parameters."
    )


def wrong(field: str, value: object, reason: str = "") -> BadValue:
    """For a value that a field cannot have."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)[:_SHOWN_CHARS]
    return BadValue(f"Invalid value {shown} for parameter '{field}' supplied" + (f": {reason}" if reason else "."))


def text(values: Values, field: str, default: str = "", *, at: str = "") -> str:
    """A text that may be missing. Raises BadValue."""
    value = values.get(field)
    if value is None:
        return default
    if not isinstance(value, str):
        raise wrong(at + field, value, "It is no text.")
    return value


def needed(values: Values, field: str, *, at: str = "") -> str:
    """A text that must be there, and not be empty. Raises BadValue."""
    value = text(values, field, at=at)
    if not value:
        raise missing(at + field)
    return value


def whole(values: Values, field: str, default: int = 0, *, at: str = "") -> int:
    """A whole number of 64 bits. Raises BadValue."""
    value = values.get(field)
    if value is None:
        return default
    match value:
        case bool():
            number = None
        case int():
            number = value
        case float() if value.is_integer():
            number = int(value)
        case str() if _WHOLE.fullmatch(value):
            number = int(value)
        case _:
            number = None
    if number is None or not -INT64_MOST - 1 <= number <= INT64_MOST:
        raise wrong(at + field, value, "It is no whole number of 64 bits.")
    return number


def between(values: Values, field: str, default: int, least: int, most: int) -> int:
    """A whole number with bounds. Raises BadValue."""
    number = whole(values, field, default)
    if not least <= number <= most:
        raise wrong(field, number, f"It must be at least {least} and at most {most}.")
    return number


def real(values: Values, field: str, *, at: str = "") -> float:
    """A number that must be there; it may be none, or infinite. Raises BadValue."""
    value = values.get(field)
    if value is None:
        raise missing(at + field)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _as_float(at + field, value)
    if isinstance(value, str):
        try:
            return _NO_NUMBERS[value] if value in _NO_NUMBERS else float(value)
        except ValueError:
            pass
    raise wrong(at + field, value, "It is no number.")


def flag(values: Values, field: str, *, default: bool = False) -> bool:
    """True or false. Raises BadValue."""
    value = values.get(field)
    if value is None:
        return default
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise wrong(field, value, "It is neither true nor false.")
    return value


def texts(values: Values, field: str) -> tuple[str, ...]:
    """Several texts. Raises BadValue."""
    value = values.get(field)
    if value is None:
        return ()
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, Sequence):
        raise wrong(field, value, "It is no list.")
    for each in several:
        if not isinstance(each, str):
            raise wrong(field, value, "It is no list of texts.")
    return tuple(str(each) for each in several)


def objects(values: Values, field: str) -> tuple[Values, ...]:
    """Several objects. Raises BadValue."""
    value = values.get(field)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise wrong(field, value, "It is no list.")
    for at, each in enumerate(value):
        if not isinstance(each, Mapping):
            raise wrong(f"{field}[{at}]", each, "It is no object.")
    return tuple(each for each in value if isinstance(each, Mapping))


def inner(values: Values, field: str) -> Values | None:
    """An object; None when there is none. Raises BadValue."""
    value = values.get(field)
    if value is not None and not isinstance(value, Mapping):
        raise wrong(field, value, "It is no object.")
    return value


def shown(number: float) -> Json:
    """A number as an answer carries it."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def filled(**fields: Json) -> dict[str, Json]:
    """An answer without the fields that are empty."""
    return {field: value for field, value in fields.items() if value not in (None, "", (), [], {})}


def _as_float(field: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise wrong(field, value, "It is too large.") from error
