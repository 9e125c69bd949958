"""Units and observations into a tally, and what a report makes of them."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.observations.folding import Came, Joined, begun_anew, exposed, observed
from budwood.domain.observations.reading import read_observations, unit_of
from budwood.domain.observations.report import told
from budwood.domain.rollout.interval import METRIC_PLANNED, Mean, difference
from budwood.domain.rollout.plan import Metric
from budwood.domain.rollout.tally import Tally, Users, packed, unpacked
from budwood.domain.traffic.hashing import BUCKETS, bucket_of

KINDS = {"bought": Metric.RATIO, "basket": Metric.MEAN}
ITEMS = st.lists(
    st.tuples(st.sampled_from(["bought", "basket", "other"]), st.integers(0, 30), st.floats(-1e6, 1e6)), max_size=60
)


@given(ITEMS, st.integers(0, 60))
def test_where_a_batch_is_cut_changes_nothing(items: list[tuple[str, int, float]], cut: int) -> None:
    joined = [Joined(metric, f"u{unit}", unit % 2 == 0, value) for metric, unit, value in items]
    users = Users()
    whole = observed(Tally(), joined, users, KINDS)
    parts = Users()
    first = observed(Tally(), joined[:cut], parts, KINDS)
    assert observed(first, joined[cut:], unpacked(packed(parts)), KINDS) == whole


@given(ITEMS)
def test_said_again_nothing_counts_twice(items: list[tuple[str, int, float]]) -> None:
    joined = [Joined(metric, f"u{unit}", unit % 2 == 0, value) for metric, unit, value in items]
    users = Users()
    once = observed(Tally(), joined, users, KINDS)
    assert observed(once, joined, users, KINDS) == once
    assert set(once.metrics) <= set(KINDS)


def test_a_new_step_counts_from_nothing() -> None:
    users = Users()
    came = [Came(f"u{number}", number % 2 == 0) for number in range(100)]
    tally = exposed(Tally(), came * 2, users)
    assert tally.exposed == (50, 50)
    again = begun_anew(tally, users)
    assert (again.exposed, dict(again.metrics)) == ((), {})
    assert exposed(again, came, users).exposed == (50, 50)


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_stands_for_a_user_tells_their_arm(salt: str, user: str) -> None:
    assert int(unit_of(salt, user), 16) % BUCKETS == bucket_of(salt, user)


@given(st.lists(st.text(max_size=80) | st.dictionaries(st.text(max_size=8), st.integers() | st.text()).map(json.dumps)))
def test_every_line_is_read_or_counted(lines: list[str]) -> None:
    heard = read_observations(lines, 1_000_000)
    assert len(heard.said) + heard.garbled == len(lines)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1 << 30))
def test_a_thousand_looks_at_two_alike_seldom_find_a_difference(seed: int) -> None:
    """At alpha 0.05 of 40 tests looked at 40 times each, more than 8 wrong would come by chance in 1 of 5,000."""
    chance, wrong = random.Random(seed), 0
    for _ in range(40):
        arms = [Mean(), Mean()]
        for _ in range(40):
            for side in (0, 1):
                sold = sum(chance.random() < 0.1 for _ in range(50))
                arms[side] = arms[side].after(50, sold, sold)
            found = difference(*arms, alpha=0.05, planned=METRIC_PLANNED)
            if found is not None and found.is_clear:
                wrong += 1
                break
    assert wrong <= 8


def test_a_report_says_who_is_better_and_with_what_power() -> None:
    better = told(Mean(5_000, 1_000, 1_000), Mean(5_000, 500, 500), 0.05, lower_is_better=False)
    assert (better.says, better.effect) == ("better", 0.1)
    assert better.power is not None
    assert better.power > 0.99
    assert better.detectable is not None
    assert 0 < better.detectable < 0.1
    assert told(Mean(5_000, 1_000, 1_000), Mean(5_000, 500, 500), 0.05, lower_is_better=True).says == "worse"
    few = told(Mean(10, 1, 1), Mean(10, 1, 1), 0.05, lower_is_better=False)
    assert (few.says, few.effect) == ("unclear", None)
