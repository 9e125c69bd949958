"""How far apart two arms are, with an interval that holds at every moment at once.

An asymptotic confidence sequence for a difference of means (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2021):
wider than the textbook's interval, and unlike it still right for whoever looks every minute and stops when it pleases.
"""

import math
from dataclasses import dataclass
from typing import Final

UNITS_LEAST: Final = 50
"""Below this many units in an arm nothing is said: the sequence is asymptotic."""

METRIC_PLANNED: Final = 10_000
"""Where the interval is narrowest. Fixed beforehand: chosen by what was seen, it would hold at no level."""


@dataclass(frozen=True, slots=True)
class Mean:
    """Of one arm: how many units, the sum of what each gave, and the sum of its squares."""

    units: int = 0
    total: float = 0.0
    squares: float = 0.0

    def after(self, units: int, total: float, squares: float) -> "Mean":
        """More of them."""
        return Mean(self.units + units, self.total + total, self.squares + squares)

    @property
    def mean(self) -> float:
        """0 where there are none."""
        return self.total / self.units if self.units else 0.0

    @property
    def variance(self) -> float:
        """Of one unit."""
        if self.units < 2:
            return 0.0
        return max(0.0, (self.squares - self.units * self.mean**2) / (self.units - 1))


@dataclass(frozen=True, slots=True)
class Difference:
    """``effect`` is the arm's mean less the baseline's; the interval holds it at all times with chance 1 - alpha."""

    effect: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether it says which arm is higher."""
        return self.low > 0 or self.high < 0


def difference(arm: Mean, baseline: Mean, *, alpha: float, planned: int) -> Difference | None:
    """None where there is too little to say. It is narrowest when ``planned`` units have been seen."""
    if min(arm.units, baseline.units) < UNITS_LEAST:
        return None
    units = arm.units + baseline.units
    # The variance of the difference, for one unit of both together.
    spread = units * (arm.variance / arm.units + baseline.variance / baseline.units)
    reach = math.sqrt(spread) * _radius(units, alpha, planned)
    effect = arm.mean - baseline.mean
    return Difference(effect, effect - reach, effect + reach)


def units_needed(effect: float, spread: float, *, alpha: float) -> int:
    """About how many units of both arms together until an effect of this size is seen. ``spread`` is the variance of
    the difference for one unit."""
    if not effect:
        return 0
    units = 2 * UNITS_LEAST
    while math.sqrt(spread) * _radius(units, alpha, units) > abs(effect):
        units *= 2
        if units > 1 << 60:
            break
    low, high = units // 2, units
    while high - low > max(1, high // 1_000):
        middle = (low + high) // 2
        if math.sqrt(spread) * _radius(middle, alpha, middle) > abs(effect):
            low = middle
        else:
            high = middle
    return high


def _radius(units: int, alpha: float, planned: int) -> float:
    """For a spread of 1."""
    doubt = -2 * math.log(alpha)
    tuned = (doubt + math.log(doubt + 1)) / max(planned, 1)  # rho squared
    grown = units * tuned + 1
    return math.sqrt(2 * grown / (units**2 * tuned) * math.log(math.sqrt(grown) / alpha))
