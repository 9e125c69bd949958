"""What each guardrail says of the candidate now, with the figures behind it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from budwood.domain.rollout.drift import LEARNT, LEAST, Drift
from budwood.domain.rollout.events import Wager, worse
from budwood.domain.rollout.interval import METRIC_PLANNED, UNITS_LEAST, Difference, Mean, difference, units_needed
from budwood.domain.rollout.plan import FIXED, Guardrail, Metric, Plan, Watched, Way
from budwood.domain.rollout.tally import MARK_WINDOW, Counts, Tally

_NEVER: Final = 1_000_000_000


class Says(StrEnum):
    """What is open may become either. A failure is acted on at once; a pass of the tests on events stays said."""

    PASSES = "passes"
    FAILS = "fails"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``detail`` is a sentence with figures; ``weak`` marks a fixed limit, which has no level of error."""

    guardrail: str
    says: Says
    detail: str
    weak: bool = False


def verdicts(plan: Plan, tally: Tally) -> tuple[Verdict, ...]:
    """One for each guardrail, in the plan's order."""
    return tuple(_verdict(plan, rail, tally) for rail in plan.guardrails)


def is_proved(plan: Plan, tally: Tally) -> bool:
    """Whether the candidate is shown to fail less than ``plan.tolerated`` times as often as the baseline."""
    return tally.safe.reached(plan.alpha)


def _verdict(plan: Plan, rail: Guardrail, tally: Tally) -> Verdict:
    level = plan.level(rail)
    match rail.watched:
        case Watched.ERRORS:
            says = Says.FAILS if tally.errors.reached(level) else Says.PASSES if is_proved(plan, tally) else Says.OPEN
            return Verdict(rail.name, says, f"{_rates(tally)}; {_odds(tally.errors)}")
        case Watched.LATENCY:
            says = Says.FAILS if tally.slowness.reached(level) else Says.OPEN
            return Verdict(rail.name, says, _latencies(tally))
        case Watched.SAMPLE_RATIO:
            says = Says.FAILS if tally.ratio.reached(level) else Says.OPEN
            return Verdict(rail.name, says, "; ".join(_shares(tally)))
        case Watched.DISAGREEMENT:
            return _disagreement(rail, tally, level)
        case Watched.METRIC:
            return _metric(plan, rail, tally, level)
        case Watched.DRIFT:
            return _drift(plan, rail, tally.drifts.get(rail.metric, Drift(rail.edges)), level)
    assert rail.watched in FIXED
    return _fixed(rail, tally)


def _disagreement(rail: Guardrail, tally: Tally, level: float) -> Verdict:
    """Against a fixed share of answers that may differ: an e-process on the pairs."""
    if not tally.pairs:
        return Verdict(rail.name, Says.OPEN, "no pair was compared yet")
    said = f"{tally.disagreed} of {tally.pairs} pairs differ, {rail.limit:.2%} may{_both_took(tally)}"
    limit = min(max(rail.limit, 1e-6), 1 - 1e-6)
    agreed = tally.pairs - tally.disagreed
    over = worse().after(arm=tally.disagreed, baseline=agreed, share=limit)
    under = Wager.on((0.2, 0.5, 0.8)).after(arm=tally.disagreed, baseline=agreed, share=limit)
    says = Says.FAILS if over.reached(level) else Says.PASSES if under.reached(level) else Says.OPEN
    return Verdict(rail.name, says, said)


def _both_took(tally: Tally) -> str:
    if not tally.copied:
        return ""
    candidate, baseline = tally.copied
    times = (
        f"p{quantile * 100:g} {candidate.quantile_us(quantile) / 1_000:.1f} against "
        f"{baseline.quantile_us(quantile) / 1_000:.1f} ms"
        for quantile in (0.5, 0.95, 0.99)
    )
    return f"; {', '.join(times)}"


def _metric(plan: Plan, rail: Guardrail, tally: Tally, level: float) -> Verdict:
    means = means_of(rail, tally)
    level = _of_a_step(plan, level)
    found = difference(*means, alpha=level, planned=METRIC_PLANNED) if means else None
    if means is None or found is None:
        seen = min(means[0].units, means[1].units) if means else 0
        return Verdict(
            rail.name, Says.OPEN, f"too few units to say anything: {seen} of {UNITS_LEAST} in the smaller arm"
        )
    sign = -1 if rail.lower_is_better else 1
    low, high = sorted((sign * found.low, sign * found.high))
    says = Says.FAILS if high < -rail.tolerance else Says.PASSES if low > -rail.tolerance else Says.OPEN
    interval = f"{found.effect:+.4g}, from {found.low:+.4g} to {found.high:+.4g}"
    said = f"{means[0].mean:.4g} against {means[1].mean:.4g}: {interval}; {enough(*means, found, level, says)}"
    return Verdict(rail.name, says, said)


