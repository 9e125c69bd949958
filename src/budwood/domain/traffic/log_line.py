"""What lines of a gateway have in common: a JSON object each, and fields read strictly.

Whoever sends requests writes parts of them, so a field that is not what it should be is none.
"""

import json
import math
import re
from typing import Any, Final

REQUEST_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOST: Final = 1 << 53


def line_of(content: bytes, most: int) -> dict[str, Any] | None:
    """The object; None where it is none, or longer than ``most`` bytes."""
    if len(content) > most:
        return None
    try:
        said = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def number_in(said: dict[str, Any], name: str) -> float | None:
    """From 0, exact as a double; gateways write some numbers as text. None where there is none."""
    value = said.get(name)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if 0 <= value < _MOST else None


def text_in(said: dict[str, Any], name: str) -> str:
    """Empty where there is none."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _no_constant(name: str) -> float:
    raise ValueError(name)
