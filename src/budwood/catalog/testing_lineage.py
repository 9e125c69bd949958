"""Conformance of what the catalog keeps of lineage. See ``testing.py`` for how to run it."""

from collections.abc import Sequence

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.names import Kind, Stage
from budwood.domain.records import MoveReason, VersionRecord
from budwood.domain.trace import Edge, Named, NamedKind

RAW = Named(0, "near", NamedKind.DATASET, "s3://raw", "tickets.csv")


class LineageSuite:
    """Walks, edges, and what has a name elsewhere."""

    def test_a_walk_goes_both_ways_nearest_first_each_once(self, catalog: Catalog) -> None:
        base, tuned, merged, other = _family(catalog)
        with catalog.read() as view:
            assert list(view.walk(merged.id, up=True, limit=100)) == [merged.id, base.id, tuned.id]
            assert list(view.walk(base.id, up=False, limit=100)) == [base.id, tuned.id, merged.id, other.id]
            assert list(view.walk(base.id, up=False, limit=2)) == [base.id, tuned.id]
            edges = view.edges_of([merged.id, tuned.id], limit=100)
            assert [(edge.child, edge.parent, edge.relation) for edge in edges] == [
                (tuned.id, base.id, "fine-tuned-from"),
                (merged.id, base.id, "derived-from"),
                (merged.id, tuned.id, ""),
            ]
            assert len(view.edges_of([merged.id, tuned.id], limit=2)) == 2
            assert view.edges_of([], limit=10) == []

    def test_a_walk_does_not_go_through_what_is_out_of_reach(self, catalog: Catalog) -> None:
        base, tuned, merged, other = _family(catalog)
        near = frozenset({"near"})
        catalog.write(lambda transaction: transaction.add_edge(Edge(merged.id, other.id, "", "mara", 5)))
        with catalog.read() as view:
            assert list(view.walk(base.id, up=False, limit=100, reach=near)) == [base.id, tuned.id, merged.id]
            assert list(view.walk(merged.id, up=True, limit=100, reach=near)) == [merged.id, base.id, tuned.id]
            assert list(view.walk(base.id, up=False, limit=100, reach=frozenset())) == [base.id]

    def test_a_ring_is_walked_once(self, catalog: Catalog) -> None:
        base, tuned, merged, _ = _family(catalog)
        assert catalog.write(lambda transaction: transaction.add_edge(Edge(base.id, merged.id, "", "mara", 5)))
        with catalog.read() as view:
            assert list(view.walk(merged.id, up=True, limit=100)) == [merged.id, base.id, tuned.id]

    def test_what_was_said_of_two_stays_as_it_is(self, catalog: Catalog) -> None:
        base, tuned, _, other = _family(catalog)
        told = Edge(tuned.id, base.id, "copied-from", "eve", 9)
        assert not catalog.write(lambda transaction: transaction.add_edge(told))
        new = Edge(other.id, base.id, "copied-from", "eve", 9)
        assert catalog.write(lambda transaction: transaction.add_edge(new))
        with catalog.read() as view:
            assert [edge.relation for edge in view.edges_of([tuned.id], limit=9)] == ["fine-tuned-from"]
            assert new in view.edges_of([other.id], limit=9)

    def test_a_thing_is_named_once_in_each_namespace(self, catalog: Catalog) -> None:
        _rooms(catalog)

        def work(transaction: Transaction) -> Sequence[int]:
            again = [transaction.name_thing(RAW, at_ms=at_ms).id for at_ms in (1, 2)]
            elsewhere = Named(0, "far", RAW.kind, RAW.source, RAW.name)
            return [*again, transaction.name_thing(elsewhere, at_ms=3).id]

        first, second, third = catalog.write(work)
        assert first == second < 0
        assert third not in (0, first)
        with catalog.read() as view:
            found = view.named_as("near", NamedKind.DATASET, "s3://raw", "tickets.csv")
            assert found is not None
            assert (found.id, found.name, found.namespace) == (first, "tickets.csv", "near")
            assert view.named([first, third, -999]).keys() == {first, third}
            assert view.named_as("near", NamedKind.JOB, "s3://raw", "tickets.csv") is None
            assert view.named_as("near", NamedKind.DATASET, "s3://raw", "tickets.csv", "run-1") is None

    def test_the_names_told_in_a_namespace_go_with_it(self, catalog: Catalog) -> None:
        _rooms(catalog)
        named = catalog.write(lambda transaction: transaction.name_thing(RAW, at_ms=1))
        catalog.write(lambda transaction: transaction.remove_namespace("near"))
        with catalog.read() as view:
            assert view.named([named.id]) == {}

    def test_data_named_at_birth_is_walked_to_and_from(self, catalog: Catalog) -> None:
        _rooms(catalog)
        version = _add(catalog, "near", datasets=("tickets", "tickets", "mails"))
        other = _add(catalog, "near", "2", datasets=("tickets",))
        with catalog.read() as view:
            _, *names = view.walk(version.id, up=True, limit=9)
            assert sorted(each.name for each in view.named(names).values()) == ["mails", "tickets"]
            tickets = view.named_as("near", NamedKind.DATASET, "", "tickets")
            assert tickets is not None
            assert list(view.walk(tickets.id, up=False, limit=9)) == [tickets.id, version.id, other.id]

    def test_edges_go_with_the_child_and_stay_without_the_parent(self, catalog: Catalog) -> None:
        base, tuned, merged, other = _family(catalog)
        catalog.write(lambda transaction: transaction.remove_version(tuned.id))
        with catalog.read() as view:
            assert list(view.walk(merged.id, up=True, limit=9)) == [merged.id, base.id, tuned.id]
            assert view.traced([base.id, tuned.id, merged.id]).keys() == {base.id, merged.id}
            assert list(view.walk(base.id, up=False, limit=9)) == [base.id, merged.id, other.id]
            assert [each.id for each in view.parents(merged.id)] == [base.id]

    def test_what_points_at_versions_is_told_for_many_at_once(self, catalog: Catalog) -> None:
        base, tuned, merged, _ = _family(catalog)

        def work(transaction: Transaction) -> None:
            for pointer in ("stage:production", "champion"):
                transaction.add_move(
                    base.model_id, pointer, merged, at_ms=1, author="mara", reason=MoveReason.SET, before=0
                )
            transaction.set_stage(merged.id, Stage.PRODUCTION, at_ms=1, author="mara")

        catalog.write(work)
        with catalog.read() as view:
            assert view.pointed([base.id, tuned.id, merged.id]) == {merged.id: ["champion", "stage:production"]}
            traced = view.traced([merged.id])[merged.id]
            assert (traced.reference, traced.stage, traced.kind) == ("near/encoder@v3", Stage.PRODUCTION, Kind.MODEL)


