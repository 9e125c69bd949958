"""Changing a split moves the slice that was added, and nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import SPLIT_ARMS
from budwood.domain.traffic.hashing import BUCKETS
from budwood.domain.traffic.segments import Segment, checked, first_table, moved_to, moves
from budwood.errors import BadSplit

ARMS = ("v1", "v2", "v3", "v4")


@st.composite
def splits(draw: st.DrawFn) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, BUCKETS), min_size=len(ARMS) - 1, max_size=len(ARMS) - 1)))
    edges = [0, *cuts, BUCKETS]
    order = draw(st.permutations(ARMS))
    return {arm: high - low for arm, low, high in zip(order, edges, edges[1:], strict=False)}


@given(splits(), st.lists(splits(), min_size=1, max_size=6))
def test_each_change_moves_exactly_what_was_added(start: dict[str, int], later: list[dict[str, int]]) -> None:
    table = first_table(start)
    for split in later:
        added = sum(max(0, points - table.split.get(arm, 0)) for arm, points in split.items())
        after = moved_to(table, split)
        assert after.split == checked(split)
        assert moves(table, after) == added
        for bucket in range(0, BUCKETS, 7):
            before, now = table.arm_at(bucket), after.arm_at(bucket)
            assert before == now or split.get(before, 0) < table.split[before]
        table = after


def test_growing_the_first_of_three_arms_leaves_the_second_alone() -> None:
    table = first_table({"v3": 500, "v2": 500, "v1": 9_000})
    after = moved_to(table, {"v3": 1_000, "v2": 500, "v1": 8_500})
    moved = [b for b in range(BUCKETS) if table.arm_at(b) != after.arm_at(b)]
    assert len(moved) == 500
    assert {table.arm_at(b) for b in moved} == {"v1"}
    assert {after.arm_at(b) for b in moved} == {"v3"}


def test_a_ramp_and_back_ends_where_it_began() -> None:
    table = first_table({"stable": 9_900, "canary": 100})
    for canary in (500, 2_500, 5_000, 9_000, 5_000, 500, 100):
        table = moved_to(table, {"stable": BUCKETS - canary, "canary": canary})
    assert table == first_table({"stable": 9_900, "canary": 100})


def test_an_arm_without_weight_is_not_listed() -> None:
    assert first_table({"a": BUCKETS, "b": 0}).segments == (Segment("a", BUCKETS),)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"a": 5_000, "b": 4_999}, "add up to 9999"),
        ({"a": 10_001, "b": -1}, "'a' has a weight of 10001"),
        ({"a": 0.5, "b": 9_999.5}, "weight of 0.5"),
        ({"a": float("nan"), "b": 10_000}, "weight of nan"),
        ({"a": True, "b": 9_999}, "weight of True"),
        ({}, "add up to 0"),
        ({f"a{n}": 500 for n in range(SPLIT_ARMS)} | {"b": 0}, "too wide"),
    ],
)
def test_what_is_no_split_is_refused(split: dict[str, int], said: str) -> None:
    with pytest.raises(BadSplit, match=said):
        first_table(split)
