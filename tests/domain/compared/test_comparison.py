"""Two answers, and whether they say the same."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.compared.answers import REDACTED, WITHHELD, part_of, redacted
from budwood.domain.compared.comparison import Comparison, Kind, Unlike, compare

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def answer(value: object) -> str:
    return json.dumps({"outputs": [{"data": value}]})


@pytest.mark.parametrize(
    ("kind", "held", "said", "agrees"),
    [
        (Kind.CLASS, "cat", "cat", True),
        (Kind.CLASS, [1, 0, 2], [1, 0, 1], False),
        (Kind.NUMBER, [0.5], [0.509], True),
        (Kind.NUMBER, 0.5, 0.52, False),
        (Kind.VECTOR, [[0.1, 0.9], [0.3, 0.7]], [[0.1, 0.905], [0.3, 0.7]], True),
        (Kind.VECTOR, [0.1, 0.9], [0.1], False),
        (Kind.VECTOR, [0.1, 0.9], ["high"], False),
        (Kind.TEXT, "a b  c", "a b c", True),
        (Kind.TEXT, "a b c", "a b d", False),
        (Kind.JSON, {"x": [1.0, {"y": "z"}]}, {"x": [1.005, {"y": "z"}]}, True),
        (Kind.JSON, {"x": True}, {"x": 1}, False),
        (Kind.JSON, {"x": 1}, {"x": 1, "y": 2}, False),
    ],
)
def test_each_type_has_its_comparator(kind: Kind, held: object, said: object, agrees: bool) -> None:
    found = compare(Comparison(kind, "outputs[0].data", 0.01), answer(held), answer(said))
    assert found.agrees is agrees
    assert bool(found.detail) is not agrees


def test_a_text_may_differ_in_part_of_its_words() -> None:
    loose = Comparison(Kind.TEXT, "", 0.2)
    assert compare(loose, "one two three four five", "one two three four six").agrees
    assert not compare(loose, "one two three", "nothing like it").agrees


def test_what_the_baseline_did_not_say_is_held_against_nobody() -> None:
    number = Comparison(Kind.NUMBER, "outputs[0].data")
    for garbled in ("<html>", "", '{"outputs": []}', answer("high"), answer([1, 2]), '{"outputs": [{"data": NaN}]}'):
        with pytest.raises(Unlike):
            compare(number, garbled, answer(1))
        assert not compare(number, answer(1), garbled).agrees


@given(VALUES)
def test_every_answer_says_the_same_as_itself(value: object) -> None:
    assert compare(Comparison(Kind.JSON), answer(value), answer(value)).agrees


@given(VALUES, VALUES)
def test_answers_that_agree_are_equal_and_it_is_the_same_both_ways(one: object, other: object) -> None:
    exact = Comparison(Kind.JSON)
    found = compare(exact, answer(one), answer(other)).agrees
    assert found is compare(exact, answer(other), answer(one)).agrees
    if found:
        assert one == other


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(list(Kind)))
def test_garbage_never_breaks_a_comparator(one: str, other: str, kind: Kind) -> None:
    with contextlib.suppress(Unlike):
        compare(Comparison(kind, "a.b[1]", 0.1), one, other)


@given(VALUES)
def test_redacted_values_are_nowhere_in_what_is_kept(value: object) -> None:
    body = json.dumps({"deep": [{"iban": "SECRET-123", "other": value}], "iban": {"n": "SECRET-123"}})
    kept = redacted(body, ("iban",))
    assert "SECRET-123" not in kept
    assert json.loads(kept)["iban"] == REDACTED
    assert json.loads(kept)["deep"][0]["other"] == value or "iban" in json.dumps(value)


def test_what_cannot_be_redacted_is_withheld() -> None:
    assert redacted("iban=SECRET", ("iban",)) == WITHHELD
    assert redacted("iban=open", ()) == "iban=open"
    assert redacted("[" * 500 + "]" * 500, ("iban",)) == WITHHELD


def test_a_part_is_found_by_its_path() -> None:
    assert part_of('{"a": [{"b": 3}]}', "a[0].b").value == 3  # type: ignore[union-attr]
    assert part_of('{"a": []}', "a[0].b") == "it has no a[0].b"
