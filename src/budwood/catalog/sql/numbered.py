"""Values by number, as databases know them best: ``%(name)s``, which the compiler writes, becomes ``?1`` or ``$1``.

A driver that is given names asks SQLite for each name of each statement, and lets other threads go first each time; a
value that stands twice must have one number, or the planner does not see that both are the same.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_VALUE: Final = re.compile(r"%%|%\(([^)]+)\)s")


class Numbered(NamedTuple):
    """``names`` are those of the values, the first's first."""

    sql: str
    names: Sequence[str]


def by_number(sql: str, sign: str) -> Numbered:
    """``sign`` is what the database writes before a number."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        return f"{sign}{numbers.setdefault(name, len(numbers) + 1)}" if name else "%"

    return Numbered(_VALUE.sub(numbered, sql), tuple(numbers))
