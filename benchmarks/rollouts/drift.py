"""Values of two versions, judged as they come: how often alike ones are condemned for drift, and how soon others are.
The ``Drift`` that ships, looked at after every value; a step of the ramp begins it anew.

The values that both versions have in common wander by two standard deviations on the way; the candidate's may be heard
of less often than the baseline's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.rollouts.traffic import RAMP
from budwood.domain.rollout.drift import LIMIT, Drift
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Watched, Way

_RAILS = (
    *(Guardrail(Watched.ERRORS), Guardrail(Watched.LATENCY), Guardrail(Watched.SAMPLE_RATIO)),
    Guardrail(Watched.DRIFT, metric="score", limit=LIMIT),
)
_LOOK = 50


@dataclass(frozen=True)
class Scores:
    """``moved``: how far the candidate's mean lies off, in standard deviations; ``heard``: the part of its values that
    arrive; ``wanders``: how far the mean of both goes."""

    values: int
    shares: tuple[float, ...]
    moved: float = 0.0
    heard: float = 1.0
    wanders: float = 0.0


ALIKE = {
    "5 %": Scores(10_000, (0.05,)),
    "ramp 1 to 50 %, wandering": Scores(10_000, RAMP, wanders=2.0),
    "10 %, wandering, half of the candidate's heard of": Scores(10_000, (0.10,), heard=0.5, wanders=2.0),
}
MOVED = {
    "half a standard deviation, at 5 %": Scores(40_000, (0.05,), moved=0.5),
    "half a standard deviation, at 50 %": Scores(20_000, (0.5,), moved=0.5),
    "one, at 5 %": Scores(40_000, (0.05,), moved=1.0),
}


@dataclass(frozen=True)
class Found:
    """``after`` so many values the test was sure, and after so many the candidate went back; 0 when not."""

    sure: int = 0
    after: int = 0


def judged(scores: Scores, seed: int, alpha: float) -> Found:
    """By the level that a plan gives it which watches errors, latency and the ratio too."""
    steps = tuple(Step(Way.CANARY, round(share * 10_000)) for share in scores.shares)
    plan = Plan("drift", steps, _RAILS, alpha=alpha)
    level = plan.level(_RAILS[-1]) / len(steps)
    drift, seen, sure = Drift(), 0, 0
    for number, values in enumerate(_made(scores, seed)):
        drift = drift.begun_anew(alone=False) if number else drift
        for start in range(0, len(values), _LOOK):
            drift = drift.after(values[start : start + _LOOK])
            seen += _LOOK
            if drift.reached(level):
                sure = sure or seen
                if drift.psi is not None and drift.psi > LIMIT:
                    return Found(sure, seen)
    return Found(sure)


def _made(scores: Scores, seed: int) -> Iterator[list[tuple[bool, float]]]:
    """By step."""
    chance = np.random.default_rng(seed)
    at = np.arange(scores.values) / scores.values
    share = np.array(scores.shares)[(at * len(scores.shares)).astype(int)]
    arm = chance.random(scores.values) < share
    value = chance.standard_normal(scores.values) + scores.moved * arm + scores.wanders * at
    heard = ~arm | (chance.random(scores.values) < scores.heard)
    for each in np.unique(share):
        mine = (share == each) & heard
        yield list(zip(arm[mine].tolist(), value[mine].tolist(), strict=True))
