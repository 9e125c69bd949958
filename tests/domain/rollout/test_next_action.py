"""What is condemned goes back, what cannot be judged never goes forward, and the rest follows its steps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.rollout.events import good_enough, worse
from budwood.domain.rollout.interval import Mean
from budwood.domain.rollout.next_action import Action, Hold, Progress, Promote, RollBack, Shift, next_action
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Unproven, Watched, Way
from budwood.domain.rollout.tally import Counts, Tally, paired

NOW = 10_000_000
RAILS = (Guardrail(Watched.ERRORS), Guardrail(Watched.LATENCY), Guardrail(Watched.SAMPLE_RATIO))
CANARY = Plan("canary", (Step(Way.CANARY, 500, 60, 100), Step(Way.CANARY, 5_000, 60, 100)), RAILS)
HEALTHY = Tally(candidate=Counts(requests=500, units=500), newest_ms=NOW)
PROVED = replace(HEALTHY, safe=good_enough().after(arm=0, baseline=200, share=0.5))
BAD = replace(HEALTHY, errors=worse().after(arm=60, baseline=10, share=0.05))
LONG_AGO = Progress(0, NOW - 3_600_000)
LAST = Progress(1, NOW - 3_600_000)


def action(plan: Plan = CANARY, progress: Progress = LONG_AGO, tally: Tally = HEALTHY) -> Action:
    return next_action(plan, progress, tally, NOW)


def test_a_step_that_is_done_leads_to_the_next() -> None:
    assert action() == Shift(1, "Its step is done: 500 samples, and no guardrail speaks against it.")


def test_a_step_holds_as_long_as_it_says() -> None:
    held = action(progress=Progress(0, NOW - 20_000))
    assert held == Hold(NOW + 40_000, "It holds for 40 s more.")


def test_a_step_waits_for_its_samples() -> None:
    held = action(progress=Progress(0, NOW - 70_000, units_before=450))
    assert isinstance(held, Hold)
    assert held.why == "50 of 100 samples were seen."


def test_what_is_condemned_goes_back_even_when_paused_or_urged() -> None:
    for progress in (LONG_AGO, replace(LONG_AGO, paused=True), replace(LONG_AGO, urged=True)):
        back = action(progress=progress, tally=BAD)
        assert isinstance(back, RollBack)
        assert back.guardrail == "errors"


def test_a_pause_stops_going_forward() -> None:
    assert isinstance(action(progress=replace(LONG_AGO, paused=True)), Hold)
    assert isinstance(action(progress=replace(LAST, paused=True), tally=PROVED), Hold)


def test_only_what_is_proved_is_promoted() -> None:
    held = action(progress=LAST)
    assert isinstance(held, Hold)
    assert "not proved" in held.why
    assert isinstance(action(progress=LAST, tally=PROVED), Promote)
    assert isinstance(action(replace(CANARY, proof=False), LAST), Promote)


def test_what_stays_unproven_is_done_with_as_the_plan_says() -> None:
    late = Progress(1, NOW - (CANARY.patience_s + 100) * 1_000)
    assert isinstance(action(CANARY, late), Hold)
    assert isinstance(action(replace(CANARY, unproven=Unproven.ROLL_BACK), late), RollBack)
    assert isinstance(action(replace(CANARY, unproven=Unproven.PROMOTE), late), Promote)


@pytest.mark.parametrize("unproven", list(Unproven))
def test_without_fresh_figures_nothing_goes_forward(unproven: Unproven) -> None:
    plan = replace(CANARY, unproven=unproven)
    old = replace(PROVED, newest_ms=NOW - 61_000)
    assert isinstance(action(plan, LAST, old), Hold)
    silent = replace(PROVED, newest_ms=NOW - 3_600_000 - 61_000)
    ends = action(plan, replace(LAST, since_ms=0), silent)
    assert isinstance(ends, Hold if unproven is Unproven.HOLD else RollBack)


def test_a_shadow_counts_its_pairs_and_is_condemned_by_what_differs() -> None:
    plan = Plan("shadow", (Step(Way.SHADOW, 1_000, samples=100), Step(Way.SWITCH, 10_000)), (
        Guardrail(Watched.DISAGREEMENT, limit=0.02),
    ))  # fmt: skip
    assert isinstance(next_action(plan, LONG_AGO, paired(HEALTHY, 50, 0), NOW), Hold)
    assert isinstance(next_action(plan, LONG_AGO, paired(HEALTHY, 200, 2), NOW), Shift)
    back = next_action(plan, LONG_AGO, paired(HEALTHY, 200, 40), NOW)
    assert isinstance(back, RollBack)
    assert back.why == "disagreement: 40 of 200 pairs differ, 2.00% may"


def test_a_comparison_ends_when_its_metric_is_told() -> None:
    plan = Plan(
        "compare",
        (Step(Way.COMPARE, 5_000, samples=1_000_000, metric="bought"), Step(Way.CANARY, 10_000)),
        (Guardrail(Watched.METRIC, metric="bought"),),
        proof=False,
    )
    unclear = replace(HEALTHY, metrics={"bought": (Mean(1_000, 101, 101), Mean(1_000, 100, 100))})
    better = replace(HEALTHY, metrics={"bought": (Mean(9_000, 2_000, 2_000), Mean(9_000, 1_000, 1_000))})
    worse_off = replace(HEALTHY, metrics={"bought": (Mean(9_000, 1_000, 1_000), Mean(9_000, 2_000, 2_000))})
    assert isinstance(next_action(plan, LONG_AGO, unclear, NOW), Hold)
    assert isinstance(next_action(plan, LONG_AGO, better, NOW), Shift)
    assert isinstance(next_action(plan, LONG_AGO, worse_off, NOW), RollBack)


@given(
    step=st.integers(0, 1),
    since=st.integers(0, NOW),
    paused=st.booleans(),
    urged=st.booleans(),
    newest=st.integers(0, NOW),
    tally=st.sampled_from([HEALTHY, PROVED, BAD]),
    unproven=st.sampled_from(list(Unproven)),
)
def test_nothing_condemned_silent_or_paused_ever_goes_forward(
    step: int, since: int, paused: bool, urged: bool, newest: int, tally: Tally, unproven: Unproven
) -> None:
    plan = replace(CANARY, unproven=unproven)
    progress = Progress(step, since, paused=paused, urged=urged)
    done = next_action(plan, progress, replace(tally, newest_ms=newest), NOW)
    silent = NOW - max(newest, since) > plan.silence_s * 1_000
    if tally is BAD:
        assert isinstance(done, RollBack)
    elif silent or paused:
        assert not isinstance(done, Shift | Promote)
