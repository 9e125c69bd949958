"""Which old checkpoints may go: a proof needs none of them, and checking is as close with a few.

Of the last hour all stay; of the last thirty days the newest of each hour; before that the newest of each day. The
newest in a stretch that a witness signed stays, too, and so does the newest of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
HOURLY_FOR_MS: Final = 30 * DAY_MS


@dataclass(frozen=True, slots=True)
class Dated:
    """A checkpoint by its size, when it was made, and whether a witness signed it."""

    size: int
    at_ms: int
    witnessed: bool = False


def spare(checkpoints: Sequence[Dated], now_ms: int) -> list[int]:
    """The sizes of those that may go. They are given by size, and the last of them stays."""
    kept: dict[tuple[int, int, bool], int] = {}
    for each in checkpoints:
        age_ms = now_ms - each.at_ms
        if age_ms > HOUR_MS:
            span_ms = HOUR_MS if age_ms <= HOURLY_FOR_MS else DAY_MS
            kept[span_ms, each.at_ms // span_ms, each.witnessed] = each.size
    stay = {*kept.values(), *(each.size for each in checkpoints[-1:])}
    return [each.size for each in checkpoints if now_ms - each.at_ms > HOUR_MS and each.size not in stay]
