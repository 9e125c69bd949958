"""Intervals, against what SciPy says and against chance itself."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from budwood.client.evaluating.chance import Chance
from budwood.domain.evaluation.measure import NORMAL_FROM, intervals, mean_interval, measured, wilson
from budwood.domain.evaluation.results import Count, read_results

CHANCE = Chance("tests")


@pytest.mark.parametrize(("hits", "of"), [(0, 1), (1, 1), (0, 10), (10, 10), (1, 3), (186, 200), (1, 10_000)])
def test_a_share_has_wilsons_interval(hits: int, of: int) -> None:
    found, wanted = wilson(Count(hits, of)), stats.binomtest(hits, of).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert (found.level, found.method) == (0.95, "wilson")
    assert 0 <= found.low <= hits / of <= found.high <= 1


def test_a_mean_has_the_percentiles_of_its_resamples() -> None:
    values = list(np.random.default_rng(7).exponential(size=200))
    found = mean_interval(values, CHANCE)
    wanted = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=0.02)
    assert found.method == "bootstrap"


def test_the_same_results_have_the_same_interval_by_the_seed() -> None:
    values = [float(n % 7) for n in range(100)]
    assert mean_interval(values, Chance("a")) == mean_interval(values, Chance("a"))
    assert mean_interval(values, Chance("a")) != mean_interval(values, Chance("b"))
    # The stream is fixed: other numbers here would change every interval that was ever kept.
    assert Chance("a")(values, 3) == [2.51, 3.28, 2.84]


def test_of_many_examples_the_normal_interval_is_what_the_bootstrap_comes_to() -> None:
    values = list(np.random.default_rng(3).normal(5, 2, NORMAL_FROM + 1))
    normal, drawn = mean_interval(values, CHANCE), mean_interval(values[:-1], CHANCE)
    assert normal is not None
    assert drawn is not None
    assert (normal.method, drawn.method) == ("normal", "bootstrap")
    assert (normal.low, normal.high) == pytest.approx((drawn.low, drawn.high), rel=0.001)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance, hits = random.Random(5), 0
    for _ in range(200):
        values = [chance.gauss(1, 1) for _ in range(40)]
        found = mean_interval(values, CHANCE)
        assert found is not None
        hits += found.low <= 1 <= found.high
    assert 175 <= hits <= 199


def test_a_single_example_says_nothing_of_how_sure_it_is() -> None:
    def never(values: Sequence[float], times: int) -> Sequence[float]:
        raise AssertionError("nothing is to be drawn")

    assert mean_interval([0.5], never) is None


def test_every_metric_is_measured_by_its_method() -> None:
    examples = '{"ok": true, "x": 1}\n{"ok": false, "x": 2}\n'
    whole = '{"metrics": {"auc": 0.9, "f1": 0.8}, "intervals": {"auc": [0.8, 1]}}\n{"counts": {"safe": [9, 10]}}'
    found = read_results(examples + whole)
    assert measured(found) == {"auc": 0.9, "f1": 0.8, "ok": 0.5, "safe": 0.9, "x": 1.5}
    assert {name: each.method for name, each in intervals(found, CHANCE).items()} == {
        "auc": "given",
        "ok": "wilson",
        "safe": "wilson",
        "x": "bootstrap",
    }
