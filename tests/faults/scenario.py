"""What is interrupted: how to prepare a folder, what to do, and how to see that all is well.

``act`` runs in a process of its own that may be killed at any call. ``state`` runs afterwards in another: it says
what a reader would find, as plain text, and raises AssertionError when anything is broken. After a fault the state
must be the one before ``act`` or the one after it; repeating ``act`` must then work and leave the one after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scenario:
    """``databases`` are endings of the files whose writes publish: the order check looks at what precedes them.
    ``careless`` are endings of folders that may be lost without harm, such as a cache."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    state: Callable[[Path], str]
    databases: tuple[str, ...] = ("-wal",)
    careless: tuple[str, ...] = ()
