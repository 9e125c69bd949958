"""A version in the hands of several threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import budwood
from budwood.catalog.api import Catalog, Done, Transaction, View
from budwood.client.near import Near
from budwood.client.registry import Registry


class Slow:
    """A catalog in which the thread named "slow" waits before it reads, once it is told to."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.waits = False
        self.reached, self.go_on = threading.Event(), threading.Event()

    def read(self) -> AbstractContextManager[View]:
        if self.waits and threading.current_thread().name == "slow":
            self.reached.set()
            assert self.go_on.wait(60)
        return self._catalog.read()

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        return self._catalog.write(work)

    def write_behind(self, work: Callable[[Transaction], Any]) -> Any:
        return self._catalog.write_behind(work)

    def write_soon(self, work: Callable[[Transaction], Any], done: Done[Any]) -> None:
        self._catalog.write_soon(work, done)

    def check(self) -> Iterator[str]:
        return self._catalog.check()

    def close(self) -> None:
        """Whoever opened it closes it."""


def test_reading_one_version_does_not_wait_for_another(tmp_path: Path) -> None:
    with budwood.in_memory() as opened:
        catalog = Slow(opened.house.catalog)
        registry = Registry(Near(replace(opened.house, catalog=catalog), "memory", made=False, grace_s=0))
        for name in ("first", "second"):
            (tmp_path / name).write_text(name)
            registry.push(tmp_path / name, name)
        first, second = registry.get("first"), registry.get("second")
        slow = threading.Thread(target=lambda: first.files, name="slow")
        quick = threading.Thread(target=lambda: second.files, name="quick")
        catalog.waits = True
        slow.start()
        assert catalog.reached.wait(60)
        quick.start()
        quick.join(30)
        waited = quick.is_alive()
        catalog.go_on.set()
        slow.join()
        quick.join()
        assert not waited
