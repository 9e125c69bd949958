"""Pushes, imports, deletes, sweeps, aliases, pulls, rebuilds and work on tiers at once, in seeded random schedules.

Each actor has a house of its own whose catalog and objects stop before every call until the schedule says go on; so
a seed is one exact interleaving. However it goes, every acknowledged version comes back bit for bit and ``verify``
finds nothing. ``--schedules 100:100000`` runs more of them by hand; the planted bugs show what the schedules can see.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.catalog.api import Catalog, Transaction, View
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.errors import BudwoodError, Damaged, LeaseLost, NotFound, RegistryBusy, StillInUse
from budwood.store.api import Method, Objects, ObjectWriter, StoredObject
from budwood.store.backends.memory import MemoryObjects
from budwood.store.backends.tiered import TieredObjects
from budwood.verbs import publish as publishing
from budwood.verbs import sweep as sweeping
from budwood.verbs.house import House
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.policies import put_tiering
from budwood.verbs.tiers.worker import run_tiers

MODELS = ("encoder", "ranker")
BUNDLE = "two-versions"
EXPECTED = (LeaseLost, NotFound, RegistryBusy, StillInUse)
TIERS = ("hot", "warm", "cold")
Act = Callable[[Registry], None]


class Turns:
    """One actor moves at a time, and goes on for a while: most races need one to overtake another by many steps.

    It is most often overtaken just before it changes something.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._changed = threading.Condition()
        self._alive: set[int] = set()
        self._waiting: dict[int, bool] = {}
        self._granted: int | None = None

    def wait(self, actor: int, *, changes: bool = False) -> None:
        with self._changed:
            if actor not in self._alive:
                return
            self._waiting[actor] = changes
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._granted == actor)
            self._granted = None
            del self._waiting[actor]

    def run(self, acts: list[Callable[[], None]]) -> None:
        self._alive = set(range(len(acts)))
        threads = [threading.Thread(target=self._act, args=(number, act)) for number, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        mover = -1
        with self._changed:
            while True:
                ready = self._changed.wait_for(
                    lambda: self._granted is None and self._waiting.keys() == self._alive, 60
                )
                assert ready, "an actor hangs"
                if not self._alive:
                    break
                if mover not in self._alive or self._chance.random() < (0.4 if self._waiting[mover] else 0.05):
                    mover = self._chance.choice(sorted(self._alive))
                self._granted = mover
                self._changed.notify_all()
        for thread in threads:
            thread.join()

    def _act(self, actor: int, act: Callable[[], None]) -> None:
        try:
            self.wait(actor)
            act()
        finally:
            with self._changed:
                self._alive.discard(actor)
                self._changed.notify_all()


class Stopping:
    """Stops an actor before each call. Threads that only hash or seal run on: their actor waits for them."""

    def __init__(self, turns: Turns, actor: int) -> None:
        self._turns, self._actor = turns, actor

    def stop(self, *, changes: bool = False) -> None:
        if not threading.current_thread().name.startswith(("budwood-sha256", "budwood-seal")):
            self._turns.wait(self._actor, changes=changes)


class StoppingCatalog(Stopping):
    def __init__(self, catalog: Catalog, turns: Turns, actor: int) -> None:
        super().__init__(turns, actor)
        self._catalog = catalog

    def read(self) -> AbstractContextManager[View]:
        self.stop()
        return self._catalog.read()

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        self.stop(changes=True)
        return self._catalog.write(work)

    def write_soon(self, work: Callable[[Transaction], Any], done: Callable[[Callable[[], Any]], None]) -> None:
        self.stop(changes=True)
        self._catalog.write_soon(work, done)

    def check(self) -> Iterator[str]:
        self.stop()
        return self._catalog.check()

    def close(self) -> None:
        """The registry's own catalog is closed."""


class StoppingObjects(Stopping):
    def __init__(self, objects: Objects, turns: Turns, actor: int) -> None:
        super().__init__(turns, actor)
        self._objects = objects

    def create(self, key: str) -> ObjectWriter:
        self.stop(changes=True)
        return self._objects.create(key)

    def read(self, key: str, offset: int, length: int) -> bytes:
        self.stop()
        return self._objects.read(key, offset, length)

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        self.stop()
        self._objects.read_into(key, offset, target)

    def size(self, key: str) -> int | None:
        self.stop()
        return self._objects.size(key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        self.stop(changes=True)
        return iter(list(self._objects.list(prefix)))

    def copy(self, key: str, to: str) -> None:
        self.stop(changes=True)
        self._objects.copy(key, to)

    def delete(self, key: str) -> None:
        self.stop(changes=True)
        self._objects.delete(key)

    def clean(self, older_than_ms: int) -> int:
        return self._objects.clean(older_than_ms)

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        return self._objects.sign(method, key, expires_s)

    def close(self) -> None:
        """The registry's own objects are closed."""


class World:
    """One registry in memory, what was acknowledged, and what somebody tried to delete."""

    def __init__(self, seed: int, sources: list[Path]) -> None:
        self.chance = random.Random(seed)
        self.sources = sources
        self.now_ms = itertools.count(1_700_000_000_000, 7)
        self.slept_ms = 0
        self.sleeps = self.chance.random() < 0.5
        names = random.Random(seed)
        opened = budwood.in_memory(author="mara", clock=lambda: next(self.now_ms) + self.slept_ms)
        objects = TieredObjects(opened.house.objects, MemoryObjects(opened.house.clock))
        named = replace(
            opened.house,
            ids=lambda: f"{names.getrandbits(128):032x}",
            threads=1,
            objects=objects,
            has_cold_store=True,
            # What was pushed without differences is what work on tiers has to do with.
            push_as=self.chance.choice([None, Arrival.QUICK, Arrival.RAW]),
        )
        self.registry = Registry(Near(named, "memory", made=True, grace_s=0))
        self.pushed: dict[str, Path] = {}
        self.doomed: set[str] = set()
        self.surprises: list[str] = []

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.close()

    def run(self, actors: int) -> None:
        turns = Turns(self.chance)
        acts = [self._guarded(self._choose(), self._opened(turns, actor)) for actor in range(actors)]
        turns.run(acts)

    def problems(self) -> list[str]:
        """What went wrong: surprises, what verify says, versions that do not come back as they were pushed."""
        found = list(self.surprises)
        found += [f"{p.code}: {p.detail}" for p in self.registry.verify(read_data=True).problems]
        for reference, source in self.pushed.items():
            found += self._differs(reference, source)
        return found

    def _differs(self, reference: str, source: Path) -> Iterator[str]:
        try:
            version = self.registry.get(reference)
            for path in version.files:
                if version.read(path) != (source / path).read_bytes():
                    yield f"{reference}: {path} differs"
        except BudwoodError as error:
            if not (isinstance(error, NotFound) and reference in self.doomed):
                yield f"{reference}: {error.message}"

    def _opened(self, turns: Turns, actor: int) -> Registry:
        house: House = replace(
            self.registry.house,
            catalog=StoppingCatalog(self.registry.house.catalog, turns, actor),
            objects=StoppingObjects(self.registry.house.objects, turns, actor),
        )
        return Registry(Near(house, "memory", made=False, grace_s=0))

    def _guarded(self, act: Act, registry: Registry) -> Callable[[], None]:
        def guarded() -> None:
            try:
                act(registry)
            except EXPECTED:
                return
            except Exception as error:
                self.surprises.append(f"{type(error).__name__}: {error}")

        return guarded

    def _choose(self) -> Act:
        weights = {
            self._push: 5,
            self._take_in: 1,
            self._delete: 4,
            self._sweep: 6,
            self._pull: 1,
            self._alias: 1,
            self._tier: 3,
            # A machine that wakes between two steps of a rebuild or of a sweep has outslept what keeps them apart.
            self._sleep if self.sleeps else self._rebuild: 1,
        }
        act = self.chance.choices(list(weights), list(weights.values()))[0]
        return act(random.Random(self.chance.random()))

    def _push(self, chance: random.Random) -> Act:
        source, model = chance.choice(self.sources), chance.choice(MODELS)
        aliases = ["candidate"] if chance.random() < 0.2 else []

        def act(registry: Registry) -> None:
            pushed = registry.push(source, model, aliases=aliases)
            self.pushed[f"{model}@v{pushed.version.number}"] = source

        return act

    def _take_in(self, _: random.Random) -> Act:
        folder = self.sources[0].parent

        def act(registry: Registry) -> None:
            for version in registry.import_bundle(folder / BUNDLE).versions:
                self.pushed[f"{version.model}@v{version.number}"] = folder / version.message

        return act

    def _delete(self, chance: random.Random) -> Act:
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, 4)}"

        def act(registry: Registry) -> None:
            self.doomed.add(reference)
            registry.delete(reference)

        return act

    def _sweep(self, chance: random.Random) -> Act:
        grace_s = chance.choice([0, 0, 0.5])
        return lambda registry: _done(registry.sweep(grace_s=grace_s))

    def _pull(self, chance: random.Random) -> Act:
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, 4)}"

        def act(registry: Registry) -> None:
            try:
                version = registry.get(reference)
                found = {path: version.read(path) for path in version.files}
            except Damaged as error:
                if reference not in self.doomed:
                    self.surprises.append(f"pull {reference}: {error.message}")
                return
            source = self.pushed.get(reference)
            if source and any((source / path).read_bytes() != content for path, content in found.items()):
                self.surprises.append(f"pull {reference} gave other bytes")

        return act

    def _alias(self, chance: random.Random) -> Act:
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, 4)}"
        return lambda registry: _done(registry.alias(reference, "champion"))

    def _tier(self, chance: random.Random) -> Act:
        """Every model to some tier, and perhaps in the place of another worker."""
        text, take_over = tiering(chance), chance.random() < 0.5

        def act(registry: Registry) -> None:
            put_tiering(registry.house, "default", text)
            run_tiers(registry.house, Pace(), take_over=take_over)

        return act

    def _rebuild(self, _: random.Random) -> Act:
        return lambda registry: _done(registry.rebuild_index())

    def _sleep(self, _: random.Random) -> Act:
        def act(registry: Registry) -> None:
            registry.house.catalog.read()
            self.slept_ms += 2 * 3_600_000

        return act


