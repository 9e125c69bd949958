"""Cutting what is sent into requests, and going on past what one thing refuses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.refusing import refusals
from budwood.domain.limits import CARRIED_AT_ONCE, MIB
from budwood.errors import BudwoodError, Unavailable
from budwood.verbs.wire import encode

SENT_BYTES: Final = 6 * MIB
"""What one request may hold, unless one thing alone takes more."""
RECORDS_AT_ONCE: Final = 1_000
"""The records of evaluation datasets that are asked for, or sent, at once."""
T = TypeVar("T")


def by_size(items: Iterable[T], most: int = CARRIED_AT_ONCE) -> Iterator[list[T]]:
    """As many as one request may hold, and at least one."""
    held: list[T] = []
    size = 0
    for each in items:
        bytes_ = len(encode(each))
        if held and (size + bytes_ > SENT_BYTES or len(held) == most):
            yield held
            held, size = [], 0
        held.append(each)
        size += bytes_
    if held:
        yield held


def send(
    counts: Counts,
    kind: str,
    items: Sequence[T],
    take: Callable[[Sequence[T]], None],
    name: Callable[[T], str],
    most: int = CARRIED_AT_ONCE,
) -> None:
    """Many at once; where such a request is refused, one at a time, so that one bad thing does not stop others."""
    for some in by_size(items, most):
        try:
            take(some)
            counts.brought(kind, len(some))
        except Unavailable:
            raise
        except BudwoodError:
            for each in some:
                with refusals(counts, kind, name(each)):
                    take([each])
                    counts.brought(kind)
