"""Policies, evidence and promotions, the same in a folder, in memory and over HTTP."""

from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.errors import (
    BadPolicy,
    BadValue,
    Conflict,
    GateClosed,
    LimitExceeded,
    NothingBefore,
    RecordNotFound,
    TooManyRequests,
)

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata:
  name: production
spec:
  stages: [production]
  aliases: [champion]
  thresholds:
    - {metric: accuracy, operator: ">=", value: 0.9, minSamples: 100}
"""


@pytest.fixture
def guarded(registry: Registry, tmp_path: Path) -> Registry:
    """A model with three versions, whose production and champion are guarded."""
    for number in range(3):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
        registry.push(tmp_path / "config.json", "encoder", label=f"1.{number}.0")
    registry.gates.put_policy(POLICY)
    return registry


def good(registry: Registry, reference: str, accuracy: float = 0.95) -> None:
    registry.gates.add_evidence(reference, "evaluation", metrics={"accuracy": accuracy}, dataset="holdout", samples=500)


def promote(registry: Registry, reference: str, pointer: str = "production") -> None:
    asked = registry.gates.request(reference, pointer, "better")
    registry.gates.apply(asked.id)


def test_a_guarded_pointer_moves_only_with_a_promotion(guarded: Registry) -> None:
    for move, to in ((guarded.stage, "production"), (guarded.alias, "champion")):
        with pytest.raises(GateClosed) as closed:
            move("encoder@v1", to)
        assert closed.value.facts["open_gates"] == ("production",)
        assert "budwood promotion request" in closed.value.hint
    guarded.stage("encoder@v1", "staging")
    guarded.alias("encoder@v1", "candidate")
    good(guarded, "encoder@v1")
    promote(guarded, "encoder@v1")
    assert guarded.get("encoder@production").number == 1
    promote(guarded, "encoder@v1", "champion")
    assert guarded.get("encoder@champion").number == 1


def test_a_policy_may_ask_what_the_model_card_must_say(guarded: Registry, tmp_path: Path) -> None:
    asks = "  thresholds:\n"
    guarded.gates.put_policy(POLICY.replace(asks, f"  requires: {{facts: [card.license, card.intended_use]}}\n{asks}"))
    for number, said in ((4, "license: mit"), (5, "license: mit\nintended_use: triage")):
        (tmp_path / "README.md").write_text(f"---\n{said}\n---\n# Encoder\n")
        guarded.push(tmp_path / "README.md", "encoder")
        good(guarded, f"encoder@v{number}")
    with pytest.raises(GateClosed, match=r"card\.intended_use is missing"):
        promote(guarded, "encoder@v4")
    promote(guarded, "encoder@v5")
    assert guarded.get("encoder@production").number == 5


def test_a_push_is_no_side_door(guarded: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"layers": 9}')
    with pytest.raises(GateClosed):
        guarded.push(tmp_path / "config.json", "encoder", aliases=["champion"])
    assert guarded.get("encoder").number == 3


def test_what_was_let_through_may_return_without_being_asked(guarded: Registry) -> None:
    for reference in ("encoder@v1", "encoder@v2"):
        good(guarded, reference)
        promote(guarded, reference)
    assert guarded.get("encoder@production").number == 2
    guarded.gates.put_policy(POLICY.replace("0.9,", "0.999,"))
    guarded.roll_back("encoder", "production")
    assert guarded.get("encoder@production").number == 1
    guarded.stage("encoder@v2", "production")
    assert guarded.get("encoder@production").number == 2
    with pytest.raises(GateClosed):
        guarded.stage("encoder@v3", "production")


def test_a_retired_version_does_not_return(guarded: Registry) -> None:
    for reference in ("encoder@v1", "encoder@v2"):
        good(guarded, reference)
        promote(guarded, reference)
    guarded.stage("encoder@v1", "archived")
    guarded.retire("encoder@v1", "a bug")
    with pytest.raises(NothingBefore):
        guarded.roll_back("encoder", "production")


@pytest.mark.parametrize("accuracy", [None, 0.5])
def test_a_gate_that_is_not_open_names_what_is_missing(accuracy: float | None, guarded: Registry) -> None:
    if accuracy is not None:
        good(guarded, "encoder@v1", accuracy)
    asked = guarded.gates.request("encoder@v1", "production")
    with pytest.raises(GateClosed) as closed:
        guarded.gates.apply(asked.id)
    assert "accuracy" in str(closed.value.facts["open_gates"])
    detail = guarded.gates.show(asked.id)
    assert not detail.allowed
    assert detail.checks[0].state == ("undecided" if accuracy is None else "failed")
    good(guarded, "encoder@v1")
    assert guarded.gates.show(asked.id).allowed
    applied = guarded.gates.apply(asked.id)
    assert applied.promotion.state == "applied"
    assert guarded.gates.show(asked.id).checks == applied.checks


def test_a_promotion_is_asked_once_and_ended_once(guarded: Registry) -> None:
    asked = guarded.gates.request("encoder@v1", "production")
    with pytest.raises(Conflict):
        guarded.gates.request("encoder@v1", "production")
    guarded.gates.withdraw(asked.id)
    with pytest.raises(Conflict):
        guarded.gates.apply(asked.id)
    again = guarded.gates.request("encoder@v1", "production")
    guarded.gates.reject(again.id, reason="no")
    with pytest.raises(Conflict):
        guarded.gates.approve(again.id)
    with pytest.raises(TooManyRequests):
        guarded.gates.request("encoder@v1", "production")
    states = [each.state for each in guarded.gates.promotions().promotions]
    assert states == ["rejected", "withdrawn"]
    assert [each.id for each in guarded.gates.promotions(state="rejected").promotions] == [again.id]


def test_what_nothing_guards_needs_no_promotion(guarded: Registry) -> None:
    with pytest.raises(BadValue, match="needs no promotion"):
        guarded.gates.request("encoder@v1", "staging")


def test_a_policy_has_editions_and_can_be_removed(guarded: Registry) -> None:
    assert guarded.gates.put_policy(POLICY).number == 1
    changed = guarded.gates.put_policy(POLICY.replace("0.9,", "0.8,"))
    assert changed.number == 2
    assert [each.number for each in guarded.gates.policy("production")] == [2, 1]
    assert [each.name for each in guarded.gates.policies()] == ["production"]
    guarded.gates.remove_policy("production")
    assert guarded.gates.policies() == ()
    guarded.stage("encoder@v3", "production")
    with pytest.raises(RecordNotFound):
        guarded.gates.remove_policy("production")
    with pytest.raises(RecordNotFound):
        guarded.gates.policy("nothing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        POLICY + POLICY,
        POLICY + "\nkind: Policy\n",
        "a: &x [1]\nb: *x\n",
        POLICY.replace("0.9", "2026-01-01"),
        POLICY.replace("[production]", "[production"),
        "\t- a",
        "x: !!python/object/apply:os.system ['true']",
        "a: " + "[" * 5_000,
    ],
)
def test_a_policy_that_is_none_is_refused_and_nothing_is_guarded(text: str, registry: Registry) -> None:
    with pytest.raises(BadPolicy) as bad:
        registry.gates.put_policy(text)
    assert bad.value.hint
    assert registry.gates.policies() == ()


def test_a_policy_that_is_too_long_is_refused(registry: Registry) -> None:
    with pytest.raises(LimitExceeded):
        registry.gates.put_policy(POLICY + "#" * 65_536)


def test_the_tier_of_a_model_chooses_the_policies(guarded: Registry) -> None:
    guarded.gates.put_policy(POLICY.replace("spec:", "spec:\n  tiers: [high]"))
    assert guarded.gates.tier("encoder").tier == "high"
    guarded.gates.set_tier("encoder", "low")
    guarded.stage("encoder@v1", "production")
    guarded.gates.set_tier("encoder", "high")
    with pytest.raises(GateClosed):
        guarded.stage("encoder@v2", "production")
    with pytest.raises(BadValue):
        guarded.gates.set_tier("encoder", "extreme")


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": {"accuracy": float("nan")}},
        {"metrics": {"accuracy": float("inf")}},
        {"metrics": {"": 1.0}},
        {"metrics": {"a": 1.0}, "samples": -1},
        {},
        {"outcome": "maybe"},
    ],
)
def test_evidence_that_is_none_is_refused(wrong: dict[str, object], guarded: Registry) -> None:
    with pytest.raises(BadValue):
        guarded.gates.add_evidence("encoder@v1", "evaluation", **wrong)  # type: ignore[arg-type]
    assert guarded.gates.evidence("encoder@v1") == ()


def test_evidence_says_who_gave_it_and_what_it_is_about(guarded: Registry) -> None:
    good(guarded, "encoder@v1")
    guarded.gates.add_evidence("encoder@v1", "scan", outcome="passed", summary="clean")
    score, scan = guarded.gates.evidence("encoder@v1")
    assert score.subject == guarded.get("encoder@v1").digest
    assert (score.author, score.metrics, score.samples) == ("mara", {"accuracy": 0.95}, 500)
    assert (scan.kind, scan.outcome) == ("scan", "passed")
    assert score.digest != scan.digest
    assert guarded.gates.evidence("encoder@v2") == ()


def test_every_step_is_in_the_ledger(guarded: Registry) -> None:
    good(guarded, "encoder@v1")
    promote(guarded, "encoder@v1")
    actions = [entry.action for entry in guarded.ledger()]
    wanted = ["policy.put", "evidence.added", "promotion.requested", "version.staged", "promotion.applied"]
    assert [action for action in actions if action in wanted] == wanted


VALIDATED = POLICY.replace(
    '  thresholds:\n    - {metric: accuracy, operator: ">=", value: 0.9, minSamples: 100}\n',
    "  validations:\n    - expression: version.number >= 2 && target == 'stage:production'\n"
    "      message: Not the first.\n",
)


def test_an_expression_lets_through_or_tells_its_message(guarded: Registry) -> None:
    pytest.importorskip("cel")
    guarded.gates.put_policy(VALIDATED)
    with pytest.raises(GateClosed, match="Not the first"):
        promote(guarded, "encoder@v1")
    promote(guarded, "encoder@v2")
    assert guarded.get("encoder@production").number == 2


def test_an_expression_that_is_none_is_refused_when_it_is_put(guarded: Registry) -> None:
    pytest.importorskip("cel")
    with pytest.raises(BadPolicy, match="expression"):
        guarded.gates.put_policy(VALIDATED.replace("version.number", "versoin.number"))
    assert guarded.gates.policies()[0].number == 1
