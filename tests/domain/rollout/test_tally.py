"""Folding requests in any pieces gives the same sums, and a user counts once."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.rollout.fixed import held_to_limits
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Watched, Way
from budwood.domain.rollout.tally import MARK_WINDOW, Request, Tally, Users, bin_of, edge_us, fold

SECOND = 1_000


def requests(count: int, *, seed: int = 1, sticky: bool = False, slower: float = 1.0) -> list[Request]:
    chance = random.Random(seed)
    made = []
    for number in range(count):
        share = 0.1 if number < count // 2 else 0.5
        user = f"u{chance.randrange(300)}" if sticky else ""
        arm = (random.Random(user).random() if user else chance.random()) < share
        took = int(20_000 * chance.lognormvariate(0, 0.5) * (slower if arm else 1))
        made.append(Request(number, arm, chance.random() < 0.05, took, share, user))
    return made


@given(cuts=st.lists(st.integers(0, 6_000), max_size=6), sticky=st.booleans())
@settings(max_examples=25, deadline=None)
def test_however_a_log_is_cut_the_sums_are_the_same(cuts: list[int], sticky: bool) -> None:
    log = requests(6_000, sticky=sticky)
    whole = fold(Tally(), log, Users())
    edges = [0, *sorted(cuts), len(log)]
    pieces, users = Tally(), Users()
    for first, last in pairwise(edges):
        pieces = fold(pieces, log[first:last], users)
    assert pieces.candidate == whole.candidate
    assert pieces.baseline == whole.baseline
    assert pieces.errors.logs == pytest.approx(whole.errors.logs)
    assert pieces.slowness.marks == whole.slowness.marks
    assert pieces.slowness.window == whole.slowness.window
    assert [w.logs for w in pieces.slowness.wagers] == [pytest.approx(w.logs) for w in whole.slowness.wagers]
    assert pieces.ratio.log_e == pytest.approx(whole.ratio.log_e)


def test_a_user_counts_once_however_often_they_fail() -> None:
    log = [Request(at, True, True, 1_000, 0.05, "mara") for at in range(1_000)]
    tally = fold(Tally(), log, Users())
    assert tally.candidate.requests == 1_000
    assert tally.candidate.units == 1
    assert not tally.errors.reached(0.05)


def test_without_a_user_each_request_counts() -> None:
    log = [Request(at, True, True, 1_000, 0.05) for at in range(1_000)]
    assert fold(Tally(), log, Users()).errors.reached(1e-9)


def test_a_slower_candidate_is_found_and_an_equal_one_is_not() -> None:
    assert not fold(Tally(), requests(30_000), Users()).slowness.reached(0.01)
    assert fold(Tally(), requests(30_000, slower=1.3), Users()).slowness.reached(0.01)


def test_what_is_slower_within_the_slack_does_not_count() -> None:
    log = requests(30_000, slower=1.3)
    assert not fold(Tally(), log, Users(), 0.5).slowness.reached(0.01)
    assert fold(Tally(), requests(30_000, slower=1.6), Users(), 0.1).slowness.reached(0.01)


def test_marks_come_from_the_baseline_before_them() -> None:
    log = requests(30_000)
    few = [each for each in log if not each.is_candidate][: MARK_WINDOW - 1]
    assert fold(Tally(), few, Users()).slowness.marks == ()
    marks = fold(Tally(), log, Users()).slowness.marks
    assert edge_us(marks[0]) == pytest.approx(20_000, rel=0.1)
    assert marks[0] < marks[1] < marks[2]


def test_a_candidate_alone_is_compared_with_nothing() -> None:
    tally = fold(Tally(), [Request(1, True, True, 1_000, 1.0)] * 50, Users())
    assert tally.candidate.failed == 50
    assert tally.errors.best == 0


def test_what_cannot_be_is_counted_as_garbled_and_nothing_else() -> None:
    odd = [Request(1, True, True, -5, 0.5), Request(1, True, True, 5, 1.5), Request(1, True, True, 5, -0.1)]
    tally = fold(Tally(), odd, Users())
    assert tally.garbled == 3
    assert tally.candidate.requests == 0
    assert tally.newest_ms == 0


@given(st.integers(0, 10**9))
def test_a_bin_holds_what_is_below_its_edge(latency: int) -> None:
    place = bin_of(latency)
    assert latency <= edge_us(place) + 1 or place == 415


def test_a_fixed_limit_counts_windows_above_it_and_none_that_is_too_small() -> None:
    plan = Plan("fixed", (Step(Way.CANARY, 500),), (Guardrail(Watched.ERROR_RATE, limit=0.1, window_s=60),))
    busy = [Request(minute * 60 * SECOND + n, True, n < 10, 1_000, 0.05) for minute in range(4) for n in range(50)]
    quiet = [Request(minute * 60 * SECOND + n, True, True, 1_000, 0.05) for minute in range(4, 9) for n in range(5)]
    tally = held_to_limits(Tally(), plan, busy[:120])
    tally = held_to_limits(tally, plan, [*busy[120:], *quiet])
    assert tally.windows["error-rate"].failures == 4
