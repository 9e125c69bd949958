"""A crew on a Ray cluster: the same functions, on as many machines as there are.

Each worker opens the store for itself, by the same settings; so a folder must lie at the same path on every machine,
while an object store is reached from anywhere. A worker or a machine that is lost has its piece done again by another.
What the workers need to know travels within the cluster: its network must be as trusted as the store (Ray itself asks
nobody for a password).
"""

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from logging import ERROR
from typing import Any, Final, TypeVar

from budwood.errors import BudwoodError, ClusterGone, FrameworkMissing, StorageFailed
from budwood.store.api import Objects
from budwood.store.crew import AHEAD

G = TypeVar("G")
R = TypeVar("R")
_CONNECT_S: Final = 5.0
TRIES: Final = 8
"""How often a piece is begun again when whoever had it was lost."""
WAIT_S: Final = 300.0
"""How long a piece may take, and how long a cluster may have no hands, before it counts as gone."""


class RayCrew:
    """``address``: a cluster's head, ``HOST:PORT``, or ``auto`` for one on this machine. ``opened`` opens the store."""

    def __init__(self, address: str, opened: Callable[[], Objects]) -> None:
        self._address, self._opened = address, opened
        self._ray: Any = None

    def each(self, work: Callable[[Objects, G], R], given: Iterable[G]) -> Iterator[tuple[G, R]]:
        """See ``Crew``."""
        ray = self._joined()
        try:
            hands = max(1, int(ray.cluster_resources().get("CPU", 1)))
            remote = ray.remote(num_cpus=1, max_retries=TRIES)(_done)
            waiting: deque[tuple[G, Any]] = deque()
            for one in given:
                waiting.append((one, remote.remote(self._opened, work, one)))
                if len(waiting) >= AHEAD * hands:
                    yield _first(ray, waiting)
            while waiting:
                yield _first(ray, waiting)
        except ray.exceptions.RayError as error:
            raise _gone(self._address, error) from error

    def _joined(self) -> Any:
        if self._ray is None:
            try:
                import ray
            except ModuleNotFoundError as error:
                raise FrameworkMissing("Ray is not installed.", hint="pip install 'budwood[ray]'") from error
            _check_there(self._address)
            try:
                # Ray's own logs are about Ray; what matters here is raised.
                ray.init(address=self._address, ignore_reinit_error=True, log_to_driver=False, logging_level=ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise _gone(self._address, error) from error
            self._ray = ray
        return self._ray


def _check_there(address: str) -> None:
    """Ray itself would look for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise _gone(address, error) from error


def _first(ray: Any, waiting: "deque[tuple[G, Any]]") -> tuple[G, Any]:
    given, reference = waiting.popleft()
    done, failed = ray.get(reference, timeout=WAIT_S)
    if failed:
        raise StorageFailed(failed)
    return given, done


def _done(opened: Callable[[], Objects], work: Callable[[Objects, G], R], given: G) -> tuple[R | None, str]:
    """In a worker. What failed comes back as words: errors of ours do not travel well."""
    try:
        return work(_store(opened), given), ""
    except BudwoodError as error:
        return None, error.message


@lru_cache(maxsize=4)
def _store(opened: Callable[[], Objects]) -> Objects:
    """Opened once for each worker."""
    return opened()


def _gone(address: str, error: Exception) -> ClusterGone:
    said = str(error).strip().partition("\n")[0][:200]
    return ClusterGone(f"The Ray cluster at {address} cannot be worked with: {said}", address=address)
