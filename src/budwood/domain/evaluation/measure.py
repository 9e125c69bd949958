"""Metrics and how sure they are, each by a method that is named.

``wilson``   a share of examples: Wilson's score interval (E. B. Wilson, 1927).
``bootstrap``  a mean: the percentiles of means of resamples, drawn by a seed that is kept.
``normal``   a mean of more than ``NORMAL_FROM`` examples, where the bootstrap comes to the same and takes long.
``given``    the evaluation said so itself.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.evaluation.results import Count, Results
from budwood.domain.policy.evidence import Interval

LEVEL: Final = 0.95
RESAMPLES: Final = 2_000
NORMAL_FROM: Final = 20_000
_Z: Final = 1.959963984540054
"""Of the normal distribution, 95 % lie within so many standard deviations."""

Resample = Callable[[Sequence[float], int], Sequence[float]]
"""The means of so many resamples of the values: chance is passed in."""


def measured(results: Results) -> dict[str, float]:
    """Every metric's value, by name."""
    means = {name: mean(values) for name, values in results.columns.items()}
    shares = {name: count.hits / count.of for name, count in results.counts.items()}
    return dict(sorted({**means, **shares, **results.metrics}.items()))


def intervals(results: Results, resample: Resample) -> dict[str, Interval]:
    """Those that can be told, by name."""
    return dict(sorted(_intervals(results, resample)))


def mean(values: Sequence[float]) -> float:
    """Exactly rounded, so that it is the same in any order."""
    return math.fsum(values) / len(values)


def mean_interval(values: Sequence[float], resample: Resample) -> Interval | None:
    """None for a single value."""
    count = len(values)
    if count < 2:
        return None
    if count > NORMAL_FROM:
        middle = mean(values)
        spread = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1))
        half = _Z * spread / math.sqrt(count)
        return Interval(middle - half, middle + half, LEVEL, "normal")
    means = sorted(resample(values, RESAMPLES))
    return Interval(_quantile(means, (1 - LEVEL) / 2), _quantile(means, (1 + LEVEL) / 2), LEVEL, "bootstrap")


def wilson(count: Count) -> Interval:
    """Of a share; it never leaves 0 to 1, and is no point where all or none were hits."""
    n, share, z2 = count.of, count.hits / count.of, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if count.hits == 0 else max(0.0, middle - half)
    high = 1.0 if count.hits == n else min(1.0, middle + half)
    return Interval(low, high, LEVEL, "wilson")


def _intervals(results: Results, resample: Resample) -> Iterator[tuple[str, Interval]]:
    for name, values in results.columns.items():
        if name in results.shares:
            yield name, wilson(Count(int(sum(values)), len(values)))
        elif found := mean_interval(values, resample):
            yield name, found
    for name, count in results.counts.items():
        yield name, wilson(count)
    for name, (low, high) in results.bounds.items():
        yield name, Interval(low, high, LEVEL, "given")


def _quantile(ordered: Sequence[float], at: float) -> float:
    """Between the two nearest, as most libraries do by default."""
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def methods(found: Mapping[str, Interval]) -> tuple[str, ...]:
    """Which were used, by name."""
    return tuple(sorted({each.method for each in found.values() if each.method}))
