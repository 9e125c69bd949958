"""One schedule: some actors at once on a registry with a history, and what must be true of it afterwards.

However it goes, every acknowledged version comes back bit for bit, and ``verify`` finds nothing.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.errors import BudwoodError, Damaged, LeaseLost, NotFound, RegistryBusy, StillInUse
from budwood.store.crew import AtOnce
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.policies import put_tiering
from budwood.verbs.tiers.worker import run_tiers
from tests.schedules.history import Clock, Histories, push_of, tiering
from tests.schedules.sources import BUNDLE, MODELS
from tests.schedules.turns import (
    PATIENT,
    RESTLESS,
    STUBBORN,
    YIELDING,
    Manner,
    StoppingCatalog,
    StoppingObjects,
    Turns,
)

EXPECTED: Final = (LeaseLost, NotFound, RegistryBusy, StillInUse)
VERSIONS: Final = 4
"""Of each model: actors name versions up to this one."""
LEANING: Final = 0.5
"""The share of schedules in which two actors are after the same blocks."""
MANNERS: Final = (RESTLESS, YIELDING, PATIENT, STUBBORN)
Act = Callable[[Registry], None]


class Actor(NamedTuple):
    """Who does what, and how."""

    act: Act
    manner: Manner


def problems_of(seed: int, histories: Histories, leaning: float = LEANING) -> list[str]:
    """What goes wrong with this seed."""
    with World(seed, histories, leaning) as world:
        world.run()
        return world.problems()


class World:
    """One registry in memory, what was acknowledged, and what somebody tried to delete."""

    def __init__(self, seed: int, histories: Histories, leaning: float = LEANING) -> None:
        self._leaning = leaning
        self.chance = random.Random(seed)
        start = self.chance.choice(histories.starts)
        self.sources = histories.sources
        self.clock = Clock(start.now_ms)
        self.sleeps = self.chance.random() < 0.5
        self._catalog = histories.room / f"world-{seed}.db"
        shutil.copyfile(start.catalog, self._catalog)
        house = histories.house(self._catalog, self.clock, random.Random(f"names of {seed}"), start.push_as)
        for key, content in start.packs:
            with house.objects.create(key) as writer:
                writer.append([content])
                writer.publish()
        self.registry = Registry(Near(house, "memory", made=True, grace_s=0))
        self.pushed, self.doomed = dict(start.pushed), set(start.doomed)
        self.moved = MODELS[0]
        self.surprises: list[str] = []

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.close()
        for left in self._catalog.parent.glob(f"{self._catalog.name}*"):
            left.unlink()

    def run(self) -> None:
        turns = Turns(self.chance)
        cast = self._cast()
        acts = [self._guarded(each.act, self._opened(turns, actor)) for actor, each in enumerate(cast)]
        turns.run(acts, [each.manner for each in cast])

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
        house = self.registry.house
        objects = StoppingObjects(house.objects, turns, actor)
        catalog = StoppingCatalog(house.catalog, turns, actor)
        stopping = replace(house, catalog=catalog, objects=objects, cluster=AtOnce(objects))
        return Registry(Near(stopping, "memory", made=False, grace_s=0))

    def _guarded(self, act: Act, registry: Registry) -> Callable[[], None]:
        def guarded() -> None:
            try:
                act(registry)
            except EXPECTED:
                return
            except Exception as error:
                self.surprises.append(f"{type(error).__name__}: {error}")

        return guarded

    # Who acts

    def _cast(self) -> list[Actor]:
        """Two to four actors: any, or two who are after the same blocks and perhaps others beside them."""
        if self.chance.random() >= self._leaning:
            return [self._any() for _ in range(self.chance.randrange(2, 5))]
        one, other = self.chance.choice(
            [(self._lean, self._retire), (self._tier, self._take_over), (self._sweep, self._come_again)]
        )
        yields, overtakes = self.chance.choice([(YIELDING, STUBBORN), (YIELDING, STUBBORN), (PATIENT, PATIENT)])
        beside = [self._any() for _ in range(self.chance.choice([0, 0, 1, 2]))]
        return [Actor(one(self._own_chance()), yields), Actor(other(self._own_chance()), overtakes), *beside]

    def _any(self) -> Actor:
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
        return Actor(act(self._own_chance()), self.chance.choice(MANNERS))

    def _own_chance(self) -> random.Random:
        return random.Random(self.chance.random())

    # What they do

    def _push(self, chance: random.Random) -> Act:
        aliases = ("candidate",) if chance.random() < 0.2 else ()
        return self._pushing(chance.choice(self.sources), chance.choice(MODELS), aliases)

    def _come_again(self, chance: random.Random) -> Act:
        """What a version that was deleted held: its blocks lie there yet, and a sweep is about to see it."""
        gone = sorted(self.doomed) or sorted(self.pushed)
        return self._pushing(self.pushed[chance.choice(gone)], chance.choice(MODELS))

    def _pushing(self, source: Path, model: str, aliases: tuple[str, ...] = ()) -> Act:
        def act(registry: Registry) -> None:
            pushed = push_of(registry.house, source, model, aliases)
            self.pushed[f"{model}@v{pushed.version.number}"] = source

        return act

    def _take_in(self, _: random.Random) -> Act:
        folder = self.sources[0].parent

        def act(registry: Registry) -> None:
            for version in registry.import_bundle(folder / BUNDLE).versions:
                self.pushed[f"{version.model}@v{version.number}"] = folder / version.message

        return act

    def _delete(self, chance: random.Random) -> Act:
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, VERSIONS)}"
        return lambda registry: self._deleting(registry, reference)

    def _retire(self, chance: random.Random) -> Act:
        """Delete something that may be leaned on, and free what only it needed."""
        there = [each for each in self.pushed if each not in self.doomed] or list(self.pushed)
        reference = chance.choice([each for each in there if not each.startswith(self.moved)] or there)

        def act(registry: Registry) -> None:
            self._deleting(registry, reference)
            registry.sweep(grace_s=0)

        return act

    def _deleting(self, registry: Registry, reference: str) -> None:
        self.doomed.add(reference)
        registry.delete(reference)

    def _sweep(self, chance: random.Random) -> Act:
        grace_s = chance.choice([0, 0, 0.5])
        return lambda registry: _done(registry.sweep(grace_s=grace_s))

    def _pull(self, chance: random.Random) -> Act:
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, VERSIONS)}"

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
        reference = f"{chance.choice(MODELS)}@v{chance.randrange(1, VERSIONS)}"
        return lambda registry: _done(registry.alias(reference, "champion"))

    def _tier(self, chance: random.Random) -> Act:
        """Every model to some tier, and perhaps in the place of another worker."""
        return self._moving(tiering(chance), take_over=chance.random() < 0.5)

    def _lean(self, chance: random.Random) -> Act:
        """Make differences of what one model kept whole, by a policy that is in force already; what they are to lean on
        may be the other's, and stays as it is."""
        self.moved = chance.choice(MODELS)
        put_tiering(self.registry.house, "default", tiering(chance, ("warm", "warm", "cold"), (self.moved,)))
        return lambda registry: _done(run_tiers(registry.house, Pace()))

    def _moving(self, text: str, *, take_over: bool = False) -> Act:
        def act(registry: Registry) -> None:
            put_tiering(registry.house, "default", text)
            run_tiers(registry.house, Pace(), take_over=take_over)

        return act

    def _take_over(self, chance: random.Random) -> Act:
        """In the place of the worker, who may not have noticed; and free what it had written."""
        move = self._moving(chance.choice(["", tiering(chance)]), take_over=True)

        def act(registry: Registry) -> None:
            move(registry)
            registry.sweep(grace_s=0)

        return act

    def _rebuild(self, _: random.Random) -> Act:
        return lambda registry: _done(registry.rebuild_index())

    def _sleep(self, _: random.Random) -> Act:
        def act(registry: Registry) -> None:
            registry.house.catalog.read()
            self.clock.slept_ms += 2 * 3_600_000

        return act


def _done(_: object) -> None:
    """What came of it does not matter here."""
