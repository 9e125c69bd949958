"""The part of the catalog's conformance suite about the ledger's tree: leaves, openings, tiles, checkpoints."""

import contextlib

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.ledger_api import KeptCheckpoint
from budwood.domain.tree.leaf import ERASED, read_leaf, reveal


def _entries(transaction: Transaction) -> None:
    transaction.add_ledger(5, "mara", "alias.set", "encoder@v1", {"alias": "champion", "reason": "for bo"}, "default")
    transaction.add_ledger(6, "bo", "person.added", "mara", {"email": "mara@example.com"})


class LedgerSuite:
    """Needs the fixture ``catalog``."""

    def test_each_entry_has_a_leaf_that_its_openings_complete(self, catalog: Catalog) -> None:
        catalog.write(_entries)
        with catalog.read() as view:
            entries, leaves = view.ledger(), view.leaves()
            assert view.leaf_count() == 2
            assert [each.sequence for each in leaves] == [1, 2]
            for entry, kept in zip(entries, leaves, strict=True):
                found = view.openings(after=entry.sequence - 1, through=entry.sequence)
                assert {each.index for each in found} == {entry.sequence - 1}
                assert reveal(read_leaf(kept.leaf), [each.opening for each in found]) == entry
                assert b"mara" not in kept.leaf
            assert [each.sequence for each in view.leaves(after=1, limit=5)] == [2]
            written = view.written()
            assert [each.leaf for each in written] == [each.leaf for each in leaves]
            assert written[0][:6] == (1, 5, "mara", "alias.set", "encoder@v1", "default")
            assert written[0].body == '{"alias":"champion","reason":"for bo"}'
            assert [each.sequence for each in view.written(after=1, limit=5)] == [2]
            opened = view.written_openings(after=0, through=1)
            assert [(each.field, each.value) for each in opened] == [("actor", '"mara"'), ("body.reason", '"for bo"')]

    def test_a_transaction_that_fails_leaves_no_leaf(self, catalog: Catalog) -> None:
        def fail(transaction: Transaction) -> None:
            _entries(transaction)
            raise KeyError

        with contextlib.suppress(KeyError):
            catalog.write(fail)
        with catalog.read() as view:
            assert (view.leaf_count(), list(view.leaves()), list(view.openings(after=0, through=9))) == (0, [], [])

    def test_openings_are_found_by_a_text_and_forgotten(self, catalog: Catalog) -> None:
        catalog.write(_entries)
        with catalog.read() as view:
            found = view.openings_with("mara")
            assert [(each.index, each.opening.field) for each in found] == [
                (0, "actor"), (1, "body.email"), (1, "subject"),
            ]  # fmt: skip
            assert [each.index for each in view.openings_with("mara", after=1)] == [1, 1]

        def forget(transaction: Transaction) -> None:
            transaction.forget_openings([each for each in found if each.index == 1])
            rest = [each.opening for each in transaction.openings(after=1, through=2)]
            transaction.blank_entry(reveal(read_leaf(transaction.leaves(after=1)[0].leaf), rest))

        catalog.write(forget)
        with catalog.read() as view:
            blank = view.ledger(after=1)[0]
            assert (blank.actor, blank.subject, dict(blank.body)) == ("bo", ERASED, {"email": ERASED})
            assert view.ledger()[0].actor == "mara"
            assert view.leaf_count() == 2

    def test_a_tile_grows_in_its_place_and_checkpoints_are_kept(self, catalog: Catalog) -> None:
        for body in (b"a" * 32, b"a" * 64):
            catalog.write(lambda transaction: transaction.put_tile(0, 0, body))  # noqa: B023 used at once
        for size in (1, 9, 4):
            kept = KeptCheckpoint(size, b"note %d" % size, size)
            catalog.write(lambda transaction: transaction.add_checkpoint(kept))  # noqa: B023 used at once
        with catalog.read() as view:
            assert (view.tile(0, 0), view.tile(0, 1), view.tile(1, 0)) == (b"a" * 64, b"", b"")
            assert view.checkpoint() == KeptCheckpoint(9, b"note 9", 9)
            assert [each.size for each in view.checkpoints()] == [1, 4, 9]
            assert [each.size for each in view.checkpoints(after=1, limit=1)] == [4]

    def test_a_checkpoint_gains_signatures_and_old_ones_go(self, catalog: Catalog) -> None:
        for size in (1, 4, 9):
            kept = KeptCheckpoint(size, b"note", size)
            catalog.write(lambda transaction: transaction.add_checkpoint(kept))  # noqa: B023 used at once
        signed = KeptCheckpoint(4, b"note, signed again", 4)
        assert catalog.write(lambda transaction: transaction.change_checkpoint(signed))
        assert not catalog.write(lambda transaction: transaction.change_checkpoint(KeptCheckpoint(5, b"", 0)))
        catalog.write(lambda transaction: transaction.forget_checkpoints([1, 7]))
        with catalog.read() as view:
            assert list(view.checkpoints()) == [signed, KeptCheckpoint(9, b"note", 9)]
