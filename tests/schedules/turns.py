"""Turns: actors that move one at a time, and the catalog and objects that make them stop.

An actor stops before every call of its catalog and its objects, and whoever stops decides by the schedule's chance who
goes on. So a seed is one exact interleaving. Nobody watches: one who goes on itself does so without waking anybody.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from budwood.catalog.api import Catalog, Done, Transaction, View
from budwood.store.api import Method, Objects, ObjectWriter, StoredObject

HANGS_S: Final = 60.0


class Manner(NamedTuple):
    """How often an actor gives way: at any stop, and just before it changes something."""

    anywhere: float
    before_a_change: float


RESTLESS: Final = Manner(0.03, 0.3)
YIELDING: Final = Manner(0.0, 0.3)
PATIENT: Final = Manner(0.0, 0.1)
STUBBORN: Final = Manner(0.0, 0.02)
"""Most races need one actor to overtake another by many steps, some by all of its steps."""


class Turns:
    """One actor moves at a time, each in a manner of its own."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._manners: Sequence[Manner] = ()
        self._gates: list[threading.Semaphore] = []
        self._alive: list[int] = []
        self._all_done = threading.Event()

    def wait(self, actor: int, *, changes: bool = False) -> None:
        """Stop, until it is this actor's turn. One that is no actor any more goes on."""
        others = [each for each in self._alive if each != actor]
        if actor not in self._alive or not others:
            return
        manner = self._manners[actor]
        if self._chance.random() < (manner.before_a_change if changes else manner.anywhere):
            self._gates[self._chance.choice(others)].release()
            self._await(actor)

    def run(self, acts: Sequence[Callable[[], None]], manners: Sequence[Manner]) -> None:
        """All of them to their end. Raises AssertionError when nobody moves any more."""
        self._manners = manners
        self._gates = [threading.Semaphore(0) for _ in acts]
        self._alive = list(range(len(acts)))
        threads = [
            threading.Thread(target=self._play, args=(actor, act), daemon=True) for actor, act in enumerate(acts)
        ]
        for thread in threads:
            thread.start()
        self._gates[self._chance.choice(self._alive)].release()
        assert self._all_done.wait(2 * HANGS_S), "an actor hangs"
        for thread in threads:
            thread.join()

    def _play(self, actor: int, act: Callable[[], None]) -> None:
        self._await(actor)
        try:
            act()
        finally:
            self._alive.remove(actor)
            if self._alive:
                self._gates[self._chance.choice(self._alive)].release()
            else:
                self._all_done.set()

    def _await(self, actor: int) -> None:
        assert self._gates[actor].acquire(timeout=HANGS_S), "an actor hangs"


class Stopping:
    """Stops an actor before each call. Threads that only hash or seal run on: their actor waits for them."""

    def __init__(self, turns: Turns, actor: int) -> None:
        self._turns, self._actor = turns, actor

    def stop(self, *, changes: bool = False) -> None:
        if not threading.current_thread().name.startswith(("budwood-sha256", "budwood-seal", "budwood-crew")):
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

    def write_behind(self, work: Callable[[Transaction], Any]) -> Any:
        self.stop(changes=True)
        return self._catalog.write_behind(work)

    def write_soon(self, work: Callable[[Transaction], Any], done: Done[Any]) -> None:
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
