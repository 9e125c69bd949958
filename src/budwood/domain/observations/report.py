"""What an A/B test came to: effect, interval, power, sample ratio, and the same by segments. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from budwood.domain.rollout.interval import METRIC_PLANNED, Mean, difference
from budwood.domain.rollout.plan import Metric

POWER: Final = 0.8


@dataclass(frozen=True, slots=True)
class Told:
    """One metric, over all units or those of a segment. The interval holds at all times at once with chance ``level``.
    ``power`` is the chance to see an effect as large as the one measured with as many units; ``detectable`` the
    smallest effect that is seen with a chance of 80 %. ``says`` is better, worse or unclear; None where too little
    came."""

    segment: str
    candidate_units: int
    baseline_units: int
    candidate: float
    baseline: float
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    power: float | None = None
    detectable: float | None = None
    says: str = "unclear"


@dataclass(frozen=True, slots=True)
class MetricReport:
    """``enough`` answers in a sentence whether more units would tell more."""

    metric: str
    kind: Metric
    level: float
    overall: Told
    segments: tuple[Told, ...] = ()
    enough: str = ""


@dataclass(frozen=True, slots=True)
class AbReport:
    """``ratio`` says in words whether both arms got the share they should."""

    endpoint: str
    rollout: int
    candidate: str
    baseline: str
    started_ms: int
    ended_ms: int
    state: str
    metrics: tuple[MetricReport, ...]
    ratio: str = ""
    ratio_holds: bool = True
    lost: int = 0


def told(candidate: Mean, baseline: Mean, alpha: float, *, lower_is_better: bool, segment: str = "") -> Told:
    """One line of a report."""
    sums = (segment, candidate.units, baseline.units, candidate.mean, baseline.mean)
    found = difference(candidate, baseline, alpha=alpha, planned=METRIC_PLANNED)
    if found is None:
        return Told(*sums)
    deviation = math.sqrt(candidate.variance / candidate.units + baseline.variance / baseline.units)
    reach = found.high - found.effect
    normal = NormalDist()
    power = normal.cdf((abs(found.effect) - reach) / deviation) if deviation else float(found.effect != 0)
    clear = found.is_clear
    better = found.effect < 0 if lower_is_better else found.effect > 0
    return Told(
        *sums,
        found.effect,
        found.low,
        found.high,
        power,
        reach + normal.inv_cdf(POWER) * deviation,
        ("better" if better else "worse") if clear else "unclear",
    )


def segments_told(means: Mapping[str, tuple[Mean, Mean]], alpha: float, *, lower_is_better: bool) -> tuple[Told, ...]:
    """Each at its part of alpha: who divides often enough finds something somewhere."""
    level = alpha / max(1, len(means))
    return tuple(told(*means[name], level, lower_is_better=lower_is_better, segment=name) for name in sorted(means))
