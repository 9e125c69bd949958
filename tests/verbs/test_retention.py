"""How long bytes are kept, and letting them go: the same in a folder, in memory and over HTTP."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.retention import KeepState
from budwood.errors import (
    BadPolicy,
    BadReference,
    BadValue,
    BytesGone,
    Kept,
    LimitExceeded,
    ModelNotFound,
    NothingBefore,
    StillInUse,
    VersionNotFound,
)
from tests.verbs.conftest import MakeModel

DAY_MS = 86_400_000
ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
    canary: {version: v2, backends: ["http://127.0.0.1:8082"]}
  split: {stable: 90, canary: 10}
"""
RULES = """\
apiVersion: budwood.dev/v1
kind: Retention
spec:
  classes:
    - {name: brief, keep: 30d}
    - {name: usual, keep: 1y}
  rules:
    - {class: regulatory, stages: [production]}
  default: brief
"""


def later(registry: Registry, days: int) -> Registry:
    """The same registry, so many days from now."""
    place = registry._place
    assert isinstance(place, Near)
    clock = place.house.clock
    house = dataclasses.replace(place.house, clock=lambda: clock() + days * DAY_MS)
    return Registry(dataclasses.replace(place, house=house))


def pushed(registry: Registry, model: MakeModel, count: int = 1, **choices: Any) -> None:
    for seed in range(count):
        registry.push(model(seed=seed + 1, **choices), "encoder")


def test_rules_are_put_and_shown_and_the_same_again_changes_nothing(registry: Registry) -> None:
    assert registry.retention.rules().rules is None
    assert [each.name for each in registry.retention.rules().classes] == ["forever", "regulatory"]
    put = registry.retention.put_rules(RULES)
    assert put.rules is not None
    assert (put.rules.number, put.rules.text, put.default) == (1, RULES, "brief")
    assert registry.retention.put_rules(RULES) == put
    assert [each.name for each in put.classes] == ["forever", "regulatory", "brief", "usual"]
    with pytest.raises(BadPolicy, match=r"spec\.default"):
        registry.retention.put_rules(RULES.replace("default: brief", "default: nothing"))
    with pytest.raises(BadPolicy, match="anchor"):
        registry.retention.put_rules("a: &x 1\nb: *x\n")
    with pytest.raises(LimitExceeded):
        registry.retention.put_rules("#" * 70_000)


def test_a_class_is_said_of_a_model_and_of_a_version(registry: Registry, model: MakeModel) -> None:
    pushed(registry, model, 2)
    registry.retention.put_rules(RULES)
    assert registry.retention.show("encoder@v1").name == "brief"
    registry.retention.set("encoder", "usual")
    registry.retention.set("encoder@v2", "forever", reason="the model of the paper")
    assert registry.retention.show("encoder@v1").name == "usual"
    shown = registry.retention.show("encoder@v2")
    assert (shown.name, shown.state, shown.until_ms) == ("forever", KeepState.FOREVER, 0)
    assert [each.state for each in registry.retention.due(every=True)] == [KeepState.KEPT, KeepState.FOREVER]
    assert registry.retention.due() == ()
    with pytest.raises(BadValue, match="no class"):
        registry.retention.set("encoder", "unheard")
    with pytest.raises(ModelNotFound):
        registry.retention.set("nothing", "forever")
    with pytest.raises(VersionNotFound):
        registry.retention.set("encoder@v9", "forever")


def test_what_is_kept_is_neither_deleted_nor_let_go(registry: Registry, model: MakeModel) -> None:
    pushed(registry, model)
    registry.retention.set("encoder", "regulatory")
    with pytest.raises(Kept, match="regulatory"):
        registry.delete("encoder@v1")
    with pytest.raises(Kept, match="regulatory"):
        registry.retention.apply(["encoder@v1"])
    with pytest.raises(BadReference, match="number"):
        registry.retention.apply(["encoder@champion"])
    registry.retention.set("encoder", "", reason="it was a mistake")
    with pytest.raises(Kept, match="Nothing says"):
        registry.retention.apply(["encoder@v1"])
    registry.delete("encoder@v1")


