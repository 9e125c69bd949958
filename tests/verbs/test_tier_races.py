"""The moments at which work on tiers could lose something, each made to happen; and that its guards are what saves it.

Random schedules of the same acts are in ``test_races.py``; here every bug that is planted is caught at once.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.catalog.sql.index import IndexView
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.errors import LeaseLost
from budwood.store.api import Objects, ObjectWriter
from budwood.verbs.house import House
from budwood.verbs.tiers import rewrite as rewriting
from budwood.verbs.tiers.worker import WorkerLease

MakeModel = Callable[..., Path]
POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: warm, models: [encoder]}]}\n"


class Beside:
    """A catalog or store beside which something happens once, just before the call of that name."""

    def __init__(self, inner: Any, name: str, act: Callable[[], object]) -> None:
        self._inner, self._name, self._acts = inner, name, [act]

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            for act in [self._acts.pop() for _ in list(self._acts)]:
                act()
        return getattr(self._inner, name)


class PublishingObjects:
    """Objects beside which something happens once, when the next pack was published."""

    def __init__(self, objects: Objects, act: Callable[[], object]) -> None:
        self._objects, self._act = objects, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def create(self, key: str) -> ObjectWriter:
        return PublishedWriter(self._objects.create(key), self._act)


class PublishedWriter:
    def __init__(self, writer: ObjectWriter, act: Callable[[], object]) -> None:
        self._writer, self._act = writer, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def publish(self) -> None:
        self._writer.publish()
        self._act()

    def __enter__(self) -> "PublishedWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)


def once(act: Callable[[], object]) -> Callable[[], None]:
    done: list[object] = []

    def acted() -> None:
        if not done:
            done.append(None)
            act()

    return acted


@pytest.fixture
def family(model: MakeModel) -> Iterator[Registry]:
    """A base under another name, and a fine-tune of it that is kept whole until work on tiers makes it lean."""
    with budwood.in_memory(author="mara") as opened:
        whole = replace(opened.house, push_as=Arrival.QUICK)
        registry = Registry(Near(whole, "memory", made=True, grace_s=0))
        registry.push(model(), "base")
        registry.push(model(moved=0.01), "encoder")
        registry.tiers.put_policy(POLICY)
        yield registry


def beside(registry: Registry, **parts: Any) -> Registry:
    house: House = replace(registry.house, **parts)
    return Registry(Near(house, "memory", made=False, grace_s=0))


def free_base(registry: Registry) -> None:
    registry.delete("base@v1")
    registry.sweep(grace_s=0)


def problems(registry: Registry) -> list[str]:
    return [problem.detail for problem in registry.verify(read_data=True).problems]


def warm_while_its_base_goes(family: Registry) -> list[str]:
    act = once(lambda: free_base(family))
    beside(family, objects=PublishingObjects(family.house.objects, act)).tiers.run()
    return problems(family)


def warm_while_another_takes_over(family: Registry) -> list[str]:
    def take_over() -> None:
        # The other finds that it has nothing to do, and a sweep clears what nobody names.
        family.tiers.put_policy("")
        family.tiers.run(take_over=True)
        family.sweep(grace_s=0)

    worker = beside(family, objects=PublishingObjects(family.house.objects, once(take_over)))
    try:
        worker.tiers.run()
    except LeaseLost:
        assert problems(family) == []
    return problems(family)


def sweep_while_something_begins_to_lean(family: Registry) -> list[str]:
    """The base is deleted and a sweep marks its blocks; before it condemns them, the fine-tune leans on them."""
    written, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        written.set()
        assert go_on.wait(60)

    worker = beside(family, objects=PublishingObjects(family.house.objects, once(wait)))
    thread = threading.Thread(target=worker.tiers.run)
    thread.start()
    assert written.wait(60)
    family.delete("base@v1")

    def lean() -> None:
        go_on.set()
        thread.join(60)

    sweeper = beside(family, catalog=Beside(family.house.catalog, "write", lean))
    sweeper.sweep(grace_s=0)
    return problems(family)


def test_what_is_to_lean_on_a_block_that_went_meanwhile_stays_whole(family: Registry) -> None:
    assert warm_while_its_base_goes(family) == []


def test_pointing_without_a_second_look_is_caught(family: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def blindly(transaction: Transaction, rows: Any, seen: Any) -> list[Any]:
        return list(rows)

    monkeypatch.setattr(rewriting, "movable", blindly)
    assert warm_while_its_base_goes(family) != []


def test_a_worker_that_was_taken_over_points_at_nothing(family: Registry) -> None:
    assert warm_while_another_takes_over(family) == []


def test_a_worker_that_does_not_ask_for_its_lease_is_caught(family: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerLease, "confirm", lambda lease, transaction, now_ms: None)
    assert warm_while_another_takes_over(family) != []


def test_a_sweep_spares_what_something_began_to_lean_on(family: Registry) -> None:
    assert sweep_while_something_begins_to_lean(family) == []


def test_a_sweep_that_does_not_ask_who_leans_is_caught(family: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IndexView, "leaning_on", lambda view, ids: [])
    assert sweep_while_something_begins_to_lean(family) != []
