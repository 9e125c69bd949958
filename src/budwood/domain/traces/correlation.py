"""How far two conditions hold for the same traces: normalized pointwise mutual information, from four counts.

-1: never for the same, 0: as chance would have it, 1: always for the same. NaN where a condition holds for none.
"""

import math
from dataclasses import dataclass
from typing import Final

_PRIOR: Final = 0.5
"""Jeffreys': what is added to each of the four cells, so that few traces prove little."""


@dataclass(frozen=True, slots=True)
class Counts:
    """For how many traces each condition holds, both, and how many there are."""

    first: int
    second: int
    both: int
    total: int


def plain(counts: Counts) -> float:
    """Of the counts as they are."""
    if not _is_defined(counts):
        return math.nan
    return -1.0 if counts.both == 0 else _npmi(counts, 0.0)


def smoothed(counts: Counts) -> float:
    """With Jeffreys' prior."""
    return _npmi(counts, _PRIOR) if _is_defined(counts) else math.nan


def _is_defined(counts: Counts) -> bool:
    neither = counts.total - counts.first - counts.second + counts.both
    fits = counts.both <= min(counts.first, counts.second) and neither >= 0
    return counts.first > 0 and counts.second > 0 and fits


def _npmi(counts: Counts, prior: float) -> float:
    if counts.first == counts.second == counts.both == counts.total:
        return 1.0
    both = counts.both + prior
    first, second = counts.first + 2 * prior, counts.second + 2 * prior
    total = counts.total + 4 * prior
    mutual = math.log(both) + math.log(total) - math.log(first) - math.log(second)
    return max(-1.0, min(1.0, mutual / (math.log(total) - math.log(both))))
