"""A plan is understood whole, or refused by the name of the field."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.rollout.plan import Guardrail, Step, Unproven, Watched, Way
from budwood.domain.rollout.reading import read_plan
from budwood.errors import BadPlan

GOOD: dict[str, Any] = {
    "apiVersion": "budwood.dev/v1",
    "kind": "Rollout",
    "metadata": {"name": "careful"},
    "spec": {
        "steps": [
            {"shadow": "10%", "samples": 1_000},
            {"canary": "1%", "hold": "5m"},
            {"compare": 50, "metric": "bought", "samples": 10_000},
            {"switch": True, "keep": "1h"},
        ],
        "guardrails": [
            {"watch": "errors"},
            {"watch": "disagreement", "limit": 0.02},
            {"watch": "metric", "metric": "bought", "tolerance": 0.01},
            {"watch": "latency-limit", "quantile": 0.99, "limit": 250},
        ],
        "alpha": 0.02,
        "unproven": "roll-back",
        "patience": "2h",
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    document: Any = deepcopy(GOOD)
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = document
    for part in above:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document  # type: ignore[no-any-return]


def test_a_plan_says_what_is_written() -> None:
    plan = read_plan(GOOD)
    assert plan.steps == (
        Step(Way.SHADOW, 1_000, samples=1_000),
        Step(Way.CANARY, 100, 300),
        Step(Way.COMPARE, 5_000, samples=10_000, metric="bought"),
        Step(Way.SWITCH, 10_000, keep_s=3_600),
    )
    assert plan.guardrails[3] == Guardrail(Watched.LATENCY_LIMIT, limit=250, quantile=0.99)
    assert (plan.alpha, plan.unproven, plan.patience_s, plan.silence_s) == (0.02, Unproven.ROLL_BACK, 7_200, 60)
    assert [plan.level(rail) for rail in plan.guardrails] == [pytest.approx(0.02 / 3)] * 3 + [0]
    assert len(plan.digest) == 64
    assert read_plan(changed("spec.alpha", 0.03)).digest != plan.digest


def test_without_guardrails_errors_latency_and_the_ratio_are_watched() -> None:
    document = {**GOOD, "spec": {"steps": [{"canary": 5}]}}
    assert [rail.watched for rail in read_plan(document).guardrails] == ["errors", "latency", "sample-ratio"]


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        ("kind", "Rolout", "kind", "Write kind: Rollout."),
        ("spec.steps", [], "spec.steps", "from 1 to 50"),
        ("spec.steps", None, "spec.steps", "Give steps"),
        ("spec.steps.0", {"shadow": "10%"}, "", ""),
        ("spec.steps.1.canary", "101%", "spec.steps[1].canary", "from 0 to 100"),
        ("spec.steps.1.canary", float("nan"), "spec.steps[1].canary", "from 0 to 100"),
        ("spec.steps.1.canary", "0.001%", "spec.steps[1].canary", "two decimals"),
        ("spec.steps.1.canary", 0, "spec.steps[1].canary", "nothing to look at"),
        ("spec.steps.1.switch", True, "spec.steps[1]", "Give one"),
        ("spec.steps.1.metric", "bought", "spec.steps[1].metric", "compare"),
        ("spec.steps.2.metric", None, "spec.steps[2].metric", "which metric"),
        ("spec.steps.2.metric", "clicked", "spec.steps[2].metric", "watch: metric"),
        ("spec.steps.1.hold", "5 minutes", "spec.steps[1].hold", "90s, 15m"),
        ("spec.steps.1.hold", "400d", "spec.steps[1].hold", "at most 90 days"),
        ("spec.steps.2.compare", 0.5, "spec.steps[2]", "only grows"),
        ("spec.steps.3", {"shadow": 5}, "spec.steps[3]", "shadows first"),
        ("spec.steps.3.switch", False, "spec.steps[3].switch", "switch: true"),
        ("spec.guardrails.0.watch", "eror", "spec.guardrails[0].watch", "Did you mean errors?"),
        ("spec.guardrails.0.limit", 0.1, "spec.guardrails[0].limit", "nothing more"),
        ("spec.guardrails.1.limit", None, "spec.guardrails[1].limit", "needs it"),
        ("spec.guardrails.1.limit", 2, "spec.guardrails[1].limit", "from 0 to 1"),
        ("spec.guardrails.3.quantile", 99, "spec.guardrails[3].quantile", "from 0 to 0.9999"),
        ("spec.guardrails.1", {"watch": "errors"}, "spec.guardrails", "Name each once"),
        ("spec.guardrails", [{"watch": "error-rate", "limit": 0.1}], "spec.steps[2].metric", "watch: metric"),
        ("spec.alpha", 0, "spec.alpha", "from 1e-09"),
        ("spec.alpha", float("nan"), "spec.alpha", "finite"),
        ("spec.proof", "yes", "spec.proof", "true or false"),
        ("spec.unproven", "guess", "spec.unproven", "hold, promote, roll-back"),
        ("spec.alfa", 0.1, "spec.alfa", "Did you mean alpha?"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(path: str, value: object, field: str, said: str) -> None:
    document = changed(path, value)
    if not field:
        read_plan(document)
        return
    with pytest.raises(BadPlan) as refused:
        read_plan(document)
    assert refused.value.facts["field"] == field
    assert said in f"{refused.value} {refused.value.hint}"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(PLAIN, st.sampled_from(["spec", "spec.steps", "spec.steps.0", "spec.guardrails.1", "spec.alpha", "metadata"]))
def test_whatever_stands_in_a_document_it_is_read_or_refused(value: object, path: str) -> None:
    try:
        read_plan(changed(path, value))
        read_plan(value)
    except BadPlan:
        return
