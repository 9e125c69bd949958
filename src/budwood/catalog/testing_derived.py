"""The part of the catalog's conformance suite about probes."""

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.names import Kind
from budwood.domain.records import VersionRecord


class DerivedSuite:
    """Needs the fixture ``catalog``."""

    def test_versions_are_found_by_their_probes_the_most_alike_first(self, catalog: Catalog) -> None:
        first, second, third = (_probed(catalog, room, number) for number, room in enumerate(("risk", "risk", "fraud")))
        wide = tuple(range(1_000, 1_200))

        def work(transaction: Transaction) -> None:
            transaction.add_probes(first.id, "risk", (1, 2, -3, 1 << 50))
            transaction.add_probes(second.id, "risk", (2, 2, *wide))
            transaction.add_probes(third.id, "fraud", (1, 2))

        catalog.write(work)
        with catalog.read() as view:
            assert list(view.probed((2,), limit=9)) == [third.id, second.id, first.id]
            assert list(view.probed((1, 2, -3), limit=9)) == [first.id, third.id, second.id]
            assert list(view.probed((2, *wide), limit=1)) == [second.id]
            assert list(view.probed((1 << 50,), limit=9)) == [first.id]
            assert list(view.probed((1, 2), limit=9, reach=frozenset({"fraud"}))) == [third.id]
            assert list(view.probed((1, 2), limit=9, reach=frozenset())) == []
            assert list(view.probed((9,), limit=9)) == []
            assert list(view.probed((), limit=9)) == []

    def test_a_version_gets_another_sketch(self, catalog: Catalog) -> None:
        version = _probed(catalog, "risk", 8)
        catalog.write(lambda transaction: transaction.put_sketch(version.id, b"s" * 32))
        with catalog.read() as view:
            found = view.version_by_id(version.id)
            assert found is not None
            assert found.sketch == b"s" * 32

    def test_probes_go_with_their_version(self, catalog: Catalog) -> None:
        version = _probed(catalog, "risk", 7)
        catalog.write(lambda transaction: transaction.add_probes(version.id, "risk", (1, 2)))
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        with catalog.read() as view:
            assert list(view.probed((1, 2), limit=9)) == []


def _probed(catalog: Catalog, room: str, number: int) -> VersionRecord:
    def work(transaction: Transaction) -> VersionRecord:
        if transaction.namespace(room) is None:
            transaction.add_namespace(room, at_ms=1)
        model = transaction.add_model(room, f"probed-{number}", Kind.MODEL, "mara", 1)
        new = NewVersion(
            model_id=model.id,
            digest=f"{number:064x}",
            label="",
            kind=Kind.MODEL,
            author="mara",
            created_ms=number,
            size_bytes=1,
            manifest_size=1,
            manifest_blocks=(),
        )
        return transaction.add_version(new)

    return catalog.write(work)
