"""Two evaluations on the same data compared, metric by metric: the candidate's minus the champion's.

Where both say the same examples by their ids, each example is compared with itself (a paired bootstrap): what is hard
for both then hides no difference. Elsewhere the two intervals are put together (MOVER; for shares that is Newcombe's
interval), which is wider. A verdict needs an interval that leaves out zero; otherwise nobody knows.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain.evaluation.measure import LEVEL, Resample, mean_interval
from budwood.domain.evaluation.results import Results
from budwood.domain.policy.evidence import Interval, Outcome

_LESS: Final = frozenset(
    {
        *("loss", "error", "errors", "err", "rmse", "mae", "mse", "mape", "brier", "ece", "wer", "cer", "fpr", "fnr"),
        *("perplexity", "ppl", "latency", "duration", "time", "seconds", "ms", "cost", "bytes", "memory", "failures"),
        *("hallucination", "hallucinations", "toxicity", "gap", "disparity", "divergence", "distance"),
    }
)


class Judged(StrEnum):
    """Of one metric."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Side:
    """What one of them measured. ``results`` are there when each example was kept."""

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    results: Results | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric of both. ``low`` and ``high`` bound the difference; None where nobody can say. ``method`` is
    ``paired-bootstrap``, ``paired-normal``, ``intervals`` or ""."""

    metric: str
    champion: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    method: str
    more_is_better: bool
    verdict: Judged


@dataclass(frozen=True, slots=True)
class Comparison:
    """``missing`` are the metrics that only one of them has. ``evidence`` are digests, champion's first."""

    champion: str
    candidate: str
    dataset: str
    rows: tuple[Compared, ...]
    missing: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    level: float = LEVEL

    @property
    def outcome(self) -> Outcome:
        """Failed when any metric is worse, or none is comparable; passed when all are better or the same; else open."""
        verdicts = {row.verdict for row in self.rows}
        if Judged.WORSE in verdicts or not self.rows:
            return Outcome.FAILED
        return Outcome.NONE if Judged.UNCLEAR in verdicts or self.missing else Outcome.PASSED


def compared(
    champion: Side,
    candidate: Side,
    resample: Resample,
    *,
    less_is_better: frozenset[str] = frozenset(),
    more_is_better: frozenset[str] = frozenset(),
    margin: float = 0.0,
) -> tuple[Compared, ...]:
    """Every metric that both have, by name. A difference that surely lies within ``margin`` is the same."""
    rows = []
    for name in sorted(champion.metrics.keys() & candidate.metrics.keys()):
        before, after = champion.metrics[name], candidate.metrics[name]
        interval = _paired(champion, candidate, name, resample) or _apart(champion, candidate, name)
        more = name in more_is_better or (name not in less_is_better and usually_more(name))
        low, high = (interval.low, interval.high) if interval else (None, None)
        verdict = _judged(after - before, interval, margin=margin, more=more)
        method = interval.method if interval else ""
        rows.append(Compared(name, before, after, after - before, low, high, method, more, verdict))
    return tuple(rows)


def usually_more(metric: str) -> bool:
    """Whether more of what is called so is better: by the words of its name, so that a loss need not be explained."""
    return not _LESS & set(re.split(r"[^a-z0-9]+", metric.lower()))


def _paired(champion: Side, candidate: Side, name: str, resample: Resample) -> Interval | None:
    one, other = champion.results, candidate.results
    if one is None or other is None or name not in one.columns or name not in other.columns:
        return None
    if not one.ids or set(one.ids) != set(other.ids):
        return None
    before = dict(zip(one.ids, one.columns[name], strict=True))
    differences = [value - before[each] for each, value in zip(other.ids, other.columns[name], strict=True)]
    found = mean_interval(differences, resample)
    return Interval(found.low, found.high, found.level, f"paired-{found.method}") if found else None


def _apart(champion: Side, candidate: Side, name: str) -> Interval | None:
    before, after = champion.intervals.get(name), candidate.intervals.get(name)
    if before is None or after is None or before.level != after.level:
        return None
    one, other = champion.metrics[name], candidate.metrics[name]
    down = math.hypot(max(0.0, other - after.low), max(0.0, before.high - one))
    up = math.hypot(max(0.0, after.high - other), max(0.0, one - before.low))
    return Interval(other - one - down, other - one + up, after.level, "intervals")


def _judged(difference: float, interval: Interval | None, *, margin: float, more: bool) -> Judged:
    if interval is None:
        return Judged.SAME if difference == 0 else Judged.UNCLEAR
    if -margin <= interval.low and interval.high <= margin:
        return Judged.SAME
    if interval.low > 0:
        return Judged.BETTER if more else Judged.WORSE
    if interval.high < 0:
        return Judged.WORSE if more else Judged.BETTER
    return Judged.UNCLEAR
