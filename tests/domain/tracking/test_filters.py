"""MLflow's search language: what it says, what it refuses and where, and that no text breaks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.tracking.fields import DATASET, EXPERIMENTS, METRIC, PARAM, RUNS, TAG
from budwood.domain.tracking.filters import (
    ATTRIBUTE,
    Comparison,
    Operator,
    Order,
    Place,
    parse_filter,
    parse_orders,
)
from budwood.errors import BadFilter, Invalid

KEYS = st.text(st.characters(exclude_characters="`\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
VALUES = st.text(st.characters(exclude_characters="'\0", exclude_categories=["Cs"]), max_size=20)


def only(text: str) -> Comparison:
    (found,) = parse_filter(text, RUNS)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc > 0.9", Comparison(Place(METRIC, "acc"), Operator.GT, 0.9)),
        ("metric.`val loss` <= -1e-3", Comparison(Place(METRIC, "val loss"), Operator.LE, -0.001)),
        ('metrics."a.b" != 3', Comparison(Place(METRIC, "a.b"), Operator.NE, 3.0)),
        ("params.lr = '0.1'", Comparison(Place(PARAM, "lr"), Operator.EQ, "0.1")),
        ('parameter.m LIKE "L%"', Comparison(Place(PARAM, "m"), Operator.LIKE, "L%")),
        ("tags.mlflow.source.name ilike '%x%'", Comparison(Place(TAG, "mlflow.source.name"), Operator.ILIKE, "%x%")),
        ("tag.owner IS NULL", Comparison(Place(TAG, "owner"), Operator.IS_NULL, None)),
        ("params.x is not null", Comparison(Place(PARAM, "x"), Operator.IS_NOT_NULL, None)),
        ("run_id IN ('a', 'b')", Comparison(Place(ATTRIBUTE, "run_id"), Operator.IN, ("a", "b"))),
        ("attributes.run_id not in ('a')", Comparison(Place(ATTRIBUTE, "run_id"), Operator.NOT_IN, ("a",))),
        ("attr.`run name` = 'x'", Comparison(Place(ATTRIBUTE, "run_name"), Operator.EQ, "x")),
        ("created>=5", Comparison(Place(ATTRIBUTE, "start_time"), Operator.GE, 5.0)),
        ("status = 'FINISHED'", Comparison(Place(ATTRIBUTE, "status"), Operator.EQ, "FINISHED")),
        ("datasets.name = 'd'", Comparison(Place(DATASET, "name"), Operator.EQ, "d")),
        ("params.and = 'and'", Comparison(Place(PARAM, "and"), Operator.EQ, "and")),
    ],
)
def test_a_comparison_says_what_is_compared(text: str, expected: Comparison) -> None:
    assert only(text) == expected


def test_comparisons_are_joined_by_and_in_any_case() -> None:
    found = parse_filter("metrics.a > 1 and params.b='x' AND tags.c != 'and';", RUNS)
    assert [each.place.key for each in found] == ["a", "b", "c"]
    assert parse_filter("  ", RUNS) == ()


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("metrics.acc >", 14, "Invalid clause.*a value belongs behind >"),
        ("metrics.acc > 'x'", 15, "Expected numeric"),
        ("params.lr = 0.1", 13, "Expected a quoted string"),
        ("params.lr > '0.1'", 11, "Invalid comparator"),
        ("metrics.acc LIKE 'x'", 13, "Invalid comparator"),
        ("metrics.a = 1 OR metrics.b = 2", 15, "joined by AND"),
        ("metrics.a = 1 metrics.b = 2", 15, "joined by AND"),
        ("nothing = 'x'", 1, "Invalid attribute key"),
        ("what.x = 'y'", 1, "Invalid entity type"),
        ("metrics. = 1", 1, "no key"),
        ("'acc' = 'x'", 1, "begins with a field"),
        ("params.a = 'x", 12, "quote has no end"),
        ("status IS NULL", 8, "only supported"),
        ("run_id IN ()", 12, "non-empty list.*empty list"),
        ("run_id IN (,)", 12, "ill-formed list"),
        ("run_id IN ('a',,'b')", 16, "ill-formed list"),
        ("run_id IN (1)", 12, "different type"),
        ("run_id IN (", 12, "Invalid clause.*no end"),
        ("run_id IN", 10, "Invalid clause.*a value belongs behind IN"),
        ("run_id IN ('a' 'b')", 16, "expected ','"),
        ("status IN ('a')", 8, "Invalid comparator"),
        ("datasets.size = 'x'", 1, "Valid keys are"),
        ("metrics.a ! 1", 11, "stands alone"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadFilter, match=said) as caught:
        parse_filter(text, RUNS)
    assert caught.value.facts["position"] == position


def test_orders_name_a_field_and_a_direction() -> None:
    words = ["metrics.`val loss` DESC", "params.a", "start_time asc", "tag.x desc", "attribute.end_time"]
    assert parse_orders(words, RUNS) == (
        Order(Place(METRIC, "val loss"), True),
        Order(Place(PARAM, "a")),
        Order(Place(ATTRIBUTE, "start_time")),
        Order(Place(TAG, "x"), True),
        Order(Place(ATTRIBUTE, "end_time")),
    )


@pytest.mark.parametrize("text", ["", "metrics.a DESC DESC", "metrics.a > 1", "datasets.name", "what.x", "x DESC", ","])
def test_an_order_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        parse_orders([text], RUNS)


def test_experiments_are_searched_by_other_fields() -> None:
    assert parse_filter("experiment_id IN ('1', 2) AND name LIKE 'a%' AND tags.x = 'y'", EXPERIMENTS)
    assert parse_filter("creation_time > 5", EXPERIMENTS)
    for text in ("metrics.a > 1", "run_id = 'x'", "tags.x > 'y'"):
        with pytest.raises(BadFilter):
            parse_filter(text, EXPERIMENTS)


@given(KEYS, VALUES)
def test_any_key_and_any_value_come_through_their_quotes(key: str, value: str) -> None:
    assert only(f"params.`{key}` = '{value}'") == Comparison(Place(PARAM, key), Operator.EQ, value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
def test_any_number_comes_through(number: float, operator: str) -> None:
    assert only(f"metrics.a {operator} {number!r}").value == number


PIECES = ["metrics.", "a", "params.", "=", ">", "'x'", '"', "`", "(", ")", "IN", "NOT", "IS", "NULL", "AND", ";", ","]


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_every_text_is_read_or_refused(text: str) -> None:
    for grammar in (RUNS, EXPERIMENTS):
        try:
            parse_filter(text, grammar)
            parse_orders([text], grammar)
        except Invalid as error:
            assert error.message  # noqa: PT017
