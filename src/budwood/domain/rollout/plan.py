"""What a rollout is asked to do: steps, what condemns the candidate, and what to do when nothing can be said."""

from dataclasses import dataclass
from enum import StrEnum

from budwood.domain.compared.comparison import Comparison
from budwood.domain.rollout.events import TOLERATED


class Way(StrEnum):
    """How the candidate meets traffic in a step."""

    SHADOW = "shadow"
    """Copies of requests go to it; nobody hears its answers."""

    CANARY = "canary"
    """It answers a part of the requests."""

    COMPARE = "compare"
    """An A/B test: a fixed part, until a metric tells the two apart."""

    SWITCH = "switch"
    """Blue-green: it answers everything at once, and the old version stays warm for a while."""


class Watched(StrEnum):
    """What a guardrail watches."""

    ERRORS = "errors"
    LATENCY = "latency"
    SAMPLE_RATIO = "sample-ratio"
    DISAGREEMENT = "disagreement"
    METRIC = "metric"
    DRIFT = "drift"
    ERROR_RATE = "error-rate"
    LATENCY_LIMIT = "latency-limit"


FIXED = frozenset({Watched.ERROR_RATE, Watched.LATENCY_LIMIT})
"""Limits without a level of error, as other tools have them: looked at often, they condemn healthy versions."""


class Metric(StrEnum):
    """How a metric is made of what was observed. Its units are users, or requests where the split is not sticky."""

    MEAN = "mean"
    """The mean of the first value that was observed of each unit."""

    RATIO = "ratio"
    """The part of the units that came of which something was observed: conversions."""


class Unproven(StrEnum):
    """What to do with a candidate that nothing condemns and nothing proves."""

    HOLD = "hold"
    PROMOTE = "promote"
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, slots=True)
class Step:
    """``points``: basis points that the candidate answers, or that are copied to it. The step is done when it has
    lasted ``hold_s`` and the candidate has seen ``samples`` units (users where the split is sticky)."""

    way: Way
    points: int
    hold_s: int = 0
    samples: int = 0
    metric: str = ""
    keep_s: int = 0


@dataclass(frozen=True, slots=True)
class Guardrail:
    """``limit`` and ``window_s`` are those of a fixed limit: it condemns after ``failures`` windows above it. A
    metric's ``tolerance`` is how far the candidate's mean may lie on the wrong side; ``lower_is_better`` says which. A
    latency's is how much slower an answer may be before it counts: a version that few ask has colder connections.
    ``edges`` are those of a drift's bins; none where the baseline's first values make them."""

    watched: Watched
    metric: str = ""
    limit: float = 0.0
    quantile: float = 0.0
    window_s: int = 60
    failures: int = 5
    tolerance: float = 0.0
    lower_is_better: bool = False
    kind: Metric = Metric.MEAN
    edges: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """As people see it."""
        if self.watched in (Watched.METRIC, Watched.DRIFT):
            return f"{self.watched} {self.metric}"
        if self.watched is Watched.LATENCY_LIMIT:
            return f"p{self.quantile * 100:g} limit"
        return self.watched.value


@dataclass(frozen=True, slots=True)
class Plan:
    """``alpha`` is the chance that a healthy candidate is ever condemned, over the whole rollout. ``proof``: promote
    only what is proved to be less than ``tolerated`` times as bad as the baseline. ``patience_s`` is how long the last
    step waits beyond its hold for that proof, ``silence_s`` how old the newest figure may be. ``comparison`` is
    how a shadow's answers are compared with the baseline's."""

    name: str
    steps: tuple[Step, ...]
    guardrails: tuple[Guardrail, ...]
    alpha: float = 0.01
    proof: bool = True
    tolerated: float = TOLERATED
    unproven: Unproven = Unproven.HOLD
    patience_s: int = 3_600
    silence_s: int = 60
    digest: str = ""
    comparison: Comparison = Comparison()

    @property
    def slack(self) -> float:
        """How much slower than the baseline the candidate may be, as a part of it."""
        return next((rail.tolerance for rail in self.guardrails if rail.watched is Watched.LATENCY), 0.0)

    def level(self, rail: Guardrail) -> float:
        """The part of alpha that a test which may condemn has. The sample ratio has little: what it finds is coarse."""
        weights = {each.name: _weight(each) for each in self.guardrails}
        return self.alpha * weights[rail.name] / max(1, sum(weights.values()))


def _weight(rail: Guardrail) -> int:
    if rail.watched in FIXED:
        return 0
    return 1 if rail.watched is Watched.SAMPLE_RATIO else 4
