"""Going on past what one thing refuses, and telling it."""

from collections.abc import Iterator
from contextlib import contextmanager

from budwood.client.carrying.counts import Counts
from budwood.errors import BudwoodError, Unavailable


@contextmanager
def refusals(counts: Counts, kind: str, name: str) -> Iterator[None]:
    """What one thing refuses is told, and the walk goes on. Raises Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except BudwoodError as error:
        counts.differs(kind, name, error.message)
