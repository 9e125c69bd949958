"""Both ways through the native library, and none of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from budwood.store import native
from budwood.store.native import Native, Way

Using = Callable[[Way | None], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def library() -> Native:
    """The library; tests that need it are skipped where it was not built."""
    if native.library is None:
        pytest.skip("the native library is not built: no C compiler was at hand when Budwood was installed")
    return native.library


@pytest.fixture(scope="session")
def using() -> Using:
    """While this lasts, blocks are coded on that path, or by NumPy."""

    @contextmanager
    def use(way: Way | None) -> Iterator[None]:
        library = native.library
        path = library.path if library else None
        try:
            if way is None:
                native.library = None
            elif library is not None:
                library.path = way
            yield
        finally:
            native.library = library
            if library is not None and path is not None:
                library.path = path

    return use


@pytest.fixture(scope="session")
def every_way() -> tuple[Way | None, ...]:
    """NumPy, and what of the library there is."""
    if native.library is None:
        return (None,)
    return (None, Way.SCALAR, Way.VECTOR)
