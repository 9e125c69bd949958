"""The sequencer lets old checkpoints go once an hour, and the ledger stays provable; it runs after nobody."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import budwood
from budwood.catalog.api import Catalog, Transaction, View
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.tree.thinning import HOUR_MS
from budwood.govern.sequencer import sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Busy:
    """A catalog in which somebody else writes behind whatever is written."""

    inner: Catalog
    write_entry: Callable[[Transaction], None]

    def read(self) -> AbstractContextManager[View]:
        return self.inner.read()

    def write(self, work: Callable[[Transaction], T]) -> T:
        written = self.inner.write(work)
        self.inner.write(self.write_entry)
        return written


def test_old_checkpoints_go_and_every_state_is_still_the_beginning_of_the_newest(tmp_path: Path) -> None:
    now = [1_790_000_000_000]

    def write(transaction: Transaction) -> None:
        transaction.add_ledger(now[0], "mara", "alias.set", "encoder@v1", {}, "default")

    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        catalog = registry.house.catalog
        for _ in range(300):
            catalog.write(write)
            sequence(catalog, lambda: now[0])
            now[0] += HOUR_MS // 30
        with catalog.read() as view:
            kept = view.checkpoints()
            assert 10 < len(kept) < 90
            assert kept[-1].size == 300
        found = registry.audit.verify()
        assert (found.problems, found.entries, found.checkpoints) == ((), 300, len(kept))
        asked = registry.audit.checkpoint(forget=True)
        assert asked.size == 300


def test_what_is_written_meanwhile_waits_for_the_next_time() -> None:
    def write(transaction: Transaction) -> None:
        transaction.add_ledger(1_790_000_000_000, "mara", "alias.set", "encoder@v1", {}, "default")

    catalog = SqliteCatalog.in_memory()
    try:
        catalog.write(write)
        first = sequence(cast(Catalog, Busy(catalog, write)), lambda: 1_790_000_000_000)
        second = sequence(cast(Catalog, Busy(catalog, write)), lambda: 1_790_000_000_500)
        assert first is not None
        assert second is not None
        assert (first.size, second.size) == (1, 3)
    finally:
        catalog.close()
