"""The difference of two settings files is told by structure, bounded in depth and count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.change import What
from budwood.domain.limits import DIFF_CHANGES, DIFF_DEPTH
from budwood.domain.structural import structural


def _told(before: Json, after: Json) -> list[tuple[str, str, Json, Json]]:
    return [(c.what.value, c.key, c.before, c.after) for c in structural(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("changed", "a", 1, 2)]),
        ({"a": 1}, {"b": 1}, [("removed", "a", 1, None), ("added", "b", None, 1)]),
        ({"a": None}, {}, [("removed", "a", None, None)]),
        ({"a": 1}, {"a": True}, [("changed", "a", 1, True)]),
        ({"a": [1]}, {"a": [True]}, [("changed", "a[0]", 1, True)]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [("changed", "a.b[1].c", 2, 3)]),
        ({"a": {"b": 1}}, {"a": [1]}, [("changed", "a", {"b": 1}, [1])]),
        ({"architectures": ["A"]}, {"architectures": ["B"]}, [("changed", "architectures[0]", "A", "B")]),
        (["a", "b", "c"], ["a", "x", "b", "c"], [("added", "[1]", None, "x")]),
        (["a", "b", "c"], ["b", "c"], [("removed", "[0]", "a", None)]),
        (["a", "a"], ["a"], [("removed", "[1]", "a", None)]),
        ({"odd key": 1, "": 2}, {}, [("removed", '[""]', 2, None), ("removed", '["odd key"]', 1, None)]),
        (1, 2, [("changed", "", 1, 2)]),
        ({"a": float("nan")}, {"a": float("nan")}, []),
        ({"a": 1}, {"a": float("inf")}, [("changed", "a", 1, "inf")]),
    ],
)
def test_each_change_is_named_by_its_place(before: Json, after: Json, told: list[tuple[str, str, Json, Json]]) -> None:
    assert _told(before, after) == told


def test_large_values_are_shown_by_their_size() -> None:
    assert _told({}, {"vocab": {str(n): n for n in range(5000)}}) == [("added", "vocab", None, "(5000 keys)")]
    assert _told({}, {"merges": ["ab"] * 5000}) == [("added", "merges", None, "(5000 items)")]
    (change,) = structural("", "x" * 5000)
    assert isinstance(change.after, str)
    assert len(change.after) < 1100


def test_many_changes_are_counted_rather_than_listed() -> None:
    changes = structural({}, {str(n): n for n in range(DIFF_CHANGES + 7)})
    assert len(changes) == DIFF_CHANGES + 1
    assert (changes[-1].what, changes[-1].after) == (What.LEFT_OUT, 7)


def test_what_is_nested_too_deep_is_one_change() -> None:
    before: Json = 1
    after: Json = 2
    for _ in range(DIFF_DEPTH * 8):
        before, after = [before], {"a": after}
    assert len(structural(before, after)) == 1
    assert len(structural(before, [before])) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab.[", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, json_values)
def test_any_two_values_can_be_compared_and_told_as_json(before: Json, after: Json) -> None:
    changes = structural(before, after)
    canon.dumps(canon.pack(changes))
    assert structural(before, before) == ()
    assert len(structural(after, before)) == len(changes)
