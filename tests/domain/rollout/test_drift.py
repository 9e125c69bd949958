"""A drift alarms no more often than it says, finds what is planted, and says nothing of too little."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.observations.folding import Joined, begun_anew, drifted, drifts_of
from budwood.domain.rollout.drift import LEARNT, LEAST, Drift, edges_of
from budwood.domain.rollout.next_action import Action, Hold, Progress, Promote, RollBack, Shift, next_action
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Watched, Way
from budwood.domain.rollout.reading import read_plan
from budwood.domain.rollout.tally import Counts, Tally, Users, packed, unpacked
from budwood.errors import BadPlan

ALPHA = 0.05
NOW = 10_000_000
RAIL = Guardrail(Watched.DRIFT, metric="score", limit=0.2)
PLAN = Plan("drift", (Step(Way.CANARY, 5_000), Step(Way.CANARY, 9_000)), (RAIL,), proof=False)
LAST = Progress(1, NOW - 60_000)
TOLD = Drift((-1.0, 0.0, 1.0))
VALUES = st.lists(st.tuples(st.booleans(), st.floats(width=32)), max_size=120)


def values(chance: random.Random, count: int, *, share: float = 0.5, moved: float = 0.0) -> list[tuple[bool, float]]:
    made = []
    for _ in range(count):
        is_candidate = chance.random() < share
        made.append((is_candidate, chance.gauss(moved if is_candidate else 0.0, 1)))
    return made


def action(drift: Drift, progress: Progress = LAST) -> Action:
    tally = Tally(candidate=Counts(requests=9_000, units=9_000), newest_ms=NOW, drifts={"score": drift})
    return next_action(PLAN, progress, tally, NOW)


def test_looking_at_every_value_of_two_alike_alarms_at_most_as_often_as_said() -> None:
    """Whatever the share, a rate of the candidate's own at which it is heard of, and a drift that both have."""
    chance, alarms, runs = random.Random(1), 0, 500
    for number in range(runs):
        share, heard, drift = ((0.05, 1.0, 0.0), (0.5, 1.0, 3.0), (0.3, 0.4, 1.0))[number % 3]
        made = [
            (is_candidate, value + drift * place / 600)
            for place, (is_candidate, value) in enumerate(values(chance, 600, share=share))
            if not is_candidate or chance.random() < heard
        ]
        alarms += TOLD.after(made).reached(ALPHA)
    assert alarms <= runs * ALPHA


@pytest.mark.parametrize(("share", "most"), [(0.5, 3_000), (0.05, 8_000)])
def test_a_candidate_whose_values_fall_elsewhere_goes_back(share: float, most: int) -> None:
    drift = Drift().after(values(random.Random(2), most, share=share, moved=0.8))
    back = action(drift)
    assert isinstance(back, RollBack)
    assert back.guardrail == "drift score"
    assert "PSI" in back.why
    assert "surely different" in back.why


def test_one_whose_values_fall_alike_is_promoted() -> None:
    drift = Drift().after(values(random.Random(3), 3_000))
    assert drift.psi is not None
    assert drift.psi < 0.05
    assert isinstance(action(drift), Promote)


def test_a_difference_that_is_sure_and_small_condemns_nobody() -> None:
    drift = Drift().after(values(random.Random(4), 20_000, moved=0.2))
    assert drift.reached(0.001)
    assert isinstance(action(drift), Promote)


@pytest.mark.parametrize(
    "drift",
    [
        Drift(),
        Drift().after([(False, 1.0)] * (LEARNT - 1)),
        Drift().after([(False, 1.0)] * 5_000),
        TOLD.after([(True, 0.5)] * 5_000),
        TOLD.after(values(random.Random(5), LEAST)),
        TOLD.after([(True, math.nan), (False, math.inf)] * 5_000),
    ],
    ids=["nothing", "too few", "no candidate", "no baseline", "few of both", "no numbers"],
)
def test_without_enough_values_nothing_is_promoted_and_nobody_goes_back(drift: Drift) -> None:
    assert isinstance(action(drift), Hold)
    assert isinstance(action(drift, Progress(0, NOW - 60_000)), Shift)


def test_values_of_a_step_before_are_no_figures_for_the_next() -> None:
    users = Users()
    same = Drift().after(values(random.Random(6), 3_000))
    tally = begun_anew(Tally(drifts={"score": same}), users)
    assert tally.drifts["score"] == Drift(same.edges)
    assert isinstance(action(tally.drifts["score"]), Hold)


