"""A part of a JSON answer by its path, and answers without what must not be kept.

A path is names and numbers: ``outputs[0].data``. What is redacted is a name wherever it stands: its value becomes a
mark, in both answers alike, so a redacted field is neither kept nor compared.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from budwood.domain.canon import Json
from budwood.domain.limits import COMPARED_DEPTH

REDACTED: Final = "[redacted]"
WITHHELD: Final = "[withheld: it is not JSON, so nothing in it can be redacted]"
PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}((\.[A-Za-z_][A-Za-z0-9_-]{0,63})|(\[[0-9]{1,6}\])){0,20}")
_STEP: Final = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Part:
    """A value that was found."""

    value: Json


def part_of(body: str, path: str) -> Part | str:
    """The value there, or why there is none."""
    try:
        value = parsed(body)
    except ValueError:
        return "it is not JSON"
    for name, number in _STEP.findall(path):
        if name and isinstance(value, dict) and name in value:
            value = value[name]
        elif number and isinstance(value, list) and int(number) < len(value):
            value = value[int(number)]
        else:
            return f"it has no {path}"
    return Part(value)


def parsed(body: str) -> Any:
    """JSON without NaN, and not nested deeper than ``COMPARED_DEPTH``. Raises ValueError."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value, COMPARED_DEPTH)
    return value


def redacted(body: str, names: Collection[str]) -> str:
    """The body with the values of these fields replaced; withheld where it cannot be looked into."""
    if not names or not body:
        return body
    try:
        value = parsed(body)
    except ValueError:
        return WITHHELD
    return json.dumps(_without(value, names), ensure_ascii=False, separators=(",", ":"))


def _without(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: REDACTED if name in names else _without(each, names) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, names) for each in value]
    return value


def _check_depth(value: Any, left: int) -> None:
    if left < 0:
        raise ValueError("too deep")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                _check_depth(each, left - 1)


def _no_constant(name: str) -> float:
    raise ValueError(name)