def _rooms(catalog: Catalog) -> None:
    for room in ("near", "far"):
        catalog.write(lambda transaction: transaction.add_namespace(room, at_ms=1))  # noqa: B023 used at once


def _family(catalog: Catalog) -> tuple[VersionRecord, VersionRecord, VersionRecord, VersionRecord]:
    """base, tuned from it, merged from both; and one in another namespace that came from merged."""
    _rooms(catalog)
    base = _add(catalog, "near", "1")
    tuned = _add(catalog, "near", "2", parent_ids=(base.id,), relations=("fine-tuned-from",))
    merged = _add(catalog, "near", "3", parent_ids=(base.id, tuned.id), relations=("derived-from",))
    return base, tuned, merged, _add(catalog, "far", "4", parent_ids=(merged.id,))


def _add(
    catalog: Catalog,
    namespace: str,
    digest: str = "0",
    parent_ids: tuple[int, ...] = (),
    relations: tuple[str, ...] = (),
    datasets: tuple[str, ...] = (),
) -> VersionRecord:
    def work(transaction: Transaction) -> VersionRecord:
        model = transaction.model(namespace, "encoder") or transaction.add_model(
            namespace, "encoder", Kind.MODEL, "mara", 1
        )
        new = NewVersion(
            model.id,
            digest * 64,
            "",
            Kind.MODEL,
            "mara",
            1,
            10,
            20,
            (b"m" * 32,),
            parent_ids=parent_ids,
            relations=relations,
            datasets=datasets,
        )
        return transaction.add_version(new)

    return catalog.write(work)
