"""The part of the catalog's conformance suite about retention: rules, classes, bytes that went, and holds."""

from dataclasses import replace

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.names import Kind
from budwood.domain.records import ModelRecord, MoveReason, VersionRecord
from budwood.domain.retention import ClassSaid, Gone, Hold, RulesRecord, Scope, Service

GONE = Gone(9, "mara", "short", "the namespace's default", 5, 8)
HOLD = Hold(0, "default", Scope.NAMESPACE, "default", "a claim was made", "LEG-1", "mara", 5)


class RetentionSuite:
    """Needs the fixture ``catalog``."""

    def test_the_newest_edition_of_the_rules_is_in_force_and_the_others_stay(self, catalog: Catalog) -> None:
        with catalog.read() as view:
            assert view.retention_rules("default") is None
        for text in ("one", "two"):
            written = RulesRecord("default", 0, text, "mara", 5, "why")
            catalog.write(lambda transaction: transaction.add_rules(written))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.retention_rules("default") == RulesRecord("default", 2, "two", "mara", 5, "why")
            assert [each.text for each in view.retention_editions("default")] == ["two", "one"]
            assert view.retention_rules("nowhere") is None

    def test_a_class_is_said_of_a_model_or_a_version_and_taken_back(self, catalog: Catalog) -> None:
        model, (first, _) = _kept(catalog)
        for name in ("short", "long"):
            for version_id in (0, first.id):
                said = ClassSaid(model.id, version_id, name, "mara", 5, "why")
                catalog.write(lambda transaction: transaction.say_class(said))  # noqa: B023 used at once
        with catalog.read() as view:
            assert view.class_said(model.id) == ClassSaid(model.id, 0, "long", "mara", 5, "why")
            assert view.class_said(model.id, first.id) == ClassSaid(model.id, first.id, "long", "mara", 5, "why")
            assert view.class_said(model.id, first.id + 1) is None
        catalog.write(lambda transaction: transaction.unsay_class(model.id))
        with catalog.read() as view:
            assert view.class_said(model.id) is None
            assert view.class_said(model.id, first.id) is not None

    def test_services_say_from_when_to_when_a_pointer_pointed_at_a_version(self, catalog: Catalog) -> None:
        model, (first, second) = _kept(catalog)
        for at_ms, pointer, version in (
            (10, "champion", first),
            (11, "stage:production", first),
            (20, "champion", second),
            (30, "champion", first),
            (40, "champion", None),
        ):
            catalog.write(
                lambda transaction: transaction.add_move(
                    model.id,
                    pointer,  # noqa: B023 used at once
                    version,  # noqa: B023
                    at_ms=at_ms,  # noqa: B023
                    author="mara",
                    reason=MoveReason.SET,
                    before=0,
                )
            )
        with catalog.read() as view:
            assert view.services(first.id) == [
                Service("champion", 10, 20, "mara"),
                Service("stage:production", 11, 0, "mara"),
                Service("champion", 30, 40, "mara"),
            ]
            assert view.services(second.id) == [Service("champion", 20, 30, "mara")]

    def test_a_version_whose_bytes_went_says_so_wherever_it_is_read(self, catalog: Catalog) -> None:
        model, (first, second) = _kept(catalog)
        catalog.write(lambda transaction: transaction.let_go(first.id, GONE))
        with catalog.read() as view:
            read = view.version_by_id(first.id)
            assert read is not None
            assert (read.gone_ms, read.gone_reason) == (9, "class short, the namespace's default; let go by mara")
            assert [each.gone_ms for each in view.versions(model.id)] == [0, 9]
            assert [each.gone_ms for each in view.all_versions()] == [9, 0]
            assert view.gone(first.id) == GONE
            assert view.gone(second.id) is None
        catalog.write(lambda transaction: transaction.remove_version(first.id))
        with catalog.read() as view:
            assert view.gone(first.id) is None

    def test_versions_of_a_namespace_come_by_id(self, catalog: Catalog) -> None:
        _, (first, second) = _kept(catalog)
        with catalog.read() as view:
            assert [each.id for each in view.versions_in("default")] == [first.id, second.id]
            assert [each.id for each in view.versions_in("default", after_id=first.id)] == [second.id]
            assert [each.id for each in view.versions_in("default", limit=1)] == [first.id]
            assert list(view.versions_in("nowhere")) == []

    def test_holds_are_found_by_what_they_cover_until_they_are_lifted(self, catalog: Catalog) -> None:
        model, (first, second) = _kept(catalog)
        room = catalog.write(lambda transaction: transaction.add_hold(HOLD))
        of_model = replace(HOLD, scope=Scope.MODEL, subject="encoder", model_id=model.id)
        whole = catalog.write(lambda transaction: transaction.add_hold(of_model))
        single = replace(HOLD, scope=Scope.QUERY, subject="stage = production")
        one = catalog.write(lambda transaction: transaction.add_hold(single, [second.id]))
        with catalog.read() as view:
            assert [each.id for each in view.holds_on("default")] == [room.id]
            assert [each.id for each in view.holds_on("default", model.id)] == [room.id, whole.id]
            assert [each.id for each in view.holds_on("default", model.id, first.id)] == [room.id, whole.id]
            assert list(view.holds_on("default", model.id, second.id)) == [room, whole, one]
            assert [each.id for each in view.holds_on("default", model.id + 1)] == [room.id]
            assert list(view.holds_on("nowhere", model.id, second.id)) == []
            assert list(view.held_versions(one.id)) == [second.id]
            assert list(view.held_versions(one.id, after_id=second.id)) == []
            assert (one.versions, view.holds_anywhere()) == (1, 3)
        lifted = replace(whole, lifted_ms=9, lifted_by="bea", lifted_reason="the matter is closed")
        catalog.write(lambda transaction: transaction.lift_hold(lifted))
        catalog.write(lambda transaction: transaction.lift_hold(replace(lifted, lifted_by="eve")))
        with catalog.read() as view:
            assert view.hold(whole.id) == lifted
            assert view.hold(999) is None
            assert [each.id for each in view.holds_on("default", model.id)] == [room.id]
            assert [each.id for each in view.holds("default")] == [one.id, room.id]
            assert [each.id for each in view.holds("default", every=True)] == [one.id, whole.id, room.id]
            assert [each.id for each in view.holds("default", every=True, before=one.id, limit=1)] == [whole.id]
            assert list(view.holds("nowhere", every=True)) == []


def _kept(catalog: Catalog) -> tuple[ModelRecord, tuple[VersionRecord, ...]]:
    """A model with two versions."""

    def work(transaction: Transaction) -> tuple[ModelRecord, tuple[VersionRecord, ...]]:
        model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
        new = NewVersion(model.id, "0" * 64, "", Kind.MODEL, "mara", 1, 10, 20, (b"m" * 32,))
        return model, tuple(transaction.add_version(new) for _ in range(2))

    return catalog.write(work)