def test_what_was_said_stays_said_where_the_candidate_answers_alone() -> None:
    same = Drift().after(values(random.Random(7), 3_000))
    alone = same.begun_anew(alone=True)
    assert alone.after([(True, 9.0)] * 1_000) == alone
    assert isinstance(action(alone), Promote)
    assert isinstance(action(Drift().begun_anew(alone=True).after([(True, 9.0)] * 1_000)), Hold)


def test_one_value_that_most_have_has_a_bin_of_its_own() -> None:
    assert edges_of([5.0] * LEARNT) == (math.nextafter(5.0, -math.inf), 5.0)
    for other in (4.0, 6.0):
        drift = Drift().after([(False, 5.0)] * LEARNT + [(True, other), (False, 5.0)] * 400)
        assert drift.reached(0.001), other
    assert edges_of(list(range(1, 101))) == tuple(range(10, 100, 10))


@given(VALUES, st.integers(0, 120), st.sampled_from([Drift(), TOLD, Drift(learnt=(0.0,) * (LEARNT - 20))]))
def test_where_a_batch_is_cut_changes_nothing(made: list[tuple[bool, float]], cut: int, before: Drift) -> None:
    assert before.after(made[:cut]).after(made[cut:]) == before.after(made)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.floats(-1e6, 1e6)), max_size=60))
def test_each_unit_counts_once(items: list[tuple[bool, int, float]]) -> None:
    watched, users = drifts_of(replace(PLAN, guardrails=(replace(RAIL, edges=(0.0,)),))), Users()
    joined = [Joined("score", f"u{unit}", is_candidate, value) for is_candidate, unit, value in items]
    once = drifted(Tally(), joined, users, watched)
    assert drifted(once, joined, unpacked(packed(users)), watched) == once
    assert sum(sum(drift.values) for drift in once.drifts.values()) <= len({unit for _, unit, _ in items})


def plan(rail: dict[str, Any], steps: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    spec = {"steps": steps or [{"canary": "10%"}], "guardrails": [{"watch": "errors"}, {"watch": "drift", **rail}]}
    return {"apiVersion": "budwood.dev/v1", "kind": "Rollout", "metadata": {"name": "x"}, "spec": spec}


def test_a_plan_says_what_is_watched() -> None:
    assert read_plan(plan({"metric": "score"})).guardrails[1] == RAIL
    told = read_plan(plan({"metric": "score", "limit": 0.1, "edges": [-1, 0.5, 2]})).guardrails[1]
    assert told == replace(RAIL, limit=0.1, edges=(-1.0, 0.5, 2.0))
    assert told.name == "drift score"


@pytest.mark.parametrize(
    ("rail", "steps", "field", "said"),
    [
        ({}, None, "spec.guardrails[1].metric", "drift needs it"),
        ({"metric": "score", "tolerance": 1}, None, "spec.guardrails[1].tolerance", "metric, limit, edges"),
        ({"metric": "score", "limit": -1}, None, "spec.guardrails[1].limit", "from 0"),
        ({"metric": "score", "edges": [0.5, 0.5]}, None, "spec.guardrails[1].edges", "higher than the one before"),
        ({"metric": "score", "edges": []}, None, "spec.guardrails[1].edges", "empty list"),
        ({"metric": "score", "edges": [math.nan]}, None, "spec.guardrails[1].edges[0]", "finite"),
        ({"metric": "score"}, [{"shadow": 5}, {"switch": True}], "spec.guardrails", "canary: 10%"),
        ({"metric": "score"}, [{"compare": 50, "metric": "score"}], "spec.steps[0].metric", "watch: metric"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(
    rail: dict[str, Any], steps: list[dict[str, Any]] | None, field: str, said: str
) -> None:
    with pytest.raises(BadPlan) as refused:
        read_plan(plan(rail, steps))
    assert refused.value.facts["field"] == field
    assert said in f"{refused.value} {refused.value.hint}"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=5))
def test_whatever_stands_as_edges_it_is_read_or_refused(edges: object) -> None:
    try:
        read = read_plan(plan({"metric": "score", "edges": edges})).guardrails[1].edges
    except BadPlan:
        return
    assert list(read) == sorted(set(read))
