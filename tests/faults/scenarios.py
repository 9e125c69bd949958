"""What is interrupted: for each scenario how to prepare a folder, what to do, and how to see that all is well.

``act`` runs in a process of its own that may be killed at any call. ``state`` runs afterwards in another: it says
what a reader would find, as plain text, and raises AssertionError when anything is broken. After a fault the state
must be the one before ``act`` or the one after it; repeating ``act`` must then work and leave the one after.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults import mini_store
from tests.faults.mini_store import Bug


@dataclass(frozen=True, slots=True)
class Scenario:
    """``databases`` are name endings of files that publish: the order check looks at what precedes their writes."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    state: Callable[[Path], str]
    databases: tuple[str, ...] = ("-wal",)


def _mini_prepare(folder: Path) -> None:
    mini_store.push(folder, [b"old" * 2000])


def _mini_push(folder: Path, *, bug: Bug) -> None:
    mini_store.push(folder, [b"old" * 2000, b"new" * 2000, b"other" * 2000], bug)


def _mini_state(folder: Path) -> str:
    return f"{mini_store.versions(folder)} versions"


SCENARIOS: Mapping[str, Scenario] = {
    f"mini:{bug}": Scenario(_mini_prepare, partial(_mini_push, bug=bug), _mini_state) for bug in Bug
}
