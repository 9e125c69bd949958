"""Where a schedule begins: a registry with some versions, some deleted, some of their blocks condemned or moved.

Making one takes longer than playing a schedule, so there are a few dozen of them, made once a process and copied.
"""

import itertools
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.results import Pushed
from budwood.domain.storage_tiers.values import Arrival
from budwood.store.backends.memory import MemoryObjects
from budwood.store.backends.tiered import TieredObjects
from budwood.store.crew import AtOnce
from budwood.verbs.desk import Home
from budwood.verbs.house import House
from budwood.verbs.push import PushRequest, push
from budwood.verbs.tiers.policies import put_tiering
from budwood.verbs.tiers.worker import run_tiers
from tests.schedules.sources import MODELS, write_sources

HISTORIES: Final = 64
"""By hand; the tests make do with fewer."""
BORN_MS: Final = 1_700_000_000_000
TICK_MS: Final = 7
TIERS: Final = ("hot", "warm", "cold")


@dataclass(frozen=True, slots=True)
class Start:
    """A registry at rest, and what is known of it: what was pushed from where, and what somebody tried to delete."""

    catalog: Path
    packs: tuple[tuple[str, bytes], ...]
    now_ms: int
    push_as: Arrival | None
    pushed: dict[str, Path]
    doomed: frozenset[str]


class Clock:
    """Each look at it takes a few milliseconds; and the machine may sleep."""

    def __init__(self, now_ms: int) -> None:
        self._ticks = itertools.count(now_ms, TICK_MS)
        self.slept_ms = 0

    def __call__(self) -> int:
        return next(self._ticks) + self.slept_ms


class Histories:
    """So many, in a room of its own, in which every world has its catalog."""

    def __init__(self, room: Path, count: int = HISTORIES) -> None:
        self.room = room
        (room / "sources").mkdir()
        self.sources = write_sources(room / "sources")
        # A new catalog takes longest of all.
        self._newborn = room / "newborn.db"
        SqliteCatalog(self._newborn, durable=False).close()
        self.starts = tuple(self._make(number) for number in range(count))

    def house(self, catalog: Path, clock: Clock, chance: random.Random, push_as: Arrival | None) -> House:
        """Over the catalog in that file, which is made when there is none, and two empty stores."""
        objects = TieredObjects(MemoryObjects(clock), MemoryObjects(clock))
        return House(
            catalog=SqliteCatalog(catalog, durable=False),
            objects=objects,
            clock=clock,
            ids=lambda: f"{chance.getrandbits(128):032x}",
            author="mara",
            threads=1,
            push_as=push_as,
            has_cold_store=True,
            cluster=AtOnce(objects),
        )

    def _make(self, number: int) -> Start:
        chance, clock = random.Random(f"history {number}"), Clock(BORN_MS)
        # What was pushed without differences is what work on tiers has to do with.
        push_as = chance.choice([None, Arrival.QUICK, Arrival.RAW, Arrival.RAW])
        catalog = self.room / f"history-{number}.db"
        shutil.copyfile(self._newborn, catalog)
        house = self.house(catalog, clock, random.Random(f"names {number}"), push_as)
        pushed, doomed = self._lived(Registry(Near(house, "memory", made=True, grace_s=0)), chance)
        packs = tuple((each.key, house.objects.read(each.key, 0, each.size)) for each in house.objects.list())
        now_ms = clock()
        house.close()
        return Start(catalog, packs, now_ms, push_as, pushed, doomed)

    def _lived(self, registry: Registry, chance: random.Random) -> tuple[dict[str, Path], frozenset[str]]:
        pushed: dict[str, Path] = {}
        for _ in range(chance.randrange(3, 6)):
            source, model = chance.choice(self.sources), chance.choice(MODELS)
            number = push_of(registry.house, source, model).version.number
            pushed[f"{model}@v{number}"] = source
        if chance.random() < 0.3:
            put_tiering(registry.house, "default", tiering(chance))
            run_tiers(registry.house)
        if chance.random() < 0.4:
            doomed = chance.choice(sorted(pushed))
            registry.delete(doomed)
            if chance.random() < 0.5:
                registry.sweep(grace_s=3600)
            return pushed, frozenset({doomed})
        return pushed, frozenset()


def push_of(house: House, source: Path, model: str, aliases: tuple[str, ...] = ()) -> Pushed:
    """Without a look at code and machine, which costs more than all the rest."""
    return push(Home(house), PushRequest(paths=(source,), model=model, aliases=aliases))


def tiering(chance: random.Random, tiers: tuple[str, ...] = TIERS, models: tuple[str, ...] = MODELS) -> str:
    """A policy that sends each of the models somewhere."""
    rules = ", ".join(f"{{tier: {chance.choice(tiers)}, models: [{model}]}}" for model in models)
    return f"apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {{rules: [{rules}]}}\n"
