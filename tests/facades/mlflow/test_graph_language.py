"""The texts of GraphQL queries, read into what they ask for."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.canon import Json
from budwood.errors import Invalid
from budwood.facades.mlflow.graph_language import Field, Operation, operation

_WORDS = st.sampled_from([*'$(){}[]:=!@1,#"\\', "query", "mutation", "a", "-2.5e3", '"x"', "null", "..."])


def test_values_are_of_every_kind() -> None:
    text = r'mutation M { a(x: 1, y: -2.5e1 z: "\u00e9\"" l: [true, null ON] o: {k: "v"}) }'
    arguments: dict[str, Json] = {"x": 1, "y": -25.0, "z": 'é"', "l": [True, None, "ON"], "o": {"k": "v"}}
    assert operation(text, {}, "") == Operation("M", (Field("a", "a", arguments),), is_mutation=True)


def test_a_variable_is_what_was_given_else_its_default_else_nothing() -> None:
    text = 'query ($a: [Int!]! = [1], $b: T = "d", $c: T) { f(a: $a, b: $b, c: $c) }'
    (field,) = operation(text, {"a": [2]}, "").fields
    assert field.arguments == {"a": [2], "b": "d", "c": None}


def test_the_operation_is_chosen_by_its_name() -> None:
    text = "query A { a } query B { b: a { c } }"
    assert operation(text, {}, "B").fields == (Field("a", "b", {}, (Field("c", "c"),)),)
    with pytest.raises(Invalid, match="Unknown operation named 'C'"):
        operation(text, {}, "C")


@given(st.lists(_WORDS, max_size=40).map(" ".join) | st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert operation(text, {}, "").fields
