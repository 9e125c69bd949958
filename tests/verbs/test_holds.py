"""Legal holds: every door that could lose what is held is tried, and loses nothing."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.retention import KeepState
from budwood.errors import (
    BadFilter,
    BadValue,
    Conflict,
    Forbidden,
    Held,
    ModelNotFound,
    NamespaceNotFound,
    RecordNotFound,
    RegistryNotEmpty,
    StillInUse,
    VersionNotFound,
)
from tests.verbs.conftest import MakeModel
from tests.verbs.test_retention import RULES, later

WHY, MATTER = "Claim of a customer", "LEG-2026-17"


def known_as(registry: Registry, name: str) -> Registry:
    """The same registry in the hands of somebody else."""
    place = registry._place
    assert isinstance(place, Near)
    return Registry(dataclasses.replace(place, house=dataclasses.replace(place.house, author=name)))


@pytest.fixture
def three(registry: Registry, model: MakeModel) -> Registry:
    """Three versions of encoder."""
    for seed in range(3):
        registry.push(model(seed=seed + 1), "encoder", metrics={"accuracy": seed / 10})
    return registry


@pytest.fixture
def near_three(near: Registry, model: MakeModel) -> Registry:
    for seed in range(3):
        near.push(model(seed=seed + 1), "encoder")
    return near


def test_a_hold_is_placed_listed_and_shown(three: Registry) -> None:
    placed = three.holds.place(WHY, MATTER, model="encoder")
    assert (placed.scope, placed.subject, placed.reference, placed.versions) == ("model", "encoder", MATTER, 0)
    assert three.holds.list().holds == (placed,)
    assert three.holds.show(placed.id) == placed
    assert three.holds.list(every=True, limit=1).cursor == placed.id
    entry = three.ledger(subject="encoder")[-1]
    assert (entry.action, entry.body["hold"], entry.body["reference"]) == ("hold.placed", placed.id, MATTER)


def test_what_a_hold_needs_is_asked_for(three: Registry) -> None:
    with pytest.raises(BadValue, match="reason"):
        three.holds.place("why", MATTER, model="encoder")
    with pytest.raises(BadValue, match="reference"):
        three.holds.place(WHY, " ", model="encoder")
    with pytest.raises(BadValue, match="one thing"):
        three.holds.place(WHY, MATTER)
    with pytest.raises(BadValue, match="one thing"):
        three.holds.place(WHY, MATTER, model="encoder", query="stage = production")
    with pytest.raises(BadValue, match="is not in"):
        three.holds.place(WHY, MATTER, model="encoder", namespace="risk")
    with pytest.raises(BadValue, match="matches"):
        three.holds.place(WHY, MATTER, query="metrics.accuracy > 9")
    with pytest.raises(BadFilter):
        three.holds.place(WHY, MATTER, query="metrics.accuracy >>")
    with pytest.raises(ModelNotFound):
        three.holds.place(WHY, MATTER, model="nothing")
    with pytest.raises(VersionNotFound):
        three.holds.place(WHY, MATTER, version="encoder@v9")
    with pytest.raises(NamespaceNotFound):
        three.holds.place(WHY, MATTER, namespace="nowhere")
    with pytest.raises(RecordNotFound):
        three.holds.show(99)


def test_a_held_version_is_not_deleted_and_others_are(three: Registry) -> None:
    placed = three.holds.place(WHY, MATTER, version="encoder@v2")
    with pytest.raises(Held, match=f"hold {placed.id} .{MATTER}.") as refused:
        three.delete("encoder@v2")
    assert refused.value.facts["holds"] == (f"hold {placed.id} ({MATTER})",)
    three.delete("encoder@v1")
    three.retire("encoder@v2", "leaks names")
    with pytest.raises(Held):
        three.delete("encoder@v2")


def test_a_hold_on_a_model_covers_what_comes_later(three: Registry, model: MakeModel) -> None:
    three.holds.place(WHY, MATTER, model="encoder")
    three.push(model(seed=9), "encoder")
    for number in (1, 4):
        with pytest.raises(Held):
            three.delete(f"encoder@v{number}")


def test_a_hold_on_a_search_covers_what_it_found_then_and_nothing_later(three: Registry, model: MakeModel) -> None:
    placed = three.holds.place(WHY, MATTER, query="metrics.accuracy >= 0.1")
    assert placed.versions == 2
    three.push(model(seed=9), "encoder", metrics={"accuracy": 0.9})
    for number in (2, 3):
        with pytest.raises(Held):
            three.delete(f"encoder@v{number}")
    three.delete("encoder@v1")
    three.delete("encoder@v4")


def test_a_hold_stays_when_what_was_searched_for_is_changed(three: Registry) -> None:
    three.tag("encoder@v1", {"matter": "17"})
    three.holds.place(WHY, MATTER, query="tags.matter = 17")
    three.tag("encoder@v1", remove=["matter"])
    with pytest.raises(Held):
        three.delete("encoder@v1")


def test_a_held_namespace_or_model_is_not_removed_even_when_empty(near: Registry, model: MakeModel) -> None:
    near.admin.namespaces.add("risk")
    near.push(model(), "risk/encoder")
    near.delete("risk/encoder@v1")
    near.holds.place(WHY, MATTER, model="risk/encoder")
    with pytest.raises(Held):
        near.delete_model("risk/encoder")
    known_as(near, "bea").holds.lift(1, "The claim was withdrawn", "risk")
    near.delete_model("risk/encoder")
    near.holds.place(WHY, MATTER, namespace="risk")
    with pytest.raises(Held):
        near.admin.namespaces.remove("risk")


def test_a_hold_on_a_namespace_covers_all_that_is_in_it_and_no_other(near: Registry, model: MakeModel) -> None:
    near.admin.namespaces.add("risk")
    for name in ("risk/encoder", "encoder"):
        near.push(model(), name)
    near.holds.place(WHY, MATTER, namespace="risk")
    with pytest.raises(Held):
        near.delete("risk/encoder@v1")
    near.delete("encoder@v1")


def test_held_bytes_are_never_due_and_never_let_go(near_three: Registry, tmp_path: Path) -> None:
    near_three.retention.put_rules(RULES)
    then = later(near_three, 10_000)
    due = then.retention.due()
    assert len(due) == 3
    near_three.holds.place(WHY, MATTER, version="encoder@v2")
    with pytest.raises(Held):
        then.retention.apply(due)
    assert {each.number: each.state for each in then.retention.due(every=True)}[2] is KeepState.HELD
    then.retention.apply(then.retention.due())
    for _ in range(2):
        then.sweep(grace_s=0)
    near_three.pull("encoder@v2", tmp_path / "out")
    assert near_three.verify(read_data=True).problems == ()


def test_a_shorter_class_does_not_get_around_a_hold(near_three: Registry) -> None:
    near_three.holds.place(WHY, MATTER, model="encoder")
    near_three.retention.put_rules(RULES)
    near_three.retention.set("encoder", "brief")
    then = later(near_three, 10_000)
    assert then.retention.due() == ()
    with pytest.raises(Held):
        then.retention.apply(["encoder@v1"])


def test_a_sweep_without_grace_frees_nothing_that_is_held(near_three: Registry, tmp_path: Path) -> None:
    near_three.holds.place(WHY, MATTER, model="encoder")
    near_three.retire("encoder@v1", "leaks names")
    for _ in range(2):
        later(near_three, 10_000).sweep(grace_s=0)
    for number in (1, 2, 3):
        near_three.pull(f"encoder@v{number}", tmp_path / f"out{number}")


def test_an_import_neither_lifts_a_hold_nor_takes_the_place_of_what_is_held(
    near_three: Registry, tmp_path: Path
) -> None:
    near_three.export(["encoder@v1", "encoder@v2"], tmp_path / "out.bundle")
    placed = near_three.holds.place(WHY, MATTER, model="encoder")
    imported = near_three.import_bundle(tmp_path / "out.bundle")
    assert (len(imported.versions), len(imported.skipped)) == (0, 2)
    assert near_three.holds.list().holds == (placed,)
    with pytest.raises(Held):
        near_three.delete("encoder@v1")


def test_nothing_is_restored_over_a_hold(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "encoder")
    on_disk.backup(tmp_path / "backup")
    on_disk.holds.place(WHY, MATTER, model="encoder")
    place = tmp_path / "registry"
    on_disk.close()
    with pytest.raises(RegistryNotEmpty):
        budwood.restore(tmp_path / "backup", place)
    # A registry that holds no model yet, and is under a hold all the same.
    with budwood.connect(tmp_path / "empty", author="mara") as empty:
        empty.holds.place(WHY, MATTER, namespace="default")
    with pytest.raises(Held):
        budwood.restore(tmp_path / "backup", tmp_path / "empty")


def test_a_backup_brings_its_holds_back(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "encoder")
    placed = on_disk.holds.place(WHY, MATTER, version="encoder@v1")
    on_disk.backup(tmp_path / "backup")
    budwood.restore(tmp_path / "backup", tmp_path / "again")
    with budwood.connect(tmp_path / "again", author="mara") as again:
        assert again.holds.list().holds == (placed,)
        with pytest.raises(Held):
            again.delete("encoder@v1")


def test_a_hold_is_lifted_by_somebody_else_once_and_with_a_reason(near_three: Registry) -> None:
    placed = near_three.holds.place(WHY, MATTER, version="encoder@v1")
    with pytest.raises(Forbidden, match="may not lift"):
        near_three.holds.lift(placed.id, "I have changed my mind")
    bea = known_as(near_three, "bea")
    with pytest.raises(BadValue, match="reason"):
        bea.holds.lift(placed.id, "done")
    lifted = bea.holds.lift(placed.id, "The claim was withdrawn")
    assert (lifted.lifted_by, lifted.lifted_reason) == ("bea", "The claim was withdrawn")
    with pytest.raises(Conflict):
        bea.holds.lift(placed.id, "The claim was withdrawn")
    assert near_three.holds.list().holds == ()
    assert near_three.holds.list(every=True).holds == (lifted,)
    entry = near_three.ledger(subject="encoder@v1")[-1]
    assert (entry.action, entry.actor, entry.body["placed_by"]) == ("hold.lifted", "bea", placed.author)
    near_three.delete("encoder@v1")


def test_of_two_holds_each_keeps_by_itself(near_three: Registry) -> None:
    first = near_three.holds.place(WHY, MATTER, version="encoder@v1")
    second = near_three.holds.place("Audit of the year 2026", "AUD-4", model="encoder")
    bea = known_as(near_three, "bea")
    bea.holds.lift(first.id, "The claim was withdrawn")
    with pytest.raises(Held, match="AUD-4"):
        near_three.delete("encoder@v1")
    bea.holds.lift(second.id, "The audit is complete")
    near_three.delete("encoder@v1")


def test_what_is_in_use_is_said_before_what_is_held(near_three: Registry) -> None:
    near_three.holds.place(WHY, MATTER, model="encoder")
    near_three.alias("encoder@v1", "champion")
    with pytest.raises(StillInUse):
        near_three.delete("encoder@v1")


def test_a_hold_that_was_placed_is_never_followed_by_a_loss(on_disk: Registry, model: MakeModel) -> None:
    on_disk.retention.put_rules(RULES)
    for seed in range(8):
        on_disk.push(model(seed=seed + 1, rows=4), "encoder")
    then, gate = later(on_disk, 10_000), threading.Barrier(3)

    def hold(number: int) -> None:
        gate.wait()
        with contextlib.suppress(VersionNotFound):
            on_disk.holds.place(WHY, f"LEG-{number}", version=f"encoder@v{number}")

    def lose(number: int, how: Callable[[str], object]) -> None:
        gate.wait()
        with contextlib.suppress(Held, VersionNotFound):
            how(f"encoder@v{number}")

    with ThreadPoolExecutor(3) as pool:
        for number in range(1, 9):
            done = [
                pool.submit(hold, number),
                pool.submit(lose, number, lambda reference: then.retention.apply([reference])),
                pool.submit(lose, number, then.delete),
            ]
            for each in done:
                each.result()
    lost = {"version.deleted", "version.bytes-let-go"}
    for number in range(1, 9):
        actions = [entry.action for entry in on_disk.ledger(subject=f"encoder@v{number}")]
        if "hold.placed" in actions:
            assert not lost & set(actions[actions.index("hold.placed") :])
