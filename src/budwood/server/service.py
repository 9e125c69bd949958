"""What all requests of one server process share: the house, threads, and what is known of the process itself."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from budwood.config import SignOn
from budwood.domain.limits import LONG_THREADS, LONG_WAITING, POINT_THREADS, SERVER_THREADS, SOON_THREADS
from budwood.errors import RegistryBusy
from budwood.server.blob_door import Keys
from budwood.server.oidc import Issuers
from budwood.server.rates import Rates
from budwood.verbs.house import House


@dataclass(frozen=True, slots=True)
class Chance:
    """Where secrets come from: ``secret`` gives a fresh token, without its prefix."""

    secret: Callable[[], str]


class Threads:
    """Where verbs run. Few long ones at once, and few that wait, so that short ones never wait for them."""

    def __init__(self) -> None:
        self.short = ThreadPoolExecutor(SERVER_THREADS, "budwood-ask")
        # More of them answer fewer requests: they only take the interpreter from one another (8 threads 4,100/s with
        # p99 48 ms on PostgreSQL, 32 threads 3,000/s with p99 780 ms).
        self.point = ThreadPoolExecutor(POINT_THREADS, "budwood-point")
        self.soon = ThreadPoolExecutor(SOON_THREADS, "budwood-soon")
        self._long = ThreadPoolExecutor(LONG_THREADS, "budwood-long")
        self._room = threading.BoundedSemaphore(LONG_THREADS + LONG_WAITING)

    def long(self, work: Callable[[], Any]) -> Any:
        """A future of the work. Raises RegistryBusy when too much waits already."""
        if not self._room.acquire(blocking=False):
            raise RegistryBusy("The server works on as many long requests as it can.", hint="Try again in a moment.")
        try:
            future = self._long.submit(work)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """Wait for what runs."""
        self.short.shutdown()
        self.point.shutdown()
        self.soon.shutdown()
        self._long.shutdown()


@dataclass(slots=True)
class Service:
    """``house`` is the whole registry. ``folder`` is for files on their way through. ``on_loop``: the catalog is
    near enough for point reads in the event loop. ``pages`` give texts that are made when first asked for, by route;
    ``metrics`` makes the page of figures. ``sign_on`` is the identity provider people log in with, if any;
    ``providers`` asks it, and ``issuers`` those that tenants trust, so that these never hold up people. ``guesses``
    counts what strangers bring that is none. ``overdue`` promotions went past the gates, and nobody looked at them in
    time. ``moved`` tells the control plane of gateways that a request may have moved traffic."""

    house: House
    keys: Keys
    chance: Chance
    grace_s: float
    folder: Path
    on_loop: bool
    version: str
    providers: Issuers
    issuers: Issuers
    guesses: Rates
    sign_on: SignOn | None = None
    threads: Threads = field(default_factory=Threads)
    stopping: bool = False
    overdue: int = 0
    pages: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    metrics: Callable[[], bytes] = bytes
    moved: Callable[[], None] = lambda: None
