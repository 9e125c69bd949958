"""A rollout judged as it goes: by the tests of ``domain.rollout``, and by fixed limits as other tools have them.

Sums over a look are made with NumPy, the tests are the ones that ship: ``Wager``, ``Slowness``, ``SampleRatio``. A look
comes every ``LOOK`` requests, and the level is split over the three as the plan does that watches all of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.rollouts.traffic import Bools, Floats, Ints, Traffic
from budwood.domain.rollout.events import worse, worse_at_the_middle
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Watched, Way
from budwood.domain.rollout.ratio import SampleRatio
from budwood.domain.rollout.tally import MARK_WINDOW, QUANTILES

LOOK = 100
RAILS = (Guardrail(Watched.ERRORS), Guardrail(Watched.LATENCY), Guardrail(Watched.SAMPLE_RATIO))
MINUTE = 6_000
"""Requests: a hundred a second."""


@dataclass(frozen=True)
class Stopped:
    """After how many requests, and by what; 0 when it was not."""

    after: int = 0
    by: str = ""


def tested(traffic: Traffic, alpha: float) -> Stopped:
    """By the tests that a plan has which says nothing of them."""
    plan = Plan("default", (Step(Way.CANARY, 500),), RAILS, alpha=alpha)
    level, level_slow, level_ratio = (plan.level(rail) for rail in RAILS)
    errors, ratio = worse(), SampleRatio()
    slow = [worse_at_the_middle(), worse(), worse()]
    counted_errors = _sums(traffic, _first(traffic, traffic.failed))
    units = _sums(traffic, _first(traffic, np.ones(len(traffic.arm), bool)))
    passed = [_sums(traffic, _first(traffic, above)) for above in _above_marks(traffic)]
    best = 0.0
    for look, share in enumerate(traffic.share[::LOOK]):
        candidate, baseline = counted_errors[look]
        errors = errors.after(arm=int(candidate), baseline=int(baseline), share=float(share))
        if errors.reached(level):
            return Stopped((look + 1) * LOOK, "errors")
        candidate, baseline = units[look]
        ratio = ratio.after(arm=int(candidate), baseline=int(baseline), share=float(share))
        if ratio.reached(level_ratio):
            return Stopped((look + 1) * LOOK, "ratio")
        slow = [
            wager.after(arm=int(sums[look][0]), baseline=int(sums[look][1]), share=float(share))
            for wager, sums in zip(slow, passed, strict=True)
        ]
        best = max(best, math.log(sum(math.exp(min(wager.log_e, 700)) for wager in slow) / len(slow)))
        if best >= -math.log(level_slow):
            return Stopped((look + 1) * LOOK, "latency")
    return Stopped()


def limited(traffic: Traffic, limit: float, failures: int) -> Stopped:
    """By a fixed limit of errors in each minute of the candidate's."""
    bad = 0
    for began in range(0, len(traffic.arm) - MINUTE + 1, MINUTE):
        mine = traffic.arm[began : began + MINUTE]
        answered = int(mine.sum())
        if answered and traffic.failed[began : began + MINUTE][mine].sum() / answered > limit:
            bad += 1
            if bad >= failures:
                return Stopped(began + MINUTE, "limit")
    return Stopped()


def _first(traffic: Traffic, happened: Bools) -> Bools:
    """Only the first of each user, where there are users."""
    if not len(traffic.user):
        return happened
    where = np.flatnonzero(happened)
    _, first = np.unique(traffic.user[where], return_index=True)
    kept = np.zeros(len(happened), bool)
    kept[where[first]] = True
    return kept


def _sums(traffic: Traffic, happened: Bools) -> Ints:
    """By look, the candidate's and the baseline's."""
    starts = np.arange(0, len(happened), LOOK)
    arm = np.add.reduceat((happened & traffic.arm).astype(np.int64), starts)
    both = np.add.reduceat(happened.astype(np.int64), starts)
    return np.stack([arm, both - arm], axis=1)


def _above_marks(traffic: Traffic) -> Iterator[Bools]:
    """For each quantile the requests slower than the baseline's last full window was, in bins of a sixteenth octave."""
    bins = (np.log2(traffic.latency_us) * 16).astype(np.int64)
    baseline = np.flatnonzero(~traffic.arm)
    ends = baseline[MARK_WINDOW - 1 :: MARK_WINDOW]
    for quantile in QUANTILES:
        marks: Floats = np.full(len(bins), np.inf)
        for number, end in enumerate(ends):
            window = np.sort(bins[baseline[number * MARK_WINDOW : (number + 1) * MARK_WINDOW]])
            marks[end + 1 :] = window[math.ceil(quantile * MARK_WINDOW) - 1]
        yield bins > marks
