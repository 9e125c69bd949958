"""A plan made of a few words at the command line is one that can be read, or is refused with the fix."""

import pytest

from budwood.cli.rollout import plan_text
from budwood.domain.rollout.plan import Guardrail, Watched
from budwood.errors import BadPlan
from budwood.verbs.rollout_text import plan_from


def test_a_few_words_make_a_plan() -> None:
    plan = plan_from(plan_text("", "5%, 50%", "1m"))
    assert [(step.points, step.hold_s) for step in plan.steps] == [(500, 60), (5_000, 60)]
    assert [rail.name for rail in plan.guardrails] == ["errors", "latency", "sample-ratio"]


@pytest.mark.parametrize(("word", "limit"), [("score", 0.2), ("score=0.1", 0.1)])
def test_a_drift_is_watched_beside_the_rest(word: str, limit: float) -> None:
    rails = plan_from(plan_text("", "5%", "1m", word)).guardrails
    assert [rail.name for rail in rails] == ["errors", "latency", "sample-ratio", "drift score"]
    assert rails[3] == Guardrail(Watched.DRIFT, metric="score", limit=limit)


@pytest.mark.parametrize(
    ("path", "word", "said"),
    [
        ("", "score=much", "--drift score=0.2"),
        ("", "score=nan", "finite"),
        ("", "=0.2", "in quotes"),
        ("plan.yaml", "score", "watch: drift"),
    ],
)
def test_what_is_wrong_is_said_with_its_fix(path: str, word: str, said: str) -> None:
    with pytest.raises(BadPlan) as refused:
        plan_from(plan_text(path, "" if path else "5%", "1m", word))
    assert said in f"{refused.value} {refused.value.hint}"
