"""The tests of a rollout alarm no more often than they say, and find what is bad."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.rollout.events import Wager, good_enough, worse
from budwood.domain.rollout.interval import Mean, difference, units_needed
from budwood.domain.rollout.ratio import SampleRatio
from budwood.domain.rollout.seen import Seen

ALPHA = 0.05


@given(st.floats(0.01, 0.99), st.sampled_from([1.0, 1.5]), st.integers(0, 5))
def test_an_event_changes_a_wager_by_nothing_on_average_if_the_arm_is_as_doubted(
    share: float, against: float, before: int
) -> None:
    wager = Wager.on((0.5, 1.2, 3.0), against).after(arm=before, baseline=before, share=0.3)
    chance = share * against / (share * against + 1 - share)
    arm = math.exp(wager.after(arm=1, baseline=0, share=share).log_e)
    baseline = math.exp(wager.after(arm=0, baseline=1, share=share).log_e)
    assert chance * arm + (1 - chance) * baseline == pytest.approx(math.exp(wager.log_e))


@given(st.floats(0.01, 0.99), st.integers(0, 300))
def test_a_unit_changes_the_sample_ratio_by_nothing_on_average_if_it_is_right(share: float, arm: int) -> None:
    ratio = SampleRatio().after(arm=arm, baseline=50, share=share)
    up = math.exp(ratio.after(arm=1, baseline=0, share=share).log_e - ratio.log_e)
    down = math.exp(ratio.after(arm=0, baseline=1, share=share).log_e - ratio.log_e)
    assert share * up + (1 - share) * down == pytest.approx(1)


def test_looking_at_every_event_alarms_at_most_as_often_as_said() -> None:
    chance, alarms, runs = random.Random(1), 0, 600
    for _ in range(runs):
        wager = worse()
        for number in range(400):
            share = (0.01, 0.05, 0.25, 0.5)[number // 100]
            arm = chance.random() < share
            wager = wager.after(arm=int(arm), baseline=int(not arm), share=share)
        alarms += wager.reached(ALPHA)
    assert alarms <= runs * ALPHA + 3 * math.sqrt(runs * ALPHA * (1 - ALPHA))


def test_an_arm_that_fails_three_times_as_often_is_found() -> None:
    chance, wager, events = random.Random(2), worse(), 0
    while not wager.reached(0.01):
        arm = chance.random() < 0.05 * 3 / (0.05 * 3 + 0.95)
        wager = wager.after(arm=int(arm), baseline=int(not arm), share=0.05)
        events += 1
        assert events < 1_000


def test_an_equal_arm_is_proved_good_enough_and_one_at_the_limit_is_not() -> None:
    chance = random.Random(3)
    equal, limit = good_enough(), 0
    for _ in range(2_000):
        arm = chance.random() < 0.5
        equal = equal.after(arm=int(arm), baseline=int(not arm), share=0.5)
    assert equal.reached(ALPHA)
    for _ in range(300):
        wager = good_enough()
        for _ in range(300):
            arm = chance.random() < 0.6  # one and a half times as bad, at even shares
            wager = wager.after(arm=int(arm), baseline=int(not arm), share=0.5)
        limit += wager.reached(ALPHA)
    assert limit <= 300 * ALPHA + 12


def test_a_share_that_changes_does_not_look_like_a_wrong_ratio() -> None:
    chance, ratio = random.Random(4), SampleRatio()
    for share in (0.01, 0.05, 0.25, 0.5):
        for _ in range(50):
            arm = sum(chance.random() < share for _ in range(100))
            ratio = ratio.after(arm=arm, baseline=100 - arm, share=share)
    assert not ratio.reached(0.01)


def test_a_ratio_that_is_off_is_found() -> None:
    chance, ratio, units = random.Random(5), SampleRatio(), 0
    while not ratio.reached(0.01):
        arm = sum(chance.random() < 0.04 for _ in range(100))
        ratio = ratio.after(arm=arm, baseline=100 - arm, share=0.05)
        units += 100
        assert units < 100_000


def test_a_difference_is_covered_at_every_look() -> None:
    chance, missed = random.Random(6), 0
    for _ in range(200):
        arm, baseline, outside = Mean(), Mean(), False
        for _ in range(60):
            ones, others = (sum(chance.random() < rate for _ in range(50)) for rate in (0.25, 0.2))
            arm, baseline = arm.after(50, ones, ones), baseline.after(50, others, others)
            found = difference(arm, baseline, alpha=ALPHA, planned=4_000)
            outside |= found is not None and not found.low <= 0.05 <= found.high
        missed += outside
    assert missed <= 200 * ALPHA + 9


def test_the_units_an_effect_needs_are_about_those_it_takes() -> None:
    needed = units_needed(0.05, 4 * 0.2 * 0.8, alpha=ALPHA)
    half = needed // 2
    arm, baseline = Mean(half, half * 0.25, half * 0.25), Mean(half, half * 0.2, half * 0.2)
    found = difference(arm, baseline, alpha=ALPHA, planned=needed)
    assert found is not None
    assert abs(found.low) < 0.01


def test_too_little_says_nothing() -> None:
    assert difference(Mean(49, 1, 1), Mean(1_000, 1, 1), alpha=ALPHA, planned=100) is None


def test_a_user_is_new_once() -> None:
    seen = Seen()
    assert [seen.is_new("mara"), seen.is_new("mara"), seen.is_new("ada")] == [True, False, True]
