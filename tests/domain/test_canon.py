"""Canonical JSON: equal values have equal bytes, and what was packed unpacks to the same."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain import canon
from budwood.domain.canon import Json


class _Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str
    size: int = 0
    share: float | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    name: str = "unnamed"


@dataclass(frozen=True, slots=True)
class _Tree:
    leaves: tuple[_Leaf, ...]
    colour: _Colour = _Colour.RED
    digest: bytes = b""
    is_old: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    anything: Mapping[str, Json] = field(default_factory=dict)
    first: _Leaf | None = None


def test_the_order_in_which_keys_were_set_does_not_show() -> None:
    assert (
        canon.dumps({"b": 1, "a": [True, None]})
        == canon.dumps({"a": [True, None], "b": 1})
        == b'{"a":[true,null],"b":1}'
    )


def test_text_is_written_as_utf8() -> None:
    assert canon.dumps("模é") == '"模é"'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], "\udcff"])
def test_what_json_cannot_hold_is_refused(value: Json) -> None:
    with pytest.raises(ValueError):
        canon.dumps(value)


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '{"x":{"a":1,"a":1}}', "NaN", "[Infinity]", "-Infinity", "{", b"\xff", ""]
)
def test_what_is_ambiguous_or_broken_is_not_read(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        canon.loads(text)


def test_empty_fields_leave_no_trace() -> None:
    assert canon.pack(_Tree((_Leaf("a"),))) == {
        "leaves": [{"name": "a", "size": 0}],
        "colour": "red",
        "digest": "",
        "is_old": False,
    }


def test_zero_and_false_are_values_not_emptiness() -> None:
    assert canon.pack(_Leaf("a", 0, 0.0)) == {"name": "a", "size": 0, "share": 0.0}


def test_an_empty_field_is_kept_where_reading_could_not_give_it_back() -> None:
    assert canon.unpack(_Tree, canon.pack(_Tree(()))) == _Tree(())
    assert canon.pack(_Leaf("")) == {"name": "", "size": 0}
    assert canon.pack(_Named("")) == {"name": ""}
    assert canon.unpack(_Leaf, canon.pack(_Leaf("scalar", shape=()))).shape == ()


def test_fields_of_a_newer_budwood_are_passed_over() -> None:
    assert canon.unpack(_Leaf, {"name": "a", "colour": "unheard of"}) == _Leaf("a")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"name": 5},
        {"name": None},
        {"name": ["a"]},
        {"name": "a", "size": "1"},
        {"name": "a", "size": 1.5},
        {"name": "a", "size": True},
        {"name": "a", "share": "high"},
        {"name": "a", "shape": 4},
        {"name": "a", "shape": [1, "2"]},
    ],
)
def test_a_value_of_another_shape_is_refused(value: Json) -> None:
    with pytest.raises(ValueError):
        canon.unpack(_Leaf, value)


@pytest.mark.parametrize(
    "value",
    [
        {"leaves": {}},
        {"leaves": [None]},
        {"leaves": [], "colour": "blue"},
        {"leaves": [], "colour": 1},
        {"leaves": [], "digest": "xy"},
        {"leaves": [], "digest": 12},
        {"leaves": [], "names": ["a"]},
        {"leaves": [], "names": {"a": 1}},
        {"leaves": [], "is_old": 1},
    ],
)
def test_a_tree_of_another_shape_is_refused(value: Json) -> None:
    with pytest.raises(ValueError):
        canon.unpack(_Tree, value)


def test_a_whole_number_may_stand_for_a_float() -> None:
    share = canon.unpack(_Leaf, {"name": "a", "share": 1}).share
    assert share == 1.0
    assert isinstance(share, float)


def test_what_is_no_value_of_the_domain_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        canon.pack({1, 2})


leaves = st.builds(
    _Leaf,
    st.text(),
    st.integers(),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.lists(st.integers()).map(tuple),
)
plain = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
trees = st.builds(
    _Tree,
    st.lists(leaves, max_size=4).map(tuple),
    digest=st.binary(max_size=8),
    is_old=st.booleans(),
    names=st.dictionaries(st.text(), st.text(), max_size=3),
    anything=st.dictionaries(st.text(), plain, max_size=3),
    first=st.none() | leaves,
)


@given(trees)
def test_what_is_packed_unpacks_to_the_same(tree: _Tree) -> None:
    packed = json.loads(json.dumps(canon.pack(tree)))
    assert canon.unpack(_Tree, packed) == tree


@given(st.recursive(plain, lambda inner: st.dictionaries(st.text(), inner, max_size=3), max_leaves=8))
def test_bytes_are_a_fixed_point(value: Json) -> None:
    written = canon.dumps(value)
    assert canon.dumps(canon.loads(written)) == written
