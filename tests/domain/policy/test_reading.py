"""Policies as people write them: what is understood, and that what is not is refused by field, with the fix."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.access import Role
from budwood.domain.policy.evidence import EvidenceKind
from budwood.domain.policy.policy import Left, Operator, Tier
from budwood.domain.policy.reading import read_policy
from budwood.errors import BadPolicy

GOOD: dict[str, Any] = {
    "apiVersion": "budwood.dev/v1",
    "kind": "Policy",
    "metadata": {"name": "production-high"},
    "spec": {
        "stages": ["production"],
        "aliases": ["champion", "live-*"],
        "models": ["fraud-*"],
        "tiers": ["high"],
        "requires": {
            "formats": ["safetensors", "onnx"],
            "signed": True,
            "scanned": True,
            "cleanTree": True,
            "lineage": True,
            "facts": ["datasets", "code", "metrics.accuracy", "card.license", "training.run_by"],
            "evidence": ["fairness"],
        },
        "thresholds": [
            {
                "metric": "accuracy",
                "operator": ">=",
                "value": 0.9,
                "dataset": "holdout",
                "minSamples": 1000,
                "maxAge": "30d",
                "evaluatorRole": "reviewer",
            },
            {"metric": "latency_ms", "operator": "<=", "champion": {"tolerance": 2, "first": 50}},
        ],
        "reviews": [{"role": "reviewer", "count": 2, "exclude": ["author"], "validFor": "12h"}, {"role": "owner"}],
        "validations": [{"expression": "facts.parameters < 1000", "message": "Too large."}],
    },
}
Change = Callable[[dict[str, Any]], Any]


def put(path: str, value: Any) -> Change:
    """The document with another value there."""

    def change(document: dict[str, Any]) -> None:
        *way, last = [int(word) if word.isdigit() else word for word in path.split("/")]
        at: Any = document
        for word in way:
            at = at[word]
        at[last] = value

    return change


def drop(path: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        *way, last = [int(word) if word.isdigit() else word for word in path.split("/")]
        at: Any = document
        for word in way:
            at = at[word]
        del at[last]

    return change


def test_all_that_a_policy_may_say_is_understood() -> None:
    policy = read_policy(GOOD)
    assert (policy.name, policy.stages, policy.aliases) == ("production-high", ("production",), ("champion", "live-*"))
    assert (policy.models, policy.tiers) == (("fraud-*",), (Tier.HIGH,))
    assert policy.requires.facts == ("datasets", "code", "metrics.accuracy", "card.license", "training.run_by")
    assert policy.requires.evidence == (EvidenceKind.FAIRNESS,)
    first, second = policy.thresholds
    assert (first.operator, first.value, first.max_age_ms, first.role) == (
        Operator.AT_LEAST,
        0.9,
        30 * 86_400_000,
        Role.REVIEWER,
    )
    assert (second.value, second.tolerance, second.first) == (None, 2.0, 50.0)
    assert policy.reviews[0].left_out == frozenset({Left.AUTHOR})
    assert policy.reviews[0].valid_ms == 12 * 3_600_000
    assert policy.reviews[1].left_out == frozenset(Left)
    assert policy.validations[0].message == "Too large."


def test_the_digest_is_of_what_is_said_not_of_how_it_is_written() -> None:
    other = {key: GOOD[key] for key in reversed(GOOD)}
    assert read_policy(other).digest == read_policy(GOOD).digest
    changed = copy.deepcopy(GOOD)
    changed["spec"]["thresholds"][0]["value"] = 0.91
    assert read_policy(changed).digest != read_policy(GOOD).digest


WRONG: list[tuple[Change, str, str]] = [
    (drop("apiVersion"), "apiVersion", "Give apiVersion"),
    (put("apiVersion", "budwood.dev/v2"), "apiVersion", "budwood.dev/v1"),
    (put("kind", "policy"), "kind", "kind: Policy"),
    (put("metadata", []), "metadata", "name"),
    (put("metadata/name", "Production"), "metadata.name", "Lower-case"),
    (put("metadata/name", ""), "metadata.name", "quotes"),
    (put("metadata/name", 7), "metadata.name", "quotes"),
    (put("metadata/nmae", "x"), "metadata.nmae", "Did you mean name?"),
    (put("spec", None), "spec", "stages"),
    (put("spec/stage", ["production"]), "spec.stage", "Did you mean stages?"),
    (put("spec/stages", "production"), "spec.stages", "stages: [...]"),
    (put("spec/stages", ["prodution"]), "spec.stages[0]", "Did you mean production?"),
    (put("spec/stages", ["development"]), "spec.stages[0]", "staging, production, archived"),
    (put("spec/stages", []), "spec.stages", "leave the field out"),
    (put("spec/stages", ["production", "production"]), "spec.stages", "once"),
    (put("spec/aliases", ["Champion!"]), "spec.aliases[0]", "fraud-*"),
    (put("spec/models", ["a/b"]), "spec.models[0]", "fraud-*"),
    (put("spec/tiers", ["extreme"]), "spec.tiers[0]", "low, limited, high"),
    (put("spec/requires/signed", "yes"), "spec.requires.signed", "true or false"),
    (put("spec/requires/sigend", True), "spec.requires.sigend", "Did you mean signed?"),
    (put("spec/requires/formats", [3]), "spec.requires.formats[0]", "quotes"),
    (put("spec/requires/facts", ["dataset"]), "spec.requires.facts[0]", "Did you mean datasets?"),
    (put("spec/requires/facts", ["code.commit"]), "spec.requires.facts[0]", ""),
    (put("spec/requires/evidence", ["fairnes"]), "spec.requires.evidence[0]", "Did you mean fairness?"),
    (put("spec/thresholds", {"metric": "x"}), "spec.thresholds", "thresholds: [...]"),
    (drop("spec/thresholds/0/metric"), "spec.thresholds[0].metric", "Give metric"),
    (put("spec/thresholds/0/operator", "=>"), "spec.thresholds[0].operator", ""),
    (put("spec/thresholds/0/operator", "=="), "spec.thresholds[0].operator", ""),
    (drop("spec/thresholds/0/value"), "spec.thresholds[0]", "champion: {tolerance"),
    (put("spec/thresholds/0/champion", {}), "spec.thresholds[0]", "either"),
    (put("spec/thresholds/0/value", "0.9"), "spec.thresholds[0].value", "finite"),
    (put("spec/thresholds/0/value", float("nan")), "spec.thresholds[0].value", "finite"),
    (put("spec/thresholds/0/value", float("inf")), "spec.thresholds[0].value", "finite"),
    (put("spec/thresholds/0/value", True), "spec.thresholds[0].value", "finite"),
    (put("spec/thresholds/0/minSamples", 1.5), "spec.thresholds[0].minSamples", "whole number"),
    (put("spec/thresholds/0/minSamples", -1), "spec.thresholds[0].minSamples", "whole number"),
    (put("spec/thresholds/0/maxAge", "30 days"), "spec.thresholds[0].maxAge", "30d"),
    (put("spec/thresholds/0/maxAge", 30), "spec.thresholds[0].maxAge", "30d"),
    (put("spec/thresholds/0/maxAge", 0), "spec.thresholds[0].maxAge", "leave it out"),
    (put("spec/thresholds/0/evaluatorRole", "evaluator"), "spec.thresholds[0].evaluatorRole", "reviewer"),
    (put("spec/thresholds/1/champion/tolerance", -0.1), "spec.thresholds[1].champion.tolerance", "how much worse"),
    (put("spec/thresholds/1/champion/tolerence", 0.1), "spec.thresholds[1].champion.tolerence", "tolerance"),
    (put("spec/reviews/0/role", "boss"), "spec.reviews[0].role", "reviewer"),
    (put("spec/reviews/0/count", 0), "spec.reviews[0].count", "from 1"),
    (put("spec/reviews/0/count", 21), "spec.reviews[0].count", "to 20"),
    (put("spec/reviews/0/exclude", ["autor"]), "spec.reviews[0].exclude[0]", "Did you mean author?"),
    (put("spec/validations/0/expression", "x" * 4_097), "spec.validations[0].expression", "Shorten"),
    (drop("spec/validations/0/message"), "spec.validations[0].message", "Give message"),
    (put("spec/reviews", [{"role": "reviewer", "count": n} for n in range(1, 52)]), "spec.reviews", "50"),
]


@pytest.mark.parametrize(("change", "field", "fix"), WRONG, ids=[f"{n}-{case[1]}" for n, case in enumerate(WRONG)])
def test_what_is_wrong_is_named_by_field_with_the_fix(change: Change, field: str, fix: str) -> None:
    document = copy.deepcopy(GOOD)
    change(document)
    with pytest.raises(BadPolicy) as caught:
        read_policy(document)
    assert caught.value.facts["field"] == field
    assert caught.value.message.startswith(field)
    assert fix in caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize("empty", [{"stages": ["production"]}, {"requires": {"signed": True}}, {}])
def test_a_policy_guards_something_and_asks_for_something(empty: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy, match="spec"):
        read_policy({**GOOD, "spec": empty})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(ANYTHING)
def test_no_document_gets_anything_but_a_policy_or_an_answer(document: object) -> None:
    with pytest.raises(BadPolicy):
        read_policy(document)


PATHS = [
    "metadata",
    "spec",
    "spec/stages",
    "spec/requires",
    "spec/requires/facts",
    "spec/thresholds",
    "spec/thresholds/0",
    "spec/thresholds/0/value",
    "spec/thresholds/1/champion",
    "spec/reviews/0",
    "spec/validations/0/expression",
]


@settings(deadline=None)
@given(st.sampled_from(PATHS), ANYTHING)
def test_no_value_anywhere_gets_anything_but_a_policy_or_an_answer(path: str, value: object) -> None:
    document = copy.deepcopy(GOOD)
    put(path, value)(document)
    answer = _read(document)
    assert answer is None or (answer.hint and answer.facts["field"])


def _read(document: object) -> BadPolicy | None:
    try:
        read_policy(document)
    except BadPolicy as error:
        return error
    return None
