"""What a namespace holds its versions to: on push, on the way to a stage, and across namespaces, in every home."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import delete

import budwood
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.standard_tables import birth
from budwood.catalog.sql.transaction import SqlTransaction
from budwood.client.registry import Registry
from budwood.domain.results import Pushed
from budwood.errors import (
    BadStandard,
    BadValue,
    EdgeRefused,
    NamespaceNotFound,
    RecordNotFound,
    StandardUnmet,
)

MakeModel = Callable[..., Path]
FORGET = Statement(delete(birth))
HEAD = "apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec:\n"


def standard(*lines: str) -> str:
    return HEAD + "".join(f"  {line}\n" for line in lines)


def allow(registry: Registry, room: str, *, parents: str = "", children: str = "") -> None:
    """Let lineage cross the border of a namespace."""
    sides = [f'from: ["{parents}"]'] * bool(parents) + [f'to: ["{children}"]'] * bool(children)
    registry.standards.set(room, standard(f"lineage: {{{', '.join(sides)}}}"))


def push(registry: Registry, folder: Path, name: str = "encoder", **facts: object) -> Pushed:
    return registry.push(folder, name, **facts)  # type: ignore[arg-type]


# Pushing


def test_a_push_that_falls_short_is_refused_and_told_what_to_give(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {development: [metrics.accuracy, data]}"))
    with pytest.raises(StandardUnmet, match=r"metrics.accuracy is missing.*1 more: data") as refused:
        push(registry, model())
    assert refused.value.facts["missing"] == ("metrics.accuracy", "data")
    assert "--metric accuracy=NUMBER" in refused.value.hint
    assert registry.list() == ()
    pushed = push(registry, model(), metrics={"accuracy": 0.9}, datasets=["reviews@v3"])
    assert registry.get(pushed.version.reference).detail().short_of == ()


def test_a_push_that_falls_short_is_marked_where_the_standard_says_so(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {development: [data, params.lr]}", "fallsShort: mark"))
    pushed = push(registry, model(), params={"lr": 0.1})
    assert registry.get(pushed.version.reference).detail().short_of == ("data",)
    entry = registry.ledger(subject=pushed.version.reference)[0]
    assert entry.body["short_of"] == ["data"]
    with pytest.raises(StandardUnmet, match="keeps encoder@v1 out of staging: data is missing"):
        registry.stage("encoder@v1", "staging")


def test_other_namespaces_kinds_and_models_are_not_asked(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {development: [data]}", 'models: ["fraud-*"]'))
    push(registry, model(), "encoder")
    push(registry, model(), "fraud-notes", kind="prompt")
    with pytest.raises(StandardUnmet):
        push(registry, model(), "fraud-eu")


def test_a_standard_that_is_removed_asks_for_nothing(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {development: [data]}"))
    registry.standards.remove("default")
    push(registry, model())
    with pytest.raises(RecordNotFound):
        registry.standards.remove("default")


def test_each_change_of_a_standard_is_an_edition_and_an_entry(registry: Registry) -> None:
    first = registry.standards.set("default", standard("requires: {staging: [data]}"))
    again = registry.standards.set("default", standard("requires: {staging: [data]}"))
    second = registry.standards.set("default", standard("requires: {staging: [code]}"))
    assert (first.number, again.number, second.number) == (1, 1, 2)
    registry.standards.remove("default")
    editions = registry.standards.show("default")
    assert [(each.number, bool(each.removed_ms)) for each in editions] == [(2, True), (1, False)]
    assert [entry.action for entry in registry.ledger(subject="default")] == [
        "standard.set",
        "standard.set",
        "standard.removed",
    ]


def test_a_broken_standard_and_one_for_nowhere_are_refused(registry: Registry) -> None:
    with pytest.raises(BadStandard, match=r"spec.requires.staging\[0\] is 'dta'"):
        registry.standards.set("default", standard("requires: {staging: [dta]}"))
    with pytest.raises(NamespaceNotFound):
        registry.standards.set("nowhere", standard("requires: {staging: [data]}"))
    assert registry.standards.show("default") == ()


# Stages


def test_a_stage_is_not_entered_without_its_facts_through_any_door(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {staging: [data], production: [fairness]}"))
    push(registry, model(), aliases=["champion"])
    push(registry, model(seed=2), datasets=["reviews@v3"])
    with pytest.raises(StandardUnmet, match="data is missing"):
        registry.stage("encoder@v1", "staging")
    registry.stage("encoder@v2", "staging")
    with pytest.raises(StandardUnmet, match="fairness is missing"):
        registry.stage("encoder@v2", "production")
    with pytest.raises(StandardUnmet, match=r"data is missing.*1 more: fairness"):
        registry.stage("encoder@v1", "production")
    # Whatever it lacks, it may be put away, and an alias is no stage.
    registry.stage("encoder@v1", "archived")
    registry.alias("encoder@v1", "best")


def test_evidence_that_came_later_gives_what_was_missing(registry: Registry, model: MakeModel) -> None:
    registry.standards.set("default", standard("requires: {production: [fairness, metrics.auc]}"))
    push(registry, model())
    registry.gates.add_evidence("encoder@v1", "evaluation", metrics={"auc": 0.9})
    with pytest.raises(StandardUnmet, match="fairness is missing, whether it is fair"):
        registry.stage("encoder@v1", "production")
    registry.gates.add_evidence("encoder@v1", "fairness", metrics={"gap": 0.01})
    assert registry.stage("encoder@v1", "production").after is not None


def test_what_was_in_a_stage_before_may_return_to_it(registry: Registry, model: MakeModel) -> None:
    for seed in (1, 2):
        push(registry, model(seed=seed))
        registry.stage(f"encoder@v{seed}", "production")
    registry.stage("encoder@v1", "archived")
    registry.standards.set("default", standard("requires: {production: [data]}"))
    registry.stage("encoder@v1", "production")
    push(registry, model(seed=3))
    with pytest.raises(StandardUnmet):
        registry.stage("encoder@v3", "production")


def test_versions_from_before_births_were_remembered_are_read_when_a_standard_is_set(
    near: Registry, model: MakeModel
) -> None:
    push(near, model(), datasets=["reviews@v3"])
    push(near, model(seed=2))
    # As an older Budwood left the catalog: its migration reads no manifests.
    near.house.catalog.write(lambda transaction: cast(SqlTransaction, transaction)._session.change(FORGET))
    with near.house.catalog.read() as view:
        assert view.birth(near.get("encoder@v1").record.id) is None
    near.standards.set("default", standard("requires: {staging: [data]}"))
    near.stage("encoder@v1", "staging")
    with pytest.raises(StandardUnmet):
        near.stage("encoder@v2", "staging")


# Import


def test_an_import_is_judged_as_a_push_is_before_anything_is_taken_in(
    registry: Registry, model: MakeModel, tmp_path: Path
) -> None:
    with budwood.in_memory(author="ann") as other:
        push(other, model(), datasets=["reviews@v3"])
        push(other, model(seed=2), "ranker")
        other.export(["encoder@v1", "ranker@v1"], tmp_path / "bundle")
    registry.standards.set("default", standard("requires: {development: [data]}"))
    with pytest.raises(StandardUnmet):
        registry.import_bundle(tmp_path / "bundle")
    assert registry.list() == ()
    registry.standards.set("default", standard("requires: {development: [data]}", "fallsShort: mark"))
    registry.import_bundle(tmp_path / "bundle")
    assert registry.get("encoder@v1").detail().short_of == ()
    assert registry.get("ranker@v1").detail().short_of == ("data",)


# Across namespaces


@pytest.fixture
def rooms(registry: Registry, model: MakeModel) -> Registry:
    """The namespaces shared and risk, and a model in shared."""
    there = {each.name for each in registry.admin.namespaces.list().namespaces}
    for room in {"shared", "risk"} - there:
        registry.admin.namespaces.add(room)
    push(registry, model(), "shared/base")
    return registry


def test_no_version_descends_from_another_namespace_unless_both_allow_it(rooms: Registry, model: MakeModel) -> None:
    tuned = model(moved=0.01)
    with pytest.raises(EdgeRefused, match="shared does not let versions of risk descend from it: shared/base@v1"):
        push(rooms, tuned, "risk/tuned", parents=["shared/base@v1"])
    allow(rooms, "shared", children="risk")
    with pytest.raises(EdgeRefused, match="risk does not let versions of shared be a parent there") as refused:
        push(rooms, tuned, "risk/tuned", parents=["shared/base@v1"])
    assert "lineage: {from: [shared]}" in refused.value.hint
    assert [each.model.path for each in rooms.list()] == ["shared/base"]
    allow(rooms, "risk", parents="shared")
    push(rooms, tuned, "risk/tuned", parents=["shared/base@v1"])
    assert [each.reference for each in rooms.get("risk/tuned").detail().parents] == ["shared/base@v1"]
    # The other way round is another edge.
    with pytest.raises(EdgeRefused):
        push(rooms, model(seed=5), "shared/back", parents=["risk/tuned@v1"])


def test_an_edge_that_is_no_longer_allowed_stays_where_it_is_and_is_not_made_again(
    rooms: Registry, model: MakeModel
) -> None:
    allow(rooms, "shared", children="*")
    allow(rooms, "risk", parents="*")
    push(rooms, model(moved=0.01), "risk/tuned", parents=["shared/base@v1"])
    rooms.standards.remove("shared")
    with pytest.raises(EdgeRefused):
        push(rooms, model(moved=0.02), "risk/tuned", parents=["shared/base@v1"])
    assert len(rooms.get("risk/tuned@v1").detail().parents) == 1


def test_a_bundle_brings_no_edge_that_is_not_allowed(rooms: Registry, model: MakeModel, tmp_path: Path) -> None:
    with budwood.in_memory(author="ann") as other:
        for room in ("shared", "risk"):
            other.admin.namespaces.add(room)
            allow(other, room, parents="*", children="*")
        push(other, model(), "shared/base")
        push(other, model(moved=0.01), "risk/tuned", parents=["shared/base@v1"])
        other.export(["shared/base@v1", "risk/tuned@v1"], tmp_path / "both")
        other.export(["risk/tuned@v1"], tmp_path / "child")
    rooms.delete("shared/base@v1")
    rooms.delete_model("shared/base")
    with pytest.raises(EdgeRefused):
        rooms.import_bundle(tmp_path / "both")
    assert rooms.list() == ()
    # A parent that is not here makes no edge.
    rooms.import_bundle(tmp_path / "child")
    assert rooms.get("risk/tuned@v1").detail().parents == ()
    rooms.delete("risk/tuned@v1")
    for room in ("shared", "risk"):
        allow(rooms, room, parents="*", children="*")
    rooms.import_bundle(tmp_path / "both")
    assert [(each.namespace, each.model) for each in rooms.get("risk/tuned").detail().parents] == [("shared", "base")]


# Relations and details


def test_each_parent_has_its_own_relation(registry: Registry, model: MakeModel) -> None:
    push(registry, model(), "base")
    push(registry, model(seed=9), "reviews", kind="dataset")
    push(registry, model(seed=8), "probe")
    parents = [("fine-tuned-from", "base@v1"), "trained-on=reviews@v1", "probe@v1"]
    push(registry, model(moved=0.01), "tuned", parents=parents, relation="evaluated-by")
    found = [(parent.model, parent.relation) for parent in registry.get("tuned").facts.parents]
    assert found == [("base", "fine-tuned-from"), ("reviews", "trained-on"), ("probe", "evaluated-by")]
    traced = registry.trace("tuned@v1")
    assert {edge.relation for edge in traced.edges} >= {"fine-tuned-from", "trained-on", "evaluated-by"}


@pytest.mark.parametrize("parents", [["stolen-from=base@v1"], [("stolen-from", "base@v1")]])
def test_a_word_that_is_no_relation_is_refused_before_a_byte_is_read(
    parents: list[str], registry: Registry, model: MakeModel
) -> None:
    with pytest.raises(BadValue, match="no relation") as refused:
        push(registry, model(), "tuned", parents=parents)
    assert "deployed-as" in refused.value.hint
    with pytest.raises(BadValue, match="no relation"):
        push(registry, model(), "tuned", parents=["base@v1"], relation="stolen-from")


DETAILS: Mapping[str, object] = {
    "frameworks": {"pytorch": "2.9.1"},
    "training": {"seconds": 5400, "hardware": {"accelerators": ["H100", "H100"]}, "command": "python train.py"},
    "statistics": {"reviews": {"rows": 1_000_000, "labels": {"good": 0.6}}},
    "search": {"trials": 40, "best": {"lr": 0.001}},
    "fairness": {"gap": 0.02},
    "resources": {"cpu_seconds": 1200, "energy_kwh": 3.5},
}


def test_details_are_kept_with_the_facts_in_every_home(registry: Registry, model: MakeModel) -> None:
    push(registry, model(), facts=DETAILS)
    facts = registry.get("encoder").facts
    assert facts.training is not None
    assert facts.training.hardware is not None
    assert (facts.training.seconds, facts.training.hardware.accelerators) == (5400.0, ("H100", "H100"))
    assert (facts.frameworks["pytorch"], facts.fairness) == ("2.9.1", {"gap": 0.02})
    assert (facts.search, facts.statistics) == (DETAILS["search"], DETAILS["statistics"])
    assert facts.resources == {"cpu_seconds": 1200.0, "energy_kwh": 3.5}


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"traning": {}}, "traning"),
        ({"training": {"second": 3}}, "training.second"),
        ({"training": {"seconds": "long"}}, "training.seconds"),
        ({"training": {"seconds": -1}}, "seconds"),
        ({"training": {"hardware": {"accelerators": "H100"}}}, "training.hardware.accelerators"),
        ({"resources": {"energy": "much"}}, "resources.energy"),
        ({"resources": {"energy": float("nan")}}, ""),
        ({"fairness": [1]}, "fairness"),
        ({"fairness": {"gap": object()}}, ""),
        ({"frameworks": {"pytorch": 2.9}}, "frameworks.pytorch"),
    ],
)
def test_details_that_cannot_be_are_refused_naming_the_field(
    details: Mapping[str, object], field: str, near: Registry, model: MakeModel
) -> None:
    with pytest.raises(BadValue) as refused:
        push(near, model(), facts=details)
    assert refused.value.facts.get("field", "") == field
    assert refused.value.hint
