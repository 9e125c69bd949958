"""The part of the catalog's conformance suite about metadata standards and the facts versions were born with."""

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.names import Kind
from budwood.domain.records import VersionRecord
from budwood.domain.standard import Birth, StandardRecord


class StandardsSuite:
    """Needs the fixture ``catalog``."""

    def test_the_newest_edition_of_a_standard_is_in_force_until_it_is_removed(self, catalog: Catalog) -> None:
        for digest in ("one", "two"):
            written = StandardRecord(0, "default", 0, digest, f"text {digest} ü", "mara", 5)
            put = catalog.write(lambda transaction: transaction.add_standard(written))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.standard("default") == put
            assert (put.number, put.digest) == (2, "two")
            assert [each.number for each in view.standard_editions("default")] == [2, 1]
            assert view.standard("nowhere") is None
            assert list(view.standard_editions("nowhere")) == []
        catalog.write(lambda transaction: transaction.remove_standard("default", at_ms=9))
        with catalog.read() as view:
            assert view.standard("default") is None
            assert [each.removed_ms for each in view.standard_editions("default")] == [9, 0]
        again = StandardRecord(0, "default", 0, "three", "text", "mara", 10)
        assert catalog.write(lambda transaction: transaction.add_standard(again)).number == 3

    def test_each_namespace_has_a_standard_of_its_own(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> None:
            transaction.add_namespace("risk", at_ms=1)
            for room in ("default", "risk"):
                transaction.add_standard(StandardRecord(0, room, 0, room, "text", "mara", 5))
            transaction.remove_standard("default", at_ms=6)

        catalog.write(work)
        with catalog.read() as view:
            assert view.standard("default") is None
            found = view.standard("risk")
        assert found is not None
        assert (found.namespace, found.number, found.digest) == ("risk", 1, "risk")

    def test_a_namespace_made_again_begins_without_a_standard(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        catalog.write(lambda transaction: transaction.add_standard(StandardRecord(0, "risk", 0, "d", "t", "mara", 5)))
        catalog.write(lambda transaction: transaction.remove_namespace("risk"))
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=2))
        with catalog.read() as view:
            assert view.standard("risk") is None

    def test_the_fields_a_version_was_born_with_go_when_it_goes(self, catalog: Catalog) -> None:
        version = _version(catalog)
        with catalog.read() as view:
            assert view.birth(version.id) is None
        for born in (Birth(("code",)), Birth(("code", 'metrics.a"b ü'), ("data",), 3)):
            catalog.write(lambda transaction: transaction.put_birth(version.id, born))  # noqa: B023 used at once
            with catalog.read() as view:
                assert view.birth(version.id) == born
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        with catalog.read() as view:
            assert view.birth(version.id) is None


def _version(catalog: Catalog) -> VersionRecord:
    def work(transaction: Transaction) -> VersionRecord:
        model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
        return transaction.add_version(NewVersion(model.id, "0" * 64, "", Kind.MODEL, "mara", 1, 10, 20, (b"m" * 32,)))

    return catalog.write(work)