def test_bytes_that_are_due_go_and_everything_known_stays(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    near.push(model(), "encoder", label="1.0.0", metrics={"accuracy": 0.9}, tags={"team": "risk"})
    near.gates.add_evidence("encoder@v1", "evaluation", metrics={"accuracy": 0.91}, samples=10)
    near.retention.put_rules(RULES)
    then = later(near, 31)
    due = then.retention.due()
    assert [(each.reference, each.state, each.why) for each in due] == [
        ("encoder@v1", KeepState.DUE, "the namespace's default")
    ]
    before = near.get("encoder@v1").facts
    assert len(then.retention.apply(due).rows) == 1
    assert then.retention.apply(due).rows == ()
    then.sweep(grace_s=0)
    then.sweep(grace_s=0)
    gone = near.get("encoder@1.0.0")
    assert gone.record.gone_reason == f"class brief, the namespace's default; let go by {near.house.author}"
    assert gone.facts == before
    assert "**Its bytes were let go** at" in near.card("encoder@v1")
    assert "accuracy" in near.bom("encoder@v1")
    assert [each.kind for each in near.gates.evidence("encoder@v1")] == ["evaluation"]
    with pytest.raises(BytesGone, match=r"were let go on .* class brief"):
        near.pull("encoder@v1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for read in (lambda: gone.read("config.json"), lambda: gone.open("config.json"), lambda: gone.tensor("x")):
        with pytest.raises(BytesGone):
            read()
    with pytest.raises(BytesGone):
        near.export(["encoder@v1"], tmp_path / "out.bundle")
    entry = next(each for each in near.ledger(subject="encoder@1.0.0") if each.action == "version.bytes-let-go")
    assert (entry.body["class"], entry.body["rules"], entry.body["digest"]) == ("brief", 1, gone.digest)
    assert near.retention.show("encoder@v1").state is KeepState.GONE
    assert near.stats().stored_bytes < 20_000
    assert near.verify(read_data=True).problems == ()
    assert near.rebuild_index() > 0
    assert near.verify(read_data=True).problems == ()


def test_what_other_versions_lean_on_stays_bit_for_bit(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    near.push(model(), "encoder")
    near.push(model(moved=0.01), "encoder", parents=["encoder@v1"])
    near.retention.put_rules(RULES)
    near.retention.set("encoder@v2", "usual")
    then = later(near, 31)
    assert [each.reference for each in then.retention.due()] == ["encoder@v1"]
    then.retention.apply(then.retention.due())
    for _ in range(2):
        then.sweep(grace_s=0)
    near.pull("encoder@v2", tmp_path / "out")
    assert near.verify(read_data=True).problems == ()
    near.push(model(moved=0.02), "encoder", parents=["encoder@v1"])
    near.pull("encoder@v3", tmp_path / "out3")
    assert near.diff("encoder@v1", "encoder@v2").summary


def test_the_same_files_pushed_again_bring_their_bytes_back_as_a_new_version(
    near: Registry, model: MakeModel, tmp_path: Path
) -> None:
    folder = model()
    near.push(folder, "encoder")
    near.retention.put_rules(RULES)
    then = later(near, 31)
    then.retention.apply(["encoder@v1"])
    assert near.push(folder, "encoder").created
    for _ in range(2):
        then.sweep(grace_s=0)
    near.pull("encoder@v2", tmp_path / "out")
    assert near.verify(read_data=True).problems == ()


@pytest.mark.parametrize("how", ["alias", "staging", "production"])
def test_what_serves_is_never_let_go(how: str, near: Registry, model: MakeModel) -> None:
    pushed(near, model)
    near.retention.set("encoder", "forever")
    near.retention.put_rules(RULES.replace("stages: [production]", "kinds: [prompt]"))
    near.retention.set("encoder", "brief", reason="kept too long by far")
    near.alias("encoder@v1", "champion") if how == "alias" else near.stage("encoder@v1", how)
    then = later(near, 10_000)
    assert then.retention.due() == ()
    assert then.retention.show("encoder@v1").state is KeepState.SERVING
    with pytest.raises(StillInUse, match="champion" if how == "alias" else how):
        then.retention.apply(["encoder@v1"])


def test_the_regulatory_clock_runs_from_the_last_release(near: Registry, model: MakeModel) -> None:
    pushed(near, model, 2)
    near.retention.put_rules(RULES)
    near.stage("encoder@v1", "production")
    then = later(near, 4_000)
    assert then.retention.show("encoder@v1").state is KeepState.SERVING
    then.stage("encoder@v2", "production")
    assert then.retention.show("encoder@v1").state is KeepState.SERVING  # it is in production still
    then.stage("encoder@v1", "archived")
    shown = then.retention.show("encoder@v1")
    assert (shown.state, shown.name, shown.until_ms - shown.since_ms) == (KeepState.KEPT, "regulatory", 3_660 * DAY_MS)
    assert abs(shown.since_ms - then.house.clock()) < 60_000
    assert later(near, 7_600).retention.show("encoder@v1").state is KeepState.KEPT
    assert later(near, 7_700).retention.show("encoder@v1").state is KeepState.DUE


def test_what_went_is_not_pointed_at_again(near: Registry, model: MakeModel) -> None:
    pushed(near, model, 2)
    near.retention.put_rules(RULES)
    near.alias("encoder@v1", "best")
    near.alias("encoder@v2", "best")
    then = later(near, 31)
    then.retention.apply(["encoder@v1"])
    with pytest.raises(BytesGone):
        near.alias("encoder@v1", "best")
    with pytest.raises(BytesGone):
        near.stage("encoder@v1", "production")
    with pytest.raises(NothingBefore):
        near.roll_back("encoder", "best")
    near.stage("encoder@v1", "archived")
    near.retire("encoder@v1", "its bytes went")


def test_letting_go_is_all_or_nothing_and_looked_at_again(near: Registry, model: MakeModel) -> None:
    pushed(near, model, 2)
    near.retention.put_rules(RULES)
    then = later(near, 31)
    due = then.retention.due()
    assert len(due) == 2
    near.alias("encoder@v2", "champion")
    with pytest.raises(StillInUse):
        then.retention.apply(due)
    assert not near.get("encoder@v1").record.gone_ms
    assert [each.reference for each in then.retention.due()] == ["encoder@v1"]


def test_a_backup_brings_back_rules_classes_and_what_went(near: Registry, model: MakeModel, tmp_path: Path) -> None:
    pushed(near, model, 2)
    near.retention.put_rules(RULES)
    near.retention.set("encoder@v2", "usual")
    then = later(near, 31)
    then.retention.apply(["encoder@v1"])
    near.backup(tmp_path / "backup")
    budwood.restore(tmp_path / "backup", tmp_path / "again")
    with budwood.connect(tmp_path / "again") as again:
        assert again.get("encoder@v1").record.gone_ms
        assert again.retention.show("encoder@v2").name == "usual"
        assert again.retention.rules() == near.retention.rules()


def test_what_an_endpoint_answers_with_is_never_let_go_and_its_clock_begins_when_it_no_longer_does(
    near: Registry, model: MakeModel
) -> None:
    pushed(near, model, 3)
    near.retention.put_rules(RULES.replace("stages: [production]", "models: [encoder]"))
    near.endpoints.put(ENDPOINT)
    then = later(near, 4_000)
    assert [each.reference for each in then.retention.due(every=True) if each.state is KeepState.SERVING] == [
        "encoder@v1",
        "encoder@v2",
    ]
    with pytest.raises(StillInUse, match="endpoint fraud"):
        then.retention.apply(["encoder@v2"])
    with pytest.raises(StillInUse, match="endpoint fraud sends traffic"):
        then.delete("encoder@v2")
    then.endpoints.put(ENDPOINT.replace("version: v2", "version: v3"))
    shown = then.retention.show("encoder@v2")
    assert (shown.state, shown.until_ms - shown.since_ms) == (KeepState.KEPT, 3_660 * DAY_MS)
    assert abs(shown.since_ms - then.house.clock()) < 60_000
    assert {each.number: each for each in then.retention.due(every=True)}[2] == shown
    ages = later(near, 8_000)
    ages.retention.apply(["encoder@v2"])
    with pytest.raises(BytesGone):
        ages.endpoints.put(ENDPOINT)
