"""The part of the catalog's conformance suite about gates: policies, evidence, promotions, reviews."""

import contextlib
from dataclasses import replace

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.domain.access import Role
from budwood.domain.names import Kind
from budwood.domain.policy.case import Review
from budwood.domain.policy.evidence import Evidence, EvidenceFile, EvidenceKind, Interval, Outcome
from budwood.domain.policy.policy import Tier
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionState, Tiered
from budwood.domain.records import ModelRecord, MoveReason, VersionRecord

ASKED = Promotion(0, "default", "encoder", 3, 7, 2, "ab" * 32, "stage:production", "mara", "better", 5, "bind")


class GatesSuite:
    """Needs the fixture ``catalog``."""

    def test_the_newest_edition_of_a_policy_is_in_force_until_it_is_removed(self, catalog: Catalog) -> None:
        for digest in ("one", "two"):
            written = PolicyRecord(0, "default", "high", 0, digest, f"text {digest}", "mara", 5)
            catalog.write(lambda transaction: transaction.add_policy(written))  # noqa: B023 used at once
        catalog.write(
            lambda transaction: transaction.add_policy(PolicyRecord(0, "default", "any", 0, "d", "t", "mara", 6))
        )
        with catalog.read() as view:
            assert [(each.name, each.number, each.digest) for each in view.policies("default")] == [
                ("any", 1, "d"),
                ("high", 2, "two"),
            ]
            assert [each.number for each in view.policy_editions("default", "high")] == [2, 1]
            assert list(view.policies("nowhere")) == []
        catalog.write(lambda transaction: transaction.remove_policy("default", "high", at_ms=9))
        with catalog.read() as view:
            assert [each.name for each in view.policies("default")] == ["any"]
            assert [each.removed_ms for each in view.policy_editions("default", "high")] == [9, 0]
        again = catalog.write(
            lambda transaction: transaction.add_policy(PolicyRecord(0, "default", "high", 0, "three", "t", "mara", 10))
        )
        assert again.number == 3

    def test_what_nobody_classed_counts_as_high(self, catalog: Catalog) -> None:
        model, _ = _filled(catalog)
        with catalog.read() as view:
            assert view.tier(model.id) == Tiered(Tier.HIGH)
        for tier in (Tier.LOW, Tier.LIMITED):
            catalog.write(lambda transaction: transaction.set_tier(model.id, Tiered(tier, "mara", 4)))  # noqa: B023
        with catalog.read() as view:
            assert view.tier(model.id) == Tiered(Tier.LIMITED, "mara", 4)

    def test_evidence_reads_back_exactly_and_in_order(self, catalog: Catalog) -> None:
        scan = Evidence(0, "ab" * 32, EvidenceKind.SCAN, "bot", "mara", (), 5, Outcome.PASSED, digest="d1")
        score = Evidence(
            0,
            "ab" * 32,
            EvidenceKind.EVALUATION,
            "eva",
            "eva",
            ("reviewer", "writer"),
            6,
            metrics={"acc": 0.1 + 0.2, "n": 3.0},
            intervals={"acc": Interval(0.29, 0.31)},
            dataset="holdout",
            samples=10**12,
            summary="fine — ünïcode",
            digest="d2",
        )
        for each in (scan, score):
            catalog.write(lambda transaction: transaction.add_evidence("default", each))  # noqa: B023 used at once
        with catalog.read() as view:
            found = view.evidence("default", "ab" * 32)
            assert [replace(each, id=0) for each in found] == [scan, score]
            assert found[0].id < found[1].id
            assert list(view.evidence("default", "cd" * 32)) == []

    def test_evidence_with_files_is_found_by_id_whatever_it_is_about(self, catalog: Catalog) -> None:
        plain = Evidence(0, "ab" * 32, EvidenceKind.SCAN, "bot", "mara", (), 5, Outcome.PASSED, digest="d1")
        told = replace(plain, summary='"files":[{"name":1', metrics={"files": 1.0}, digest="d2")
        files = (EvidenceFile("a.txt", 3, "cd" * 32, ("ef" * 32,)), EvidenceFile("ü", 0, "ab" * 32))
        attached = [replace(plain, files=files, digest=f"d{n}", subject=f"{n:02d}" * 32) for n in (3, 4, 5)]
        for each in (plain, attached[0], told, *attached[1:]):
            catalog.write(lambda transaction: transaction.add_evidence("default", each))  # noqa: B023 used at once
        with catalog.read() as view:
            found = list(view.evidence_with_files())
            assert [(room, replace(each, id=0)) for room, each in found] == [("default", each) for each in attached]
            first = found[0][1].id
            assert list(view.evidence_with_files(after_id=first, limit=1)) == found[1:2]
            assert list(view.evidence_with_files(after_id=found[-1][1].id)) == []

    def test_evidence_that_is_no_number_is_not_kept(self, catalog: Catalog) -> None:
        for value in (float("nan"), float("inf")):
            bad = Evidence(0, "ab" * 32, EvidenceKind.EVALUATION, "eva", "eva", (), 6, metrics={"acc": value})
            with contextlib.suppress(ValueError):
                catalog.write(lambda transaction: transaction.add_evidence("default", bad))  # noqa: B023 used at once
                raise AssertionError("it was kept")
        with catalog.read() as view:
            assert list(view.evidence("default", "ab" * 32)) == []

    def test_promotions_are_found_by_state_version_and_page(self, catalog: Catalog) -> None:
        asked = [catalog.write(lambda transaction: transaction.add_promotion(ASKED)) for _ in range(3)]
        done = replace(
            asked[1],
            state=PromotionState.APPLIED,
            decided_ms=8,
            decided_by="bea",
            checks="[]",
            broke_glass=True,
            due_ms=9,
        )
        catalog.write(lambda transaction: transaction.change_promotion(done))
        with catalog.read() as view:
            assert view.promotion(done.id) == done
            assert view.promotion(999) is None
            assert [each.id for each in view.promotions("default")] == [each.id for each in reversed(asked)]
            assert [each.id for each in view.promotions("default", limit=1)] == [asked[2].id]
            assert [each.id for each in view.promotions("default", before=asked[1].id)] == [asked[0].id]
            assert [each.id for each in view.promotions("default", state=PromotionState.APPLIED)] == [done.id]
            assert [each.id for each in view.promotions_of(7, "stage:production")] == [
                each.id for each in reversed(asked)
            ]
            assert list(view.promotions_of(7, "champion")) == []
            assert [each.id for each in view.unseen_breaks("default")] == [done.id]
            assert list(view.overdue_breaks(now_ms=9)) == []
            assert list(view.overdue_breaks(now_ms=10)) == [done]
            assert list(view.promotions("nowhere")) == []
        looked = replace(done, looked_by="zoe", overdue_ms=11)
        catalog.write(lambda transaction: transaction.change_promotion(looked))
        with catalog.read() as view:
            assert view.promotion(done.id) == looked
            assert list(view.overdue_breaks(now_ms=10)) == []
            assert list(view.unseen_breaks("default")) == []

    def test_reviews_read_back_in_order(self, catalog: Catalog) -> None:
        asked = catalog.write(lambda transaction: transaction.add_promotion(ASKED))
        said = [
            Review("bea", True, 6, "bind", {Role.REVIEWER: 1, Role.OWNER: 2}),
            Review("jon", False, 7, "bind", {}, "not yet"),
        ]
        for each in said:
            catalog.write(lambda transaction: transaction.add_review(asked.id, each))  # noqa: B023 used at once
        with catalog.read() as view:
            assert list(view.reviews(asked.id)) == said

    def test_where_a_pointer_pointed_is_remembered(self, catalog: Catalog) -> None:
        model, (first, second) = _filled(catalog)
        catalog.write(
            lambda transaction: transaction.add_move(
                model.id, "champion", first, at_ms=1, author="mara", reason=MoveReason.SET, before=0
            )
        )
        with catalog.read() as view:
            assert view.pointed_before(model.id, "champion", first.id)
            assert not view.pointed_before(model.id, "champion", second.id)
            assert not view.pointed_before(model.id, "best", first.id)
        for reason, seen in ((MoveReason.PAST_GATES, False), (MoveReason.ROLLED_BACK, True)):
            catalog.write(
                lambda transaction: transaction.add_move(
                    model.id,
                    "best",
                    first,
                    at_ms=1,
                    author="mara",
                    reason=reason,  # noqa: B023 used at once
                    before=0,
                )
            )
            with catalog.read() as view:
                assert view.pointed_before(model.id, "best", first.id) is seen


def _filled(catalog: Catalog) -> tuple[ModelRecord, tuple[VersionRecord, ...]]:
    """A model with two versions."""

    def work(transaction: Transaction) -> tuple[ModelRecord, tuple[VersionRecord, ...]]:
        model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
        new = NewVersion(model.id, "0" * 64, "", Kind.MODEL, "mara", 1, 10, 20, (b"m" * 32,))
        return model, tuple(transaction.add_version(new) for _ in range(2))

    return catalog.write(work)