def _of_a_step(plan: Plan, level: float) -> float:
    """Counting begins anew with each step, and each beginning is a chance to be wrong."""
    return level / max(1, sum(step.way is not Way.SHADOW for step in plan.steps))


def _drift(plan: Plan, rail: Guardrail, drift: Drift, level: float) -> Verdict:
    """What is surely different and yet near enough condemns nobody; what is far off by few values, not yet."""
    psi = drift.psi
    if not drift.edges:
        waits = f"waits for {LEARNT - len(drift.learnt)} more values of the baseline"
        return Verdict(rail.name, Says.OPEN, waits)
    mine, others = drift.values
    counted = f"{mine} values against {others}"
    if psi is None:
        return Verdict(rail.name, Says.OPEN, f"{counted}: nothing to compare yet")
    is_other = drift.reached(_of_a_step(plan, level))
    said = f"PSI {psi:.3f}, {rail.limit:g} may be; {counted}, {'surely' if is_other else 'not surely'} different"
    if is_other and psi > rail.limit:
        return Verdict(rail.name, Says.FAILS, said)
    if not drift.is_enough:
        return Verdict(rail.name, Says.OPEN, f"{said}; it takes {LEAST} of each")
    return Verdict(rail.name, Says.PASSES if psi <= rail.limit else Says.OPEN, said)


def means_of(rail: Guardrail, tally: Tally) -> tuple[Mean, Mean] | None:
    """Of candidate and baseline. Those of a ratio are over all units that came."""
    means = tally.metrics.get(rail.metric)
    if means is None or rail.kind is Metric.MEAN:
        return means
    if not tally.exposed:
        return None
    candidate, baseline = (replace(mean, units=units) for mean, units in zip(means, tally.exposed, strict=True))
    return candidate, baseline


def enough(candidate: Mean, baseline: Mean, found: Difference, level: float, says: Says) -> str:
    """Whether more units would tell more, in words."""
    units = candidate.units + baseline.units
    if says is not Says.OPEN:
        return f"enough: {units:,} units tell"
    spread = units * (candidate.variance / candidate.units + baseline.variance / baseline.units)
    needed = units_needed(found.effect, spread, alpha=level)
    if not needed or needed > _NEVER:
        return "not enough, and the two are so alike that no test will tell them apart"
    if needed <= units:
        return "not enough yet, but soon"
    return f"not enough: about {needed - units:,} units more tell a difference like this"


def _fixed(rail: Guardrail, tally: Tally) -> Verdict:
    failures = tally.windows[rail.name].failures if rail.name in tally.windows else 0
    said = f"{failures} of {rail.failures} windows of {rail.window_s} s above {rail.limit:g}"
    return Verdict(rail.name, Says.FAILS if failures >= rail.failures else Says.OPEN, said, weak=True)


def _rates(tally: Tally) -> str:
    return f"{_rate(tally.candidate)} against {_rate(tally.baseline)} failed"


def _rate(counts: Counts) -> str:
    return f"{counts.failed / counts.requests:.2%}" if counts.requests else "none"


def _odds(wager: Wager) -> str:
    if wager.best > 40:
        return "certainly more than the baseline"
    return f"at best {wager.best / 2.302585:.1f} in powers of ten that it is more"


def _latencies(tally: Tally) -> str:
    if not tally.slowness.marks:
        seen = sum(tally.slowness.window)
        return f"waits for {MARK_WINDOW - seen} more answers of the baseline"
    return ", ".join(
        f"p{quantile * 100:g} {tally.candidate.quantile_us(quantile) / 1_000:.1f} against "
        f"{tally.baseline.quantile_us(quantile) / 1_000:.1f} ms"
        for quantile in (0.5, 0.95, 0.99)
    )


def _shares(tally: Tally) -> Iterator[str]:
    both = tally.ratio.both
    if both:
        yield f"{tally.ratio.arm / both:.2%} of {both} where {tally.ratio.share:.2%} was meant"
    else:
        yield "nothing was counted yet"
