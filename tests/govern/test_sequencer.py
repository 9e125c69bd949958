"""The sequencer lets old checkpoints go once an hour, and the ledger stays provable."""

from pathlib import Path

import budwood
from budwood.catalog.api import Transaction
from budwood.domain.tree.thinning import HOUR_MS
from budwood.govern.sequencer import sequence


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
