"""Paths of artifacts: safe however often they are decoded; logged models: found and ordered by what is said of them."""

import math
import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.artifacts import Described, LoggedModel, ModelSaid, ModelStatus, artifact_path, model_id
from budwood.domain.logged_search import LOGGED_MODELS, OnDataset, in_order, like, matches, model_order
from budwood.domain.tracking.filters import parse_filter
from budwood.domain.tracking.records import Metric, RunMetric
from budwood.errors import BadFilter, BadValue


@given(st.text(st.sampled_from("./\\%25ec2faA:~#?; \0\n"), max_size=20))
def test_a_path_that_is_taken_leads_nowhere_else_however_it_is_decoded(text: str) -> None:
    try:
        path = artifact_path(text)
    except BadValue:
        return
    for _ in range(20):
        assert not path.startswith("/")
        assert posixpath.normpath(path) == path
        assert ".." not in path.replace("\\", "/").split("/")
        path = unquote(path)


@given(st.lists(st.text("abc-_.", min_size=1, max_size=5).filter(lambda name: name.strip(".")), min_size=1, max_size=4))
def test_a_plain_path_is_taken_as_it_is(names: list[str]) -> None:
    assert artifact_path("/".join(names)) == "/".join(names)


@pytest.mark.parametrize("times", range(1, 12))
def test_what_leads_out_is_refused_however_often_it_is_encoded(times: int) -> None:
    text = "../x"
    for _ in range(times):
        text = quote(text, safe="")
    with pytest.raises(BadValue, match="Invalid path"):
        artifact_path(text)


@pytest.mark.parametrize("text", ["", "m-", "m-" + "g" * 32, "../m-" + "0" * 32, "m-" + "0" * 33])
def test_what_is_no_id_of_a_model_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        model_id(text)


def described(number: int, *metrics: RunMetric, **params: str) -> Described:
    made = LoggedModel(
        number, f"m-{number:032x}", 1, 0, f"net-{number}", "", ModelStatus.READY, "r", "", "mara", number, number
    )
    return Described(made, ModelSaid(params=params, metrics=metrics))


def measured(value: float, at_ms: int = 1, dataset: str = "") -> RunMetric:
    return RunMetric("r", Metric("auc", value, at_ms, dataset=(dataset, "d")))


def test_what_was_never_measured_comes_last_in_either_order_and_no_number_before_it() -> None:
    models = [described(1, measured(0.1)), described(2), described(3, measured(math.nan)), described(4, measured(0.9))]
    for ascends, numbers in ((True, [1, 4, 3, 2]), (False, [4, 1, 3, 2])):
        orders = [model_order("metrics.auc", None, ascends=ascends)]
        assert [each.model.id for each in in_order(models, orders)] == numbers


def test_of_several_measurements_the_newest_counts() -> None:
    models = [described(1, measured(0.9, 1), measured(0.1, 2)), described(2, measured(0.5, 1))]
    orders = [model_order("metrics.auc", None, ascends=True)]
    assert [each.model.id for each in in_order(models, orders)] == [1, 2]


def test_among_equals_the_next_word_of_the_order_decides() -> None:
    models = [described(number, measured(0.5)) for number in (1, 2, 3)]
    orders = [model_order("metrics.auc", None, ascends=True), model_order("name", None, ascends=True)]
    assert [each.model.id for each in in_order(models, orders)] == [1, 2, 3]
    assert [each.model.id for each in in_order(models, orders[:1])] == [3, 2, 1]


def test_a_filter_on_data_sets_counts_only_what_was_measured_there() -> None:
    model = described(1, measured(0.9, dataset="train"), measured(0.1, dataset="test"))
    asked = parse_filter("metrics.auc > 0.5", LOGGED_MODELS)
    assert matches(model, asked, [])
    assert matches(model, asked, [OnDataset("train", "d")])
    assert not matches(model, asked, [OnDataset("test")])
    assert not matches(model, asked, [OnDataset("train", "other")])


@pytest.mark.parametrize("field", ["", "params.x", "tags.x", "metrics.", "nothing", "attributes.nothing", "id; drop"])
def test_an_order_by_what_there_is_not_is_refused(field: str) -> None:
    with pytest.raises(BadFilter):
        model_order(field, None, ascends=True)


@given(st.text("ab", max_size=8), st.text("ab%_", max_size=8))
def test_like_agrees_with_a_plain_reading(text: str, pattern: str) -> None:
    def plain(left: str, rest: str) -> bool:
        if not rest:
            return not left
        if rest[0] == "%":
            return any(plain(left[at:], rest[1:]) for at in range(len(left) + 1))
        return bool(left) and rest[0] in ("_", left[0]) and plain(left[1:], rest[1:])

    assert like(text, pattern) == plain(text, pattern)


def test_like_takes_no_time_for_a_pattern_made_to_take_it() -> None:
    assert not like("a" * 3_000, "%a" * 200 + "b")
    assert like("A" * 3_000, "%a" * 200, any_case=True)
