"""Bugs to plant: each takes one guard away, and shows what the schedules can see."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from budwood.catalog.api import Transaction
from budwood.catalog.sql.index import IndexView
from budwood.verbs import publish as publishing
from budwood.verbs import sweep as sweeping
from budwood.verbs.tiers import rewrite as rewriting
from budwood.verbs.tiers.worker import WorkerLease


def _nothing(*_: Any, **__: Any) -> None:
    """No guard at all."""


def _sentence_blindly(transaction: Transaction, house: Any, doomed: Any, last: object, now: int) -> Any:
    rows = list(transaction.find_blocks(doomed).values())
    transaction.condemn(doomed, at_ms=now)
    return rows


def _move_blindly(transaction: Transaction, rows: Any, seen: Any) -> list[Any]:
    return list(rows)


PLANTED: Final[Mapping[str, tuple[object, str, Callable[..., Any]]]] = {
    "naive-sweep": (sweeping, "_sentence", _sentence_blindly),
    "blind-re-encoder": (rewriting, "movable", _move_blindly),
    "worker-without-a-lease": (WorkerLease, "confirm", _nothing),
    "publish-without-a-second-look": (publishing, "hold", _nothing),
    "sweep-that-knows-no-leases": (sweeping, "pack_lease", lambda pack: "nobody"),
    "sweep-that-asks-not-who-leans": (IndexView, "leaning_on", lambda view, ids: []),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The guard is gone within. An empty name plants nothing. Raises KeyError."""
    if not name:
        yield
        return
    where, what, instead = PLANTED[name]
    with patch.object(where, what, instead):
        yield


@contextmanager
def every_pack_is_worth_rewriting() -> Iterator[None]:
    """Packs of schedules are small."""
    with patch.object(sweeping, "DEAD_BYTES", 1):
        yield
