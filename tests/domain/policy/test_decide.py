"""Whether a policy lets a version through: everything that is not surely good blocks."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.access import Role
from budwood.domain.facts import Code, Facts
from budwood.domain.policy.case import Case, Review, Said, State
from budwood.domain.policy.decide import decide
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.domain.policy.policy import (
    Left,
    Operator,
    Policy,
    Requires,
    ReviewRule,
    Threshold,
    Tier,
    Validation,
    guarding,
)
from budwood.domain.policy.reviews import assigned

NOW = 1_800_000_000_000
DAY = 86_400_000


def evidence(**fields: Any) -> Evidence:
    made = Evidence(1, "m", EvidenceKind.EVALUATION, "eva", "eva", ("reviewer",), NOW - DAY)
    return replace(made, **fields)


def case(**fields: Any) -> Case:
    return replace(Case(NOW, NOW - DAY // 2, "b", Facts(), frozenset({"rolf"})), **fields)


def review(person: str, *roles: Role, **fields: Any) -> Review:
    return replace(Review(person, True, NOW - DAY // 4, "b", dict.fromkeys(roles, NOW - DAY)), **fields)


def states(policy: Policy, given: Case) -> list[State]:
    return [check.state for check in decide([policy], given).checks]


ACCURATE = Policy("p", thresholds=(Threshold("acc", Operator.AT_LEAST, 0.9),))
BETTER = Policy("p", thresholds=(Threshold("acc", Operator.AT_LEAST, tolerance=0.01, first=0.5),))


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (0.9, State.PASSED),
        (0.95, State.PASSED),
        (0.899999, State.FAILED),
        (math.nan, State.UNDECIDED),
        (math.inf, State.UNDECIDED),
        (-math.inf, State.UNDECIDED),
    ],
)
def test_a_metric_is_compared_when_it_is_a_number(value: float, state: State) -> None:
    assert states(ACCURATE, case(evidence=(evidence(metrics={"acc": value}),))) == [state]


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": {"other": 1.0}},
        {"metrics": {"acc": 1.0}, "kind": EvidenceKind.FAIRNESS},
        {"metrics": {"acc": 1.0}, "dataset": "train"},
        {"metrics": {"acc": 1.0}, "dataset": "holdout", "samples": 99},
        {"metrics": {"acc": 1.0}, "dataset": "holdout", "samples": 100, "at_ms": NOW - 31 * DAY},
        {"metrics": {"acc": 1.0}, "dataset": "holdout", "samples": 100, "at_ms": NOW + DAY},
        {"metrics": {"acc": 1.0}, "dataset": "holdout", "samples": 100, "roles": ("writer",)},
    ],
)
def test_what_is_missing_stale_or_from_elsewhere_decides_nothing(fields: dict[str, Any]) -> None:
    strict = Threshold(
        "acc", Operator.AT_LEAST, 0.9, dataset="holdout", min_samples=100, max_age_ms=30 * DAY, role=Role.REVIEWER
    )
    policy = Policy("p", thresholds=(strict,))
    assert states(policy, case(evidence=(evidence(**fields),))) == [State.UNDECIDED]
    good = evidence(metrics={"acc": 1.0}, dataset="holdout", samples=100)
    assert states(policy, case(evidence=(good,))) == [State.PASSED]


def test_the_newest_result_counts_and_not_the_best() -> None:
    good = evidence(id=1, metrics={"acc": 0.99}, at_ms=NOW - 2 * DAY)
    bad = evidence(id=2, metrics={"acc": 0.10}, at_ms=NOW - DAY)
    for order in itertools.permutations((good, bad)):
        assert states(ACCURATE, case(evidence=order)) == [State.FAILED]


@pytest.mark.parametrize(
    ("champion", "value", "state"),
    [
        ((0.90,), 0.89, State.PASSED),
        ((0.90,), 0.8899, State.FAILED),
        ((), 0.99, State.UNDECIDED),
        ((math.nan,), 0.99, State.UNDECIDED),
        (None, 0.5, State.PASSED),
        (None, 0.4, State.FAILED),
    ],
)
def test_a_version_is_compared_with_the_one_in_force(
    champion: tuple[float, ...] | None, value: float, state: State
) -> None:
    before = None if champion is None else tuple(evidence(metrics={"acc": each}) for each in champion)
    assert states(BETTER, case(champion=before, evidence=(evidence(metrics={"acc": value}),))) == [state]


def test_less_is_better_where_the_policy_says_so() -> None:
    policy = Policy("p", thresholds=(Threshold("ms", Operator.AT_MOST, tolerance=2.0),))
    for value, state in ((12.0, State.PASSED), (12.1, State.FAILED)):
        given = case(champion=(evidence(metrics={"ms": 10.0}),), evidence=(evidence(metrics={"ms": value}),))
        assert states(policy, given) == [state]


def test_a_first_version_needs_a_bound_of_its_own() -> None:
    policy = Policy("p", thresholds=(Threshold("acc", Operator.AT_LEAST),))
    assert states(policy, case(evidence=(evidence(metrics={"acc": 1.0}),))) == [State.UNDECIDED]


@pytest.mark.parametrize(
    ("requires", "good", "bad"),
    [
        (
            Requires(formats=("onnx",)),
            {"facts": Facts(formats=("onnx",))},
            {"facts": Facts(formats=("onnx", "pickle"))},
        ),
        (Requires(formats=("onnx",)), {"facts": Facts(formats=("onnx",))}, {"facts": Facts()}),
        (Requires(signed=True), {"signed": True}, {"signed": False}),
        (Requires(clean_tree=True), {"facts": Facts(code=Code("c"))}, {"facts": Facts(code=Code("c", dirty=True))}),
        (Requires(clean_tree=True), {"facts": Facts(code=Code("c"))}, {"facts": Facts()}),
        (Requires(lineage=True), {}, {"gaps": ("code",)}),
        (
            Requires(facts=("metrics.acc",)),
            {"facts": Facts(metrics={"acc": 0.0})},
            {"facts": Facts(metrics={"a": 1.0})},
        ),
        (Requires(facts=("datasets",)), {"facts": Facts(datasets=("d",))}, {"facts": Facts()}),
        (
            Requires(scanned=True),
            {"evidence": (evidence(kind=EvidenceKind.SCAN, outcome=Outcome.PASSED, roles=("scanner",)),)},
            {"evidence": (evidence(kind=EvidenceKind.SCAN, outcome=Outcome.PASSED),)},
        ),
        (
            Requires(evidence=(EvidenceKind.FAIRNESS,)),
            {"evidence": (evidence(kind=EvidenceKind.FAIRNESS, outcome=Outcome.PASSED),)},
            {"evidence": (evidence(kind=EvidenceKind.FAIRNESS, outcome=Outcome.FAILED),)},
        ),
    ],
)
def test_what_is_required_must_be_there(requires: Requires, good: dict[str, Any], bad: dict[str, Any]) -> None:
    policy = Policy("p", requires=requires)
    assert decide([policy], case(**good)).allowed
    verdict = decide([policy], case(**bad))
    assert not verdict.allowed
    assert all(check.why for check in verdict.open)


def test_an_evaluation_that_ended_in_an_error_hides_the_good_one_before_it() -> None:
    good = evidence(metrics={"acc": 0.95}, digest="good", dataset="holdout")
    crashed = evidence(id=2, at_ms=NOW, outcome=Outcome.ERROR, summary="It crashed.", dataset="holdout")
    assert states(ACCURATE, case(evidence=(good,))) == [State.PASSED]
    (check,) = decide([ACCURATE], case(evidence=(good, crashed))).checks
    assert (check.state, "It crashed." in check.why) == (State.UNDECIDED, True)
    again = replace(good, id=3, at_ms=NOW + 1)
    assert states(ACCURATE, case(evidence=(good, crashed, again))) == [State.PASSED]
    elsewhere = replace(ACCURATE, thresholds=(replace(ACCURATE.thresholds[0], dataset="other"),))
    assert states(elsewhere, case(evidence=(replace(good, dataset="other"), crashed))) == [State.PASSED]
    assert states(BETTER, case(evidence=(good,), champion=(good, crashed))) == [State.PASSED]


def test_only_the_registrys_own_scan_lets_through_and_anybodys_newer_no_blocks() -> None:
    policy = Policy("p", requires=Requires(scanned=True))
    own = evidence(kind=EvidenceKind.SCAN, outcome=Outcome.PASSED, roles=("scanner",), digest="own")
    newer = evidence(id=2, kind=EvidenceKind.SCAN, at_ms=NOW, digest="newer")
    for outcome, state in (
        (Outcome.PASSED, State.PASSED),
        (Outcome.FAILED, State.FAILED),
        (Outcome.ERROR, State.UNDECIDED),
    ):
        assert states(policy, case(evidence=(own, replace(newer, outcome=outcome)))) == [state]
    bad = replace(own, outcome=Outcome.FAILED)
    assert states(policy, case(evidence=(bad, replace(newer, outcome=Outcome.PASSED)))) == [State.FAILED]


@pytest.mark.parametrize("champion", [False, True])
def test_evidence_that_must_be_signed_decides_nothing_unsigned(champion: bool) -> None:
    compared = replace(BETTER, requires=Requires(evidence_signed=True))
    policy = compared if champion else replace(ACCURATE, requires=Requires(evidence_signed=True))
    mine = evidence(metrics={"acc": 0.95}, digest="mine")
    theirs = (evidence(metrics={"acc": 0.9}, digest="theirs"),) if champion else None
    given = case(evidence=(mine,), champion=theirs)
    assert states(policy, given) == [State.UNDECIDED]
    assert states(policy, replace(given, vouched=frozenset({"mine"}))) == [
        State.UNDECIDED if champion else State.PASSED
    ]
    assert states(policy, replace(given, vouched=frozenset({"mine", "theirs"}))) == [State.PASSED]
    newer = evidence(id=2, metrics={"acc": 0.99}, at_ms=NOW, digest="newer")
    both = replace(given, evidence=(mine, newer), vouched=frozenset({"mine", "theirs"}))
    assert states(policy, both) == [State.UNDECIDED]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"e": Said(True)}, State.PASSED),
        ({"e": Said(False)}, State.FAILED),
        ({"e": Said(None, "it took too long")}, State.UNDECIDED),
        ({}, State.UNDECIDED),
    ],
)
def test_an_expression_must_come_out_true(said: dict[str, Said], state: State) -> None:
    assert states(Policy("p", validations=(Validation("e", "No."),)), case(said=said)) == [state]


TWO = Policy("p", reviews=(ReviewRule(Role.REVIEWER, 2), ReviewRule(Role.OWNER, 1)))


def test_enough_different_people_must_say_yes() -> None:
    both = review("ann", Role.REVIEWER, Role.OWNER)
    assert not decide([TWO], case(reviews=(both, review("bob", Role.REVIEWER)))).allowed
    assert decide([TWO], case(reviews=(both, review("bob", Role.REVIEWER), review("cy", Role.REVIEWER)))).allowed
    assert not decide([TWO], case(reviews=(both, both, both))).allowed


@pytest.mark.parametrize(
    "given",
    [
        {"reviews": (review("rolf", Role.REVIEWER),)},
        {"reviews": (review("ann", Role.REVIEWER),), "authors": frozenset({"ann"})},
        {"reviews": (review("eva", Role.REVIEWER),), "evaluators": frozenset({"eva"})},
        {"reviews": (review("eva", Role.REVIEWER),), "trainers": frozenset({"eva"})},
        {"reviews": (review("ann", Role.WRITER),)},
        {"reviews": (review("ann", Role.REVIEWER, binds="before"),)},
        {"reviews": (review("ann", Role.REVIEWER, at_ms=NOW - 2 * DAY),)},
        {"reviews": (review("ann", Role.REVIEWER, at_ms=NOW + 1),)},
        {"reviews": (review("ann", roles={Role.REVIEWER: NOW}),)},
        *({"reviews": (review("ann", Role.REVIEWER),), "unknown": {left: frozenset({"bot"})}} for left in Left),
        {"reviews": (review("ann", Role.REVIEWER, approves=False),)},
        {"reviews": (review("ann", Role.REVIEWER), review("ann", Role.REVIEWER, approves=False, at_ms=NOW))},
        {"reviews": (review("ann", Role.REVIEWER), review("bob", Role.REVIEWER, approves=False))},
    ],
)
def test_a_review_that_does_not_count_lets_nothing_through(given: dict[str, Any]) -> None:
    policy = Policy("p", reviews=(ReviewRule(Role.REVIEWER, 1, valid_ms=DAY),))
    assert not decide([policy], case(**given)).allowed
    assert decide([policy], case(reviews=(review("ann", Role.REVIEWER),))).allowed


def test_whoever_approved_in_vain_is_told_why() -> None:
    policy = Policy("p", reviews=(ReviewRule(Role.REVIEWER, 1),))
    said = case(reviews=(review("ann", Role.REVIEWER),), trainers=frozenset({"ann"}))
    (check,) = decide([policy], said).checks
    assert check.why.startswith("1 more with the role reviewer must approve.")
    assert check.why.endswith(" ann's does not count: ann trained the version.")


def test_who_is_left_out_can_be_said() -> None:
    policy = Policy("p", reviews=(ReviewRule(Role.REVIEWER, 1, frozenset({Left.AUTHOR})),))
    assert decide([policy], case(reviews=(review("rolf", Role.REVIEWER),))).allowed


def test_while_nobody_stands_behind_an_account_a_review_is_undecided_where_it_could_be_the_reviewers() -> None:
    rule = ReviewRule(Role.REVIEWER, 1, frozenset({Left.AUTHOR}))
    given = case(reviews=(review("ann", Role.REVIEWER),), unknown={Left.AUTHOR: frozenset({"bot"})})
    (check,) = decide([Policy("p", reviews=(rule,))], given).checks
    assert check.state is State.UNDECIDED
    assert "budwood person change bot --owner NAME" in check.why
    elsewhere = replace(given, unknown={Left.EVIDENCE: frozenset({"bot"})})
    assert decide([Policy("p", reviews=(rule,))], elsewhere).allowed


def test_what_came_last_is_the_newest_whatever_the_clock_said() -> None:
    good = evidence(id=1, metrics={"acc": 0.99}, at_ms=NOW - DAY)
    bad = evidence(id=2, metrics={"acc": 0.10}, at_ms=NOW - 2 * DAY)
    assert states(ACCURATE, case(evidence=(good, bad))) == [State.FAILED]


def test_every_policy_must_allow() -> None:
    given = case(signed=True)
    signed, clean = Policy("a", requires=Requires(signed=True)), Policy("b", requires=Requires(clean_tree=True))
    assert decide([signed], given).allowed
    assert not decide([signed, clean], given).allowed
    assert {check.policy for check in decide([signed, clean], given).open} == {"b"}


def test_a_policy_guards_what_it_names() -> None:
    policy = Policy("p", stages=("production",), aliases=("live-*",), models=("fraud-*",), tiers=(Tier.HIGH,))
    assert guarding([policy], "fraud-cards", "stage:production", Tier.HIGH) == (policy,)
    assert guarding([policy], "fraud-cards", "live-eu", Tier.HIGH) == (policy,)
    for model, pointer, tier in (
        ("churn", "stage:production", Tier.HIGH),
        ("fraud-cards", "stage:staging", Tier.HIGH),
        ("fraud-cards", "production", Tier.HIGH),
        ("fraud-cards", "stage:production", Tier.LOW),
    ):
        assert guarding([policy], model, pointer, tier) == ()


PEOPLE = "abcdef"


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.frozensets(st.sampled_from(PEOPLE))),
        min_size=1,
        max_size=3,
    )
)
def test_people_are_seated_wherever_a_seating_exists(rules: list[tuple[int, frozenset[str]]]) -> None:
    asked = [ReviewRule(Role.REVIEWER, count) for count, _ in rules]
    filled = assigned(asked, [people for _, people in rules])
    seated = [person for people in filled for person in people]
    assert len(seated) == len(set(seated))
    assert all(people <= eligible for people, (_, eligible) in zip(filled, rules, strict=True))
    places = [eligible for count, eligible in rules for _ in range(count)]
    most = max(
        sum(person in place for person, place in zip(order, places, strict=False))
        for order in itertools.permutations([*PEOPLE, *[""] * max(0, len(places) - len(PEOPLE))], len(places))
    ) if len(places) <= 5 else len(seated)  # fmt: skip
    assert len(seated) == most


@given(st.data())
def test_taking_a_review_or_result_away_never_opens_a_gate_by_numbers(data: st.DataObject) -> None:
    people = data.draw(st.lists(st.sampled_from(PEOPLE), unique=True))
    given = case(reviews=tuple(review(person, Role.REVIEWER) for person in people))
    if not decide([TWO], given).allowed:
        fewer = replace(given, reviews=given.reviews[:-1])
        assert not decide([TWO], fewer).allowed
