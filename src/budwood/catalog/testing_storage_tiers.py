"""The part of the catalog's conformance suite about storage tiers: policies, where versions lie, who leans on whom."""

from dataclasses import replace

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.catalog.testing_index import block_rows
from budwood.domain.names import Kind
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.values import StorageTier, TieringRecord, TierState, VersionUse


class StorageTiersSuite:
    """Needs the fixture ``catalog``."""

    def test_the_newest_edition_of_a_tiering_policy_is_in_force(self, catalog: Catalog) -> None:
        with catalog.read() as view:
            assert view.tiering("default") is None
            assert not view.tiering_anywhere()
        for text in ("one", "two"):
            written = TieringRecord("default", 0, text, "mara", 5)
            catalog.write(lambda transaction: transaction.add_tiering(written))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.tiering("default") == TieringRecord("default", 2, "two", "mara", 5)
            assert view.tiering("nowhere") is None
            assert view.tiering_anywhere()

    def test_a_version_says_to_which_tier_it_was_brought_until_it_is_removed(self, catalog: Catalog) -> None:
        version = _added(catalog)
        for tier in (StorageTier.WARM, StorageTier.COLD):
            state = TierState(version.id, tier, 7)
            catalog.write(lambda transaction: transaction.put_tier_state(state))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.tier_state(version.id) == TierState(version.id, StorageTier.COLD, 7)
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        with catalog.read() as view:
            assert view.tier_state(version.id) is None

    def test_uses_are_counted_from_the_first(self, catalog: Catalog) -> None:
        version = _added(catalog)
        for at_ms in (5, 9):
            catalog.write(lambda transaction: transaction.note_use(version.id, at_ms=at_ms))  # noqa: B023 at once
        with catalog.read() as view:
            assert view.version_use(version.id) == VersionUse(version.id, 2, 5, 9)
            assert view.version_use(version.id + 1) is None

    def test_the_blocks_in_force_that_lean_on_a_block_are_found(self, catalog: Catalog) -> None:
        whole, *others = block_rows(4)
        leaning = [replace(row, base=whole.id, depth=1) for row in others]

        def work(transaction: Transaction) -> None:
            transaction.add_blocks([whole, *leaning])
            transaction.condemn([leaning[0].id], at_ms=5)

        catalog.write(work)
        with catalog.read() as view:
            found = {row.id for row in view.leaning_on([whole.id, leaning[1].id])}
            assert found == {row.id for row in leaning[1:]}
            assert list(view.leaning_on([leaning[1].id])) == []

    def test_a_derived_block_is_found_by_each_that_it_leans_on(self, catalog: Catalog) -> None:
        first, second, third, both = block_rows(4)
        derived = replace(both, base=first.id + second.id, depth=3)
        catalog.write(lambda transaction: transaction.add_blocks([first, second, third, derived]))
        with catalog.read() as view:
            for base in (first, second):
                assert [row.id for row in view.leaning_on([base.id])] == [derived.id]
            assert [row.id for row in view.leaning_on([first.id, second.id, third.id])] == [derived.id]
            assert list(view.leaning_on([third.id])) == []

        # One that is written anew, or that goes, leans on nothing; one that comes back leans on what it leans on then.
        catalog.write(lambda transaction: transaction.add_blocks([both]))
        with catalog.read() as view:
            assert list(view.leaning_on([first.id, second.id])) == []
        catalog.write(lambda transaction: transaction.add_blocks([derived]))
        catalog.write(lambda transaction: transaction.condemn([both.id], at_ms=5))
        with catalog.read() as view:
            assert list(view.leaning_on([first.id, second.id])) == []
        catalog.write(lambda transaction: transaction.forget_blocks([both.id]))
        again = replace(derived, base=second.id + third.id)
        catalog.write(lambda transaction: transaction.add_blocks([again]))
        with catalog.read() as view:
            assert list(view.leaning_on([first.id])) == []
            assert [row.id for row in view.leaning_on([third.id])] == [again.id]


def _added(catalog: Catalog) -> VersionRecord:
    def work(transaction: Transaction) -> VersionRecord:
        model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
        return transaction.add_version(NewVersion(model.id, "ab" * 32, "", Kind.MODEL, "mara", 1, 10, 20, ()))

    return catalog.write(work)
