"""Many hands for work on blocks: one's own, threads of this process, or the machines of a cluster.

What a crew does is a pure function of the store and of what it is given: it writes nothing, knows no catalog, and gives
the same wherever it runs and however often. So a hand that dies costs its last piece of work and nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from budwood.store.api import Objects

G = TypeVar("G")
R = TypeVar("R")
AHEAD: Final = 2
"""Pieces of work that wait for each hand: what waits is held in memory."""


class Crew(Protocol):
    """Whoever works."""

    def each(self, work: Callable[[Objects, G], R], given: Iterable[G]) -> Iterator[tuple[G, R]]:
        """What was given with what came of it, in order; few are taken ahead.

        ``work`` is a function of a module, and what goes in and out are plain values: they may travel. Raises
        ClusterGone when there are no hands, and what ``work`` raises.
        """


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Whoever asks, when the next piece is asked for."""

    objects: Objects

    def each(self, work: Callable[[Objects, G], R], given: Iterable[G]) -> Iterator[tuple[G, R]]:
        """See ``Crew``."""
        return ((one, work(self.objects, one)) for one in given)


@dataclass(frozen=True, slots=True)
class Threads:
    """Of this process. Decoding and hashing leave the interpreter to others."""

    objects: Objects
    count: int

    def each(self, work: Callable[[Objects, G], R], given: Iterable[G]) -> Iterator[tuple[G, R]]:
        """See ``Crew``."""
        waiting: deque[tuple[G, Future[R]]] = deque()
        with ThreadPoolExecutor(self.count, "budwood-crew") as pool:
            try:
                for one in given:
                    waiting.append((one, pool.submit(work, self.objects, one)))
                    if len(waiting) >= AHEAD * self.count:
                        yield _first(waiting)
                while waiting:
                    yield _first(waiting)
            finally:
                pool.shutdown(cancel_futures=True)


def _first(waiting: "deque[tuple[G, Future[R]]]") -> tuple[G, R]:
    given, future = waiting.popleft()
    return given, future.result()
