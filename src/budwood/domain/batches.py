"""Many things, some at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(several: Iterable[T], count: int) -> Iterator[tuple[T, ...]]:
    """So many at once, in order; the last may be fewer. What comes is taken no sooner than it is asked for."""
    coming = iter(several)
    while some := tuple(islice(coming, count)):
        yield some
