"""One view of the catalog for several looks: who asks and what they ask for are read in one go.

What goes on after the looks opens views of its own, as it does in the catalog itself.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from budwood.catalog.api import Catalog, Done, Transaction, View

T = TypeVar("T")


@dataclass(slots=True)
class OneView:
    """``catalog.api.Catalog`` whose reads all see one view, opened before by whoever also closes it. ``view`` is None
    once it was closed."""

    inner: Catalog
    view: View | None

    def read(self) -> AbstractContextManager[View]:
        return self.inner.read() if self.view is None else nullcontext(self.view)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self.inner.write(work)

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        return self.inner.write_behind(work)

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        self.inner.write_soon(work, done)

    def check(self) -> Any:
        return self.inner.check()

    def close(self) -> None:
        """The catalog below is not this one's to close."""
