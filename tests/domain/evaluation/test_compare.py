"""Two evaluations side by side: what may be said, and what may not."""

import json
import random

import pytest

from budwood.client.evaluating.chance import Chance
from budwood.domain.canon import dumps, loads, pack, unpack
from budwood.domain.evaluation.compare import Compared, Comparison, Judged, Side, compared, usually_more
from budwood.domain.evaluation.measure import intervals, measured, wilson
from budwood.domain.evaluation.results import Count, Results, read_results
from budwood.domain.policy.evidence import Interval, Outcome

CHANCE = Chance("tests")


def side(results: Results, *, examples: bool = True) -> Side:
    return Side(measured(results), intervals(results, CHANCE), results if examples else None)


def noisy(better: float, *, ids: bool = True, count: int = 300) -> Results:
    """Examples that differ much among themselves, and by ``better`` from one version to the other."""
    chance = random.Random(1)
    values = ({"score": chance.gauss(0, 1) + better} for _ in range(count))
    said = [json.dumps({"id": n, **value} if ids else value) for n, value in enumerate(values)]
    return read_results("\n".join(said))


def only(rows: tuple[Compared, ...]) -> Compared:
    (row,) = rows
    return row


def test_examples_with_ids_are_compared_each_with_itself() -> None:
    paired = only(compared(side(noisy(0)), side(noisy(0.05)), CHANCE))
    assert (paired.method, paired.verdict) == ("paired-bootstrap", Judged.BETTER)
    apart = only(compared(side(noisy(0), examples=False), side(noisy(0.05)), CHANCE))
    assert (apart.method, apart.verdict) == ("intervals", Judged.UNCLEAR)
    unnamed = only(compared(side(noisy(0, ids=False)), side(noisy(0.05, ids=False)), CHANCE))
    assert unnamed.method == "intervals"


def test_other_examples_are_not_paired() -> None:
    assert only(compared(side(noisy(0)), side(noisy(0.05, count=299)), CHANCE)).method == "intervals"


def test_the_order_of_examples_does_not_matter() -> None:
    one = read_results('{"id": 1, "a": 1}\n{"id": 2, "a": 5}\n{"id": 3, "a": 9}')
    other = read_results('{"id": 3, "a": 9}\n{"id": 1, "a": 1}\n{"id": 2, "a": 5}')
    row = only(compared(side(one), side(other), CHANCE))
    assert (row.verdict, row.low, row.high) == (Judged.SAME, 0.0, 0.0)


def test_shares_apart_have_newcombes_interval() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), example (a): 56/70 and 48/80 differ by 0.0524 to 0.3339.
    sides = [Side({"ok": count.hits / count.of}, {"ok": wilson(count)}) for count in (Count(48, 80), Count(56, 70))]
    row = only(compared(sides[0], sides[1], CHANCE))
    assert (row.low, row.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert row.verdict is Judged.BETTER


@pytest.mark.parametrize(
    ("name", "verdict"), [("score", Judged.WORSE), ("loss", Judged.BETTER), ("latency_ms", Judged.BETTER)]
)
def test_what_is_better_goes_by_the_name(name: str, verdict: Judged) -> None:
    before, after = (Side({name: at}, {name: Interval(at - 0.1, at + 0.1)}) for at in (2.0, 1.0))
    assert only(compared(before, after, CHANCE)).verdict is verdict
    turned = compared(before, after, CHANCE, less_is_better=frozenset({"score"}), more_is_better=frozenset({"loss"}))
    if name != "latency_ms":
        assert only(turned).verdict is not verdict


def test_names_are_read_word_by_word() -> None:
    assert [usually_more(name) for name in ("val/loss", "p95-latency", "Error_Rate", "glossary", "timeliness")] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_numbers_alone_are_unclear_unless_equal() -> None:
    before = Side({"auc": 0.9, "f1": 0.5})
    rows = compared(before, Side({"auc": 0.95, "f1": 0.5}), CHANCE)
    assert [(row.metric, row.verdict, row.low) for row in rows] == [
        ("auc", Judged.UNCLEAR, None),
        ("f1", Judged.SAME, None),
    ]


def test_a_difference_surely_within_the_margin_is_the_same() -> None:
    sides = side(noisy(0)), side(noisy(-0.01))
    assert only(compared(*sides, CHANCE)).verdict is Judged.WORSE
    assert only(compared(*sides, CHANCE, margin=0.02)).verdict is Judged.SAME


def test_the_worst_metric_decides_and_the_unclear_decide_nothing() -> None:
    def outcome(*verdicts: Judged, missing: tuple[str, ...] = ()) -> Outcome:
        rows = tuple(Compared("m", 0, 0, 0, None, None, "", True, verdict) for verdict in verdicts)
        return Comparison("a", "b", "d", rows, missing).outcome

    assert outcome(Judged.BETTER, Judged.SAME) is Outcome.PASSED
    assert outcome(Judged.BETTER, Judged.UNCLEAR) is Outcome.NONE
    assert outcome(Judged.BETTER, missing=("f1",)) is Outcome.NONE
    assert outcome(Judged.BETTER, Judged.UNCLEAR, Judged.WORSE) is Outcome.FAILED
    assert outcome() is Outcome.FAILED


def test_a_comparison_reads_back_as_it_was_kept() -> None:
    rows = compared(side(noisy(0)), side(noisy(0.05)), CHANCE) + compared(Side({"a": 1}), Side({"a": 2}), CHANCE)
    found = Comparison("x@v1", "x@v2", "d", rows, ("f1",), ("e1", "e2"))
    assert unpack(Comparison, loads(dumps(pack(found)))) == found