def tiering(chance: random.Random) -> str:
    """A policy that sends each model somewhere."""
    rules = ", ".join(f"{{tier: {chance.choice(TIERS)}, models: [{model}]}}" for model in MODELS)
    return f"apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {{rules: [{rules}]}}\n"


def _done(_: object) -> None:
    """What came of it does not matter here."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few folders that share files, and tensors that are light changes of each other; beside them a bundle."""
    root = tmp_path_factory.mktemp("sources")
    start = np.random.default_rng(1).normal(0, 0.05, (2, 5000)).astype(np.float32)
    noise = np.random.default_rng(2).normal(0, 1e-5, (4, 2, 5000)).astype(np.float32)
    folders = []
    for number in range(4):
        folder = root / f"model-{number}"
        folder.mkdir()
        moved = start + noise[:number].sum(axis=0, dtype=np.float32)
        np.savez(folder / "weights.npz", first=moved[0], second=start[1] if number % 2 else moved[1])
        (folder / "tokens.bin").write_bytes(random.Random(number // 2).randbytes(40_000))
        (folder / "config.json").write_text(f'{{"seed": {number % 3}}}')
        folders.append(folder)
    with budwood.in_memory() as elsewhere:
        for folder in (folders[0], folders[3]):
            elsewhere.push(folder, MODELS[0], message=folder.name)
        elsewhere.export([f"{MODELS[0]}@v1", f"{MODELS[0]}@v2"], root / BUNDLE)
    return folders


@pytest.fixture(autouse=True)
def every_pack_is_worth_rewriting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "DEAD_BYTES", 1)


def prepared(seed: int, sources: list[Path]) -> World:
    """A registry with a history: some versions, some deleted, some of their blocks condemned."""
    world = World(seed, sources)
    for _ in range(world.chance.randrange(1, 4)):
        source, model = world.chance.choice(sources), world.chance.choice(MODELS)
        number = world.registry.push(source, model).version.number
        world.pushed[f"{model}@v{number}"] = source
    if world.chance.random() < 0.3:
        put_tiering(world.registry.house, "default", tiering(world.chance))
        run_tiers(world.registry.house)
    if world.chance.random() < 0.5:
        reference = world.chance.choice(sorted(world.pushed))
        world.registry.delete(reference)
        world.doomed.add(reference)
        if world.chance.random() < 0.5:
            world.registry.sweep(grace_s=3600)
    return world


def problems_of(seed: int, sources: list[Path]) -> list[str]:
    with prepared(seed, sources) as world:
        world.run(actors=world.chance.randrange(2, 5))
        return world.problems()


def test_no_schedule_loses_an_acknowledged_version(sources: list[Path], request: pytest.FixtureRequest) -> None:
    first, _, last = str(request.config.getoption("--schedules")).rpartition(":")
    for seed in range(int(first or 0), int(last)):
        assert problems_of(seed, sources) == [], f"seed {seed}"


class Meddled(StoppingObjects):
    """Objects beside which something else happens before each read."""

    def __init__(self, objects: Objects, act: Callable[[], None]) -> None:
        super().__init__(objects, Turns(random.Random(0)), 0)
        self._act = act

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        self._act()
        super().read_into(key, offset, target)


def test_a_pack_may_go_while_a_sweep_is_about_to_rewrite_it(sources: list[Path]) -> None:
    with budwood.in_memory() as registry:
        registry.push(sources[0], "encoder")
        registry.push(sources[0] / "config.json", "ranker")
        registry.delete("encoder@v1")
        meddled: list[str] = []

        def free_the_rest() -> None:
            with registry.house.catalog.read() as view:
                holders = [lease.holder for lease in view.leases(now_ms=registry.house.clock())]
            if not meddled and any(holder.startswith("rewrite") for holder in holders):
                meddled.append(registry.delete("ranker@v1").reference)
                registry.sweep(grace_s=0)

        house = replace(registry.house, objects=Meddled(registry.house.objects, free_the_rest))
        swept = Registry(Near(house, "memory", made=False, grace_s=0)).sweep()
        assert (meddled, swept.rewritten_packs) == (["ranker@v1"], 0)
        assert list(registry.house.objects.list()) == []


def seen(sources: list[Path], most: int = 2000) -> bool:
    return any(problems_of(seed, sources) for seed in range(most))


def test_publishing_without_a_second_look_at_shared_blocks_is_caught(
    sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "hold", lambda transaction, blocks, namespace, now_ms: None)
    assert seen(sources)


def test_condemning_without_a_second_look_at_new_versions_is_caught(
    sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blindly(transaction: Transaction, house: House, doomed: Any, last: object, now: int) -> Any:
        transaction.condemn([row.id for row in doomed], at_ms=now)
        return doomed

    monkeypatch.setattr(sweeping, "_sentence", blindly)
    assert seen(sources)


def test_deleting_packs_of_a_lease_that_lives_is_caught(sources: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "pack_lease", lambda pack: "nobody")
    assert seen(sources)
