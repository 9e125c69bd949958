"""One view of the catalog for a whole request: who asks and what they ask for are read in one go."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from budwood.catalog.api import Catalog, Transaction, View

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneView:
    """``catalog.api.Catalog`` whose reads all see one view, opened before: for requests that only read."""

    inner: Catalog
    view: View

    def read(self) -> AbstractContextManager[View]:
        return nullcontext(self.view)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self.inner.write(work)

    def check(self) -> Any:
        return self.inner.check()

    def close(self) -> None:
        """The catalog below is not this one's to close."""
