"""The conformance suite of the ``Catalog`` port, shipped so that every database can prove itself.

Subclass ``CatalogSuite`` in a test module and give it a pytest fixture ``catalog`` that makes an empty one:

    class TestMyCatalog(CatalogSuite):
        @pytest.fixture
        def catalog(self) -> Iterator[Catalog]: ...

The methods are plain functions that use ``assert``; this module does not import pytest. Search is in
``testing_search.py``, blocks and leases in ``testing_index.py``, people in ``testing_people.py``, what each namespace
sent in ``testing_usage.py``, gates in ``testing_gates.py``, the ledger's tree in ``testing_ledger.py``, lineage in
``testing_lineage.py``, retention in ``testing_retention.py``.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from budwood.catalog.api import Catalog, NewVersion, RemovedLabel, Transaction
from budwood.catalog.testing_derived import DerivedSuite
from budwood.catalog.testing_gates import GatesSuite
from budwood.catalog.testing_index import IndexSuite
from budwood.catalog.testing_ledger import LedgerSuite
from budwood.catalog.testing_lineage import LineageSuite
from budwood.catalog.testing_people import PeopleSuite
from budwood.catalog.testing_retention import RetentionSuite
from budwood.catalog.testing_search import SearchSuite
from budwood.catalog.testing_standards import StandardsSuite
from budwood.catalog.testing_storage_tiers import StorageTiersSuite
from budwood.catalog.testing_usage import UsageSuite
from budwood.domain.names import Kind, Stage
from budwood.domain.records import ModelRecord, Move, MoveReason, Tag, VersionRecord
from budwood.errors import BadValue, LabelTaken

_AT_MS: Final = 1_795_000_000_000


def add_model(catalog: Catalog, name: str = "encoder", namespace: str = "default") -> ModelRecord:
    return catalog.write(lambda transaction: transaction.add_model(namespace, name, Kind.MODEL, "mara", _AT_MS))


def new_version(model: ModelRecord, **changes: object) -> NewVersion:
    """A small version; every field can be given."""
    plain = NewVersion(model.id, "0" * 64, "", Kind.MODEL, "mara", _AT_MS, 10, 20, (b"m" * 32,))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def add_version(catalog: Catalog, model: ModelRecord, **changes: object) -> VersionRecord:
    return catalog.write(lambda transaction: transaction.add_version(new_version(model, **changes)))


def add_move(
    catalog: Catalog, model: ModelRecord, pointer: str, version: VersionRecord | None, at_ms: int = _AT_MS
) -> Move:
    reason = MoveReason.SET if version else MoveReason.REMOVED
    return catalog.write(
        lambda transaction: transaction.add_move(
            model.id, pointer, version, at_ms=at_ms, author="mara", reason=reason, before=0
        )
    )


class CatalogSuite(
    IndexSuite,
    DerivedSuite,
    SearchSuite,
    PeopleSuite,
    UsageSuite,
    GatesSuite,
    LedgerSuite,
    LineageSuite,
    RetentionSuite,
    StandardsSuite,
    StorageTiersSuite,
):
    """Every sentence of the port, as a test."""

    def test_an_empty_catalog_is_well_and_has_nothing(self, catalog: Catalog) -> None:
        with catalog.read() as view:
            assert view.counts() == {"models": 0, "versions": 0, "blocks": 0, "packs": 0}
            assert view.model("default", "encoder") is None
            assert view.newest_version("default", "encoder") is None
            assert list(view.models()) == []
        assert list(catalog.check()) == []

    def test_work_that_raises_leaves_nothing(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> None:
            model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
            transaction.add_version(new_version(model, label="1.0.0"))
            transaction.add_ledger(1, "mara", "model.made", "encoder", {})
            raise KeyError("enough")

        fails(KeyError, lambda: catalog.write(work))
        with catalog.read() as view:
            assert view.counts() == {"models": 0, "versions": 0, "blocks": 0, "packs": 0}
            assert list(view.ledger()) == []

    def test_work_reads_what_it_has_written(self, catalog: Catalog) -> None:
        def work(transaction: Transaction) -> VersionRecord | None:
            model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
            transaction.add_version(new_version(model))
            return transaction.version_by_number("default", "encoder", 1)

        found = catalog.write(work)
        assert found is not None
        assert found.number == 1

    def test_a_view_sees_one_state_from_first_to_last(self, catalog: Catalog) -> None:
        add_model(catalog, "first")
        with catalog.read() as view:
            assert view.counts()["models"] == 1
            add_model(catalog, "second")
            assert view.counts()["models"] == 1
            with catalog.read() as later:
                assert later.counts()["models"] == 2
        with catalog.read() as view:
            assert view.counts()["models"] == 2

    def test_a_model_comes_back_as_it_was_added(self, catalog: Catalog) -> None:
        added = catalog.write(lambda transaction: transaction.add_model("risk", "fraud", Kind.ADAPTER, "mara", 5))
        assert added == ModelRecord(added.id, "risk", "fraud", Kind.ADAPTER, "mara", 5)
        with catalog.read() as view:
            assert view.model("risk", "fraud") == added
            assert view.model("default", "fraud") is None

    def test_models_are_listed_by_path_and_continued_behind_one(self, catalog: Catalog) -> None:
        paths = sorted((namespace, name) for namespace in ("a", "b", "default") for name in ("x", "y", "z.1"))
        for namespace, name in reversed(paths):
            add_model(catalog, name, namespace)
        listed: list[tuple[str, str]] = []
        with catalog.read() as view:
            while page := view.models(after="/".join(listed[-1]) if listed else "", limit=2):
                listed += [(model.namespace, model.name) for model in page]
        assert listed == paths

    def test_numbers_that_are_skipped_are_not_given(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        add_version(catalog, model)
        catalog.write(lambda transaction: transaction.skip_numbers(model.id, 6))
        catalog.write(lambda transaction: transaction.skip_numbers(model.id, 3))
        assert add_version(catalog, model).number == 7

    def test_a_removed_model_is_gone_with_its_moves(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        version = add_version(catalog, model)
        add_move(catalog, model, "champion", version)
        add_move(catalog, model, "champion", None)
        fails(AssertionError, lambda: catalog.write(lambda transaction: transaction.remove_model(model.id)))
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        catalog.write(lambda transaction: transaction.remove_model(model.id))
        with catalog.read() as view:
            assert view.model("default", "encoder") is None
            assert list(view.moves(model.id)) == []
        assert add_model(catalog).id != model.id

    def test_a_version_comes_back_as_it_was_added(self, catalog: Catalog) -> None:
        model = add_model(catalog, namespace="risk")
        new = new_version(
            model,
            digest="ab" * 32,
            label="1.0.0+gpu",
            kind=Kind.ADAPTER,
            manifest_blocks=(b"1" * 32, b"2" * 32),
            structure="s" * 64,
            sketch=b"k" * 32,
            commit="c0ffee",
            message="ein größeres Modell 🌱",
        )
        version = catalog.write(lambda transaction: transaction.add_version(new))
        for name in ("model_id", "digest", "label", "kind", "author", "created_ms", "size_bytes", "manifest_size"):
            assert getattr(version, name) == getattr(new, name), name
        for name in ("manifest_blocks", "structure", "sketch", "commit", "message"):
            assert getattr(version, name) == getattr(new, name), name
        assert (version.namespace, version.model, version.number) == ("risk", "encoder", 1)
        assert (version.stage, version.retired_ms, version.retired_reason) == (Stage.DEVELOPMENT, 0, "")
        with catalog.read() as view:
            assert view.version_by_id(version.id) == version
            assert view.version_by_number("risk", "encoder", 1) == version
            assert view.newest_version("risk", "encoder") == version
            assert list(view.all_versions()) == [version]

    def test_numbers_count_up_and_are_never_used_again(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        versions = [add_version(catalog, model) for _ in range(3)]
        catalog.write(lambda transaction: transaction.remove_version(versions[2].id))
        again = add_version(catalog, model)
        assert [version.number for version in [*versions, again]] == [1, 2, 3, 4]
        assert again.id not in {version.id for version in versions}
        with catalog.read() as view:
            found = view.model("default", "encoder")
            assert found is not None
            assert found.last_number == 4
            assert view.version_count(model.id) == 3

    def test_a_number_of_work_that_raised_is_not_used_up(self, catalog: Catalog) -> None:
        model = add_model(catalog)

        def work(transaction: Transaction) -> None:
            transaction.add_version(new_version(model))
            raise KeyError("enough")

        fails(KeyError, lambda: catalog.write(work))
        assert add_version(catalog, model).number == 1

    def test_a_label_names_one_version_of_a_model_whatever_its_build(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        first = add_version(catalog, model, label="1.0.0+cpu")
        error = fails(LabelTaken, lambda: add_version(catalog, model, label="1.0.0+gpu"))
        assert isinstance(error, LabelTaken)
        assert error.facts["number"] == 1
        assert add_version(catalog, model, label="1.0.0-rc.1").number == 2
        assert add_version(catalog, model).number == add_version(catalog, model).number - 1
        assert add_version(catalog, other, label="1.0.0").number == 1
        with catalog.read() as view:
            for label in ("1.0.0", "1.0.0+cpu", "1.0.0+any"):
                assert view.version_by_label("default", "encoder", label) == first
            assert view.version_by_label("default", "encoder", "1.0.1") is None
            assert view.version_by_label("default", "encoder", "") is None

    def test_versions_are_found_by_the_beginning_of_a_digest_or_commit(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        digests = ["aa" + "0" * 62, "ab" + "0" * 62, "ab" + "f" * 62, "b" + "0" * 63]
        for digest in digests:
            add_version(catalog, model, digest=digest, commit=digest[:40])
        add_version(catalog, other, digest=digests[0], commit=digests[0][:40])
        with catalog.read() as view:
            for find in (view.versions_by_digest, view.versions_by_commit):
                assert [version.number for version in find("default", "encoder", "ab")] == [3, 2]
                assert [version.number for version in find("default", "encoder", "abf")] == [3]
                assert [version.number for version in find("default", "encoder", digests[3][:40])] == [4]
                assert [version.number for version in find("default", "encoder", "c")] == []
                assert [version.number for version in find("default", "encoder", "%")] == []

    def test_at_most_ten_versions_share_a_prefix_in_an_answer(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        for _ in range(12):
            add_version(catalog, model, commit="abc")
        with catalog.read() as view:
            found = view.versions_by_commit("default", "encoder", "ab")
        assert [version.number for version in found] == list(range(12, 2, -1))

    def test_versions_are_listed_newest_first_and_continued(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        for _ in range(5):
            add_version(catalog, model)
            add_version(catalog, other)
        with catalog.read() as view:
            assert [version.number for version in view.versions(model.id, limit=2)] == [5, 4]
            assert [version.number for version in view.versions(model.id, before=4)] == [3, 2, 1]
            assert list(view.versions(model.id, before=1)) == []
            everything = view.all_versions(limit=7)
            everything = [*everything, *view.all_versions(after_id=everything[-1].id)]
            assert [(version.model, version.number) for version in everything] == [
                (name, number) for number in range(1, 6) for name in ("encoder", "other")
            ]

    def test_versions_of_one_structure_are_found_over_all_models(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        first = add_version(catalog, model, structure="s1")
        add_version(catalog, model, structure="s2")
        last = add_version(catalog, other, structure="s1")
        with catalog.read() as view:
            assert list(view.versions_of_structure("s1", limit=5)) == [last, first]
            assert list(view.versions_of_structure("s1", limit=1)) == [last]

    def test_parents_and_children_are_two_sides_of_one_edge(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        base = add_version(catalog, other)
        first = add_version(catalog, model, parent_ids=(base.id,))
        second = add_version(catalog, model, parent_ids=(first.id, base.id, base.id))
        with catalog.read() as view:
            assert list(view.parents(second.id)) == [base, first]
            assert list(view.children(base.id)) == [first, second]
            assert list(view.parents(base.id)) == []
            assert sorted(view.parent_pairs(model.id)) == [
                (first.id, base.id),
                (second.id, base.id),
                (second.id, first.id),
            ]
        catalog.write(lambda transaction: transaction.remove_version(second.id))
        with catalog.read() as view:
            assert list(view.children(base.id)) == [first]

    def test_a_removed_version_takes_what_stood_beside_it(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        version = add_version(catalog, model, label="1.0.0", metrics={"auc": 0.5}, params={"lr": "1"})
        catalog.write(lambda transaction: transaction.put_tag(version.id, Tag("team", "risk", "mara", 1)))
        catalog.write(lambda transaction: transaction.set_stage(version.id, Stage.STAGING, at_ms=1, author="mara"))
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        with catalog.read() as view:
            assert view.version_by_id(version.id) is None
            assert list(view.tags(version.id)) == []
            assert list(view.stage_history(version.id)) == []
        assert list(catalog.check()) == []
        assert add_version(catalog, model).number == 2

    def test_the_label_of_a_removed_version_is_given_to_nothing_else(self, catalog: Catalog) -> None:
        model, other = add_model(catalog), add_model(catalog, "other")
        version = add_version(catalog, model, label="1.0.0+cpu", digest="a" * 64)
        with catalog.read() as view:
            assert view.removed_label("default", "encoder", "1.0.0") is None
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        with catalog.read() as view:
            for label in ("1.0.0", "1.0.0+gpu"):
                assert view.removed_label("default", "encoder", label) == RemovedLabel(1, "a" * 64)
            assert view.removed_label("default", "encoder", "1.0.1") is None
            assert view.removed_label("default", "encoder", "") is None
            assert view.removed_label("default", "other", "1.0.0") is None
        error = fails(LabelTaken, lambda: add_version(catalog, model, label="1.0.0", digest="b" * 64))
        assert isinstance(error, LabelTaken)
        assert error.facts["number"] == 1
        assert add_version(catalog, other, label="1.0.0", digest="b" * 64).number == 1
        assert add_version(catalog, model, label="1.0.0", digest="a" * 64).number == 2

    def test_the_labels_of_a_removed_model_stay_given(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        version = add_version(catalog, model, label="1.0.0", digest="a" * 64)
        catalog.write(lambda transaction: transaction.remove_version(version.id))
        catalog.write(lambda transaction: transaction.remove_model(model.id))
        again = add_model(catalog)
        fails(LabelTaken, lambda: add_version(catalog, again, label="1.0.0", digest="b" * 64))
        assert add_version(catalog, again, label="1.0.1").number == 2

    def test_a_retired_version_says_since_when_and_why(self, catalog: Catalog) -> None:
        version = add_version(catalog, add_model(catalog))
        catalog.write(lambda transaction: transaction.retire(version.id, at_ms=7, reason="leaks names"))
        with catalog.read() as view:
            found = view.version_by_id(version.id)
        assert found == dataclasses.replace(version, retired_ms=7, retired_reason="leaks names")

    def test_stages_of_a_version_are_kept_in_order(self, catalog: Catalog) -> None:
        version = add_version(catalog, add_model(catalog))
        for at_ms, stage in ((5, Stage.STAGING), (9, Stage.PRODUCTION), (9, Stage.ARCHIVED)):
            catalog.write(lambda transaction: transaction.set_stage(version.id, stage, at_ms=at_ms, author="mara"))  # noqa: B023 used at once
        with catalog.read() as view:
            found = view.version_by_id(version.id)
            assert found is not None
            assert found.stage is Stage.ARCHIVED
            assert list(view.stage_history(version.id)) == [
                (5, Stage.STAGING),
                (9, Stage.PRODUCTION),
                (9, Stage.ARCHIVED),
            ]

    def test_the_newest_move_of_a_pointer_is_in_force(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        first, second = add_version(catalog, model), add_version(catalog, model)
        one = add_move(catalog, model, "champion", first, at_ms=10)
        two = add_move(catalog, model, "champion", second, at_ms=20)
        staged = add_move(catalog, model, "stage:production", first, at_ms=30)
        with catalog.read() as view:
            assert view.version_by_pointer("default", "encoder", "champion") == second
            assert view.version_by_pointer("default", "encoder", "stage:production") == first
            assert view.version_by_pointer("default", "encoder", "challenger") is None
            assert view.version_by_pointer("default", "other", "champion") is None
            assert list(view.pointers(model.id)) == [two, staged]
            assert view.pointer(model.id, "champion") == two
            assert view.pointer(model.id, "challenger") is None
            assert list(view.moves(model.id)) == [staged, two, one]
            assert list(view.moves(model.id, pointer="champion", limit=1)) == [two]
            assert view.move_by_id(one.id) == one

    def test_a_pointer_taken_away_points_nowhere_and_keeps_its_history(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        version = add_version(catalog, model)
        add_move(catalog, model, "champion", version, at_ms=10)
        removed = add_move(catalog, model, "champion", None, at_ms=20)
        assert (removed.version_id, removed.version_number, removed.reason) == (0, 0, MoveReason.REMOVED)
        with catalog.read() as view:
            assert view.version_by_pointer("default", "encoder", "champion") is None
            assert list(view.pointers(model.id)) == []
            assert view.pointer(model.id, "champion") == removed
            assert len(view.moves(model.id, pointer="champion")) == 2

    def test_what_a_pointer_meant_at_a_moment_is_known(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        version = add_version(catalog, model)
        moves = [add_move(catalog, model, "champion", version, at_ms=at_ms) for at_ms in (10, 20, 20)]
        add_move(catalog, model, "other", version, at_ms=15)
        with catalog.read() as view:
            for at_ms, expected in ((9, None), (10, moves[0]), (19, moves[0]), (20, moves[2]), (99, moves[2])):
                assert view.move_at(model.id, "champion", at_ms) == expected, at_ms

    def test_a_tag_is_put_replaced_and_removed(self, catalog: Catalog) -> None:
        version = add_version(catalog, add_model(catalog))
        for tag in (Tag("team", "risk", "mara", 1), Tag("a", "", "mara", 2), Tag("team", "fraud", "jo", 3)):
            catalog.write(lambda transaction: transaction.put_tag(version.id, tag))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.tags(version.id)) == [Tag("a", "", "mara", 2), Tag("team", "fraud", "jo", 3)]
        assert catalog.write(lambda transaction: transaction.remove_tag(version.id, "team")) is True
        assert catalog.write(lambda transaction: transaction.remove_tag(version.id, "team")) is False
        with catalog.read() as view:
            assert list(view.tags(version.id)) == [Tag("a", "", "mara", 2)]

    def test_ledger_entries_come_back_in_order(self, catalog: Catalog) -> None:
        body = {"b": [1, 2.5, None], "a": {"ü": True}}
        for n in range(5):
            subject = f"model-{n % 2}"
            catalog.write(lambda transaction: transaction.add_ledger(n, "mara", "version.pushed", subject, body))  # noqa: B023 used at once
        with catalog.read() as view:
            entries = view.ledger()
            assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5]
            assert [entry.at_ms for entry in entries] == [0, 1, 2, 3, 4]
            assert entries[0].body == body
            assert [entry.sequence for entry in view.ledger(after=1, limit=2)] == [2, 3]
            assert [entry.sequence for entry in view.ledger(after=1, subject="model-0")] == [3, 5]

    def test_what_cannot_be_stored_cannot_be_asked_for_either(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        with catalog.read() as view:
            fails(BadValue, lambda: view.ledger(subject="half a character: \ud800"))
            fails(BadValue, lambda: view.ledger(after=10**30))
        fails(BadValue, lambda: add_version(catalog, model, author="\ud800"))
        assert add_version(catalog, model).number == 1

    def test_ledger_and_numbers_stay_dense_under_many_threads(self, catalog: Catalog) -> None:
        model = add_model(catalog)
        ready = threading.Barrier(16)

        def push(thread: int) -> list[tuple[int, int]]:
            def work(transaction: Transaction) -> tuple[int, int]:
                version = transaction.add_version(new_version(model))
                sequence = transaction.add_ledger(thread, "mara", "version.pushed", "encoder", {})
                if version.number % 7 == 3:
                    transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
                return version.number, sequence

            def fail(transaction: Transaction) -> None:
                work(transaction)
                raise KeyError("enough")

            ready.wait(30)
            done = []
            for step in range(6):
                if step % 3 == 1:
                    fails(Exception, lambda: catalog.write(fail))
                # Some of it clashes with what is there.
                with contextlib.suppress(Exception):
                    done.append(catalog.write(work))
            return done

        with ThreadPoolExecutor(16) as pool:
            pairs = sorted(pair for done in pool.map(push, range(16)) for pair in done)
        with catalog.read() as view:
            assert [number for number, _ in pairs] == [v.number for v in reversed(view.versions(model.id))]
            assert [sequence for _, sequence in pairs] == [entry.sequence for entry in view.ledger(limit=1000)]
        assert pairs == [(n, n) for n in range(1, len(pairs) + 1)]
        assert list(catalog.check()) == []


def fails(kind: type[BaseException], act: Callable[[], object]) -> BaseException:
    """The error of this kind that ``act`` raises."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
