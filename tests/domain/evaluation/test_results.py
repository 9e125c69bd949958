"""What an evaluation may say, and what it is told when it says something else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.evaluation.results import Count, example_lines, read_results
from budwood.domain.limits import EVIDENCE_METRICS
from budwood.errors import EvaluationFailed


def lines(*said: object) -> str:
    return "\n".join(json.dumps(each) for each in said)


def test_every_number_of_an_example_is_a_metric_and_text_is_not() -> None:
    found = read_results(
        lines({"id": "a", "ok": True, "loss": 1, "label": "cat"}, {"id": 7, "ok": False, "loss": 0.5, "label": "dog"})
    )
    assert found.columns == {"ok": (1.0, 0.0), "loss": (1.0, 0.5)}
    assert (found.ids, sorted(found.shares), found.samples) == (("a", "7"), ["ok"], 2)


def test_metrics_of_all_stand_beside_examples() -> None:
    found = read_results(
        lines(
            {"ok": True},
            {"metrics": {"auc": 0.9}, "samples": 50, "intervals": {"auc": [0.8, 0.95]}},
            {"counts": {"safe": [9, 10]}},
        )
    )
    assert (found.metrics, found.bounds, found.counts) == ({"auc": 0.9}, {"auc": (0.8, 0.95)}, {"safe": Count(9, 10)})
    assert found.samples == 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no metric"),
        ("hello", "Line 1"),
        ('{"a": 1}\n\nhello', "Line 3"),
        ("[1]", "no JSON object"),
        ('{"a": 1, "a": 2}', "Line 1"),
        ('{"loss": NaN}', "NaN"),
        ('{"loss": Infinity}', "NaN or infinity"),
        ('{"loss": 1e999}', "'loss' is inf"),
        ('{"loss": 1' + "0" * 400 + "}", "'loss' is inf"),
        ('{"loss": null}', "'loss' is 'None'"),
        ('{"loss": [1]}', "no number"),
        ('{"label": "cat"}', "no number"),
        ('{"a": 1}\n{"b": 1}', "'a'"),
        ('{"a": 1}\n{"a": 1, "b": 1}', "'b'"),
        ('{"a": 1}\n{"a": true}', "true or false"),
        ('{"id": 1, "a": 1}\n{"id": 1, "a": 2}', "of another"),
        ('{"id": 1, "a": 1}\n{"id": "1", "a": 2}', "of another"),
        ('{"id": 1, "a": 1}\n{"a": 2}', "no 'id'"),
        ('{"a": 1}\n{"id": 1, "a": 2}', "others do not"),
        ('{"id": 1.5, "a": 1}', "whole number"),
        ('{"id": "\\ud800", "a": 1}', "no Unicode"),
        ('{"\\ud800": 1}', "names a metric"),
        ('{"": 1}', "names a metric"),
        ('{"metrics": 5}', "names nothing"),
        ('{"metrics": {"a": 1}, "id": 5}', "'id' beside metrics"),
        ('{"metrics": {"a": 1}}\n{"metrics": {"a": 2}}', "again"),
        ('{"metrics": {"a": 1}, "intervals": {"a": [2, 1]}}', "interval"),
        ('{"metrics": {"a": 1}, "intervals": {"b": [1, 2]}}', "of no metric"),
        ('{"metrics": {"a": 1}, "samples": -1}', "samples"),
        ('{"metrics": {"a": 1}, "samples": true}', "samples"),
        ('{"counts": {"a": [3, 2]}}', "3 of 2"),
        ('{"counts": {"a": [0, 0]}}', "0 of 0"),
        ('{"counts": {"a": [1.5, 2]}}', "1.5 of 2"),
        ('{"counts": {"a": [1]}}', "two numbers"),
        ('{"metrics": {"a": 1}}\n{"a": 1}', "two ways"),
        ('{"counts": {"a": [1, 2]}}\n{"a": true}', "two ways"),
    ],
)
def test_what_is_no_result_is_refused_by_its_line(text: str, words: str) -> None:
    with pytest.raises(EvaluationFailed) as failed:
        read_results(text)
    assert words in failed.value.message


def test_too_many_metrics_are_refused_by_name() -> None:
    many = {f"m{n}": n for n in range(EVIDENCE_METRICS + 1)}
    for said in (many, {"metrics": many}):
        with pytest.raises(EvaluationFailed) as failed:
            read_results(lines(said))
        assert failed.value.facts["limit"] == "EVIDENCE_METRICS"


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
        unique_by=lambda pair: pair[0],
    )
)
def test_examples_read_back_as_they_were_kept(pairs: list[tuple[str, float]]) -> None:
    found = read_results(lines(*({"id": each, "x": value, "y": value > 0} for each, value in pairs)))
    assert read_results(b"".join(example_lines(found)).decode()) == found


@given(
    st.text()
    | st.recursive(st.none() | st.floats() | st.text(), lambda c: st.dictionaries(st.text(), c)).map(json.dumps)
)
def test_whatever_is_said_is_read_or_refused(text: str) -> None:
    try:
        found = read_results(text)
    except EvaluationFailed:
        return
    assert all(math.isfinite(value) for column in found.columns.values() for value in column)
