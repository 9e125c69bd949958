"""What a verb gives back where it was to give a work for a transaction, and found that there is more to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Apart(Generic[T]):
    """``run`` reads or writes files, and transactions of its own: it is for a thread in which nobody else waits."""

    run: Callable[[], T]
