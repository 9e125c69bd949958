"""What to do next with a rollout: a value, which the engine obeys. Pure; the time is passed in.

The order is what keeps it safe: what is condemned goes back whatever else holds; what cannot be judged never goes
forward; a pause stops going forward and never stops going back.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from budwood.domain.rollout.plan import Plan, Step, Unproven, Way
from budwood.domain.rollout.tally import Tally
from budwood.domain.rollout.verdict import Says, Verdict, is_proved, verdicts

_TOLD_FIRST: Final = ("metric ", "drift ")
"""What must be told before a candidate is promoted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rollout stands. ``units_before`` is what the candidate had counted when the step began, ``pairs_before``
    the same of a shadow's pairs. ``urged``: somebody asked to go on without waiting."""

    step: int
    since_ms: int
    units_before: int = 0
    pairs_before: int = 0
    paused: bool = False
    urged: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing changes; there is no need to ask again before ``until_ms``, unless figures come."""

    until_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Go to this step."""

    step: int
    why: str


@dataclass(frozen=True, slots=True)
class Promote:
    """The candidate becomes the version that answers."""

    why: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """The baseline answers everything again."""

    why: str
    guardrail: str = ""


Action: TypeAlias = Hold | Shift | Promote | RollBack


def next_action(plan: Plan, progress: Progress, tally: Tally, now_ms: int) -> Action:
    """See the module. ``progress.step`` is one of the plan's."""
    said = verdicts(plan, tally)
    if condemned := next((each for each in said if each.says is Says.FAILS), None):
        return RollBack(f"{condemned.guardrail}: {condemned.detail}", condemned.guardrail)
    step = plan.steps[progress.step]
    if silent := _silence(plan, step, progress, tally, now_ms):
        return silent
    if progress.paused:
        return Hold(now_ms + plan.silence_s * 1_000, "It is paused.")
    if waits := _waits(step, progress, said, tally, now_ms):
        return waits
    if progress.step + 1 < len(plan.steps):
        return Shift(progress.step + 1, _done(step, progress, tally))
    return _end(plan, step, progress, said, tally, now_ms)


def _silence(plan: Plan, step: Step, progress: Progress, tally: Tally, now_ms: int) -> Action | None:
    """Without fresh figures nothing goes forward; after the plan's patience it goes back, if the plan says so."""
    if step.way is Way.SWITCH and progress.step == 0 and not plan.guardrails:
        return None
    heard_ms = max(tally.newest_ms, progress.since_ms)
    quiet_ms = now_ms - heard_ms
    if quiet_ms <= plan.silence_s * 1_000:
        return None
    if quiet_ms > (plan.silence_s + plan.patience_s) * 1_000 and plan.unproven is not Unproven.HOLD:
        return RollBack(f"No figure has come for {quiet_ms // 1_000} s.")
    return Hold(now_ms + plan.silence_s * 1_000, f"No figure has come for {quiet_ms // 1_000} s.")


def _waits(step: Step, progress: Progress, said: tuple[Verdict, ...], tally: Tally, now_ms: int) -> Hold | None:
    """What the step still asks for. A comparison ends as soon as its metric is told."""
    if progress.urged:
        return None
    if step.way is Way.COMPARE and _is_told(step, said):
        return None
    ends_ms = progress.since_ms + step.hold_s * 1_000
    if now_ms < ends_ms:
        return Hold(ends_ms, f"It holds for {-(-(ends_ms - now_ms) // 1_000)} s more.")
    seen = _seen(step, progress, tally)
    if seen < step.samples:
        return Hold(now_ms + 1_000, f"{seen} of {step.samples} samples were seen.")
    return None


def _is_told(step: Step, said: tuple[Verdict, ...]) -> bool:
    return any(each.guardrail == f"metric {step.metric}" and each.says is Says.PASSES for each in said)


def _end(plan: Plan, step: Step, progress: Progress, said: tuple[Verdict, ...], tally: Tally, now_ms: int) -> Action:
    """The last step is done: promote what is good enough, and do with the rest what the plan says."""
    still_open = [each.guardrail for each in said if each.says is Says.OPEN and each.guardrail.startswith(_TOLD_FIRST)]
    proved = not plan.proof or is_proved(plan, tally)
    if proved and not still_open:
        return Promote("Every guardrail holds" + (", and it is proved good enough." if plan.proof else "."))
    waited_ms = now_ms - progress.since_ms - step.hold_s * 1_000
    missing = f"{' and '.join(still_open)} cannot be told yet" if still_open else "it is not proved good enough yet"
    if waited_ms < plan.patience_s * 1_000 or plan.unproven is Unproven.HOLD:
        return Hold(now_ms + 1_000, f"Nothing speaks against it, but {missing}.")
    if plan.unproven is Unproven.PROMOTE:
        return Promote(f"Nothing speaks against it, though {missing}; the plan says to promote then.")
    return RollBack(f"After {waited_ms // 1_000} s {missing}; the plan says to roll back then.")


def _seen(step: Step, progress: Progress, tally: Tally) -> int:
    if step.way is Way.SHADOW:
        return tally.pairs - progress.pairs_before
    return tally.candidate.units - progress.units_before


def _done(step: Step, progress: Progress, tally: Tally) -> str:
    if progress.urged:
        return "Somebody asked to go on."
    return f"Its step is done: {_seen(step, progress, tally)} samples, and no guardrail speaks against it."
