"""Values by number, as databases know them best: ``%(name)s``, which the compiler writes, becomes ``?1`` or ``$1``.

A driver that is given names asks SQLite for each name of each statement, and lets other threads go first each time; a
value that stands twice must have one number, or the planner does not see that both are the same.
"""

import re
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

_VALUE: Final = re.compile(r"%%|%\(([^)]+)\)s")
_TAKES_NUMBERS: Final = not (3, 12) <= sys.version_info < (3, 12, 4)
"""Python's driver of SQLite does, but for a few releases that take a number for a name, and warn each time."""


class Numbered(NamedTuple):
    """``names`` are those of the values, the first's first; none where the driver is given values by name."""

    sql: str
    names: Sequence[str]


def by_number(sql: str, sign: str) -> Numbered:
    """``sign`` is what the database writes before a number."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        return f"{sign}{numbers.setdefault(name, len(numbers) + 1)}" if name else "%"

    return Numbered(_VALUE.sub(numbered, sql), tuple(numbers))


def for_sqlite(sql: str) -> Numbered:
    """As this Python's driver takes values without complaint."""
    return by_number(sql, "?") if _TAKES_NUMBERS else by_name(sql)


def by_name(sql: str) -> Numbered:
    """``:name``."""
    return Numbered(_VALUE.sub(lambda found: f":{found[1]}" if found[1] else "%", sql), ())
