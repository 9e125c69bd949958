"""The part of the catalog's port that speaks of gates: policies, evidence, promotions, reviews.

Nothing here is ever changed but a promotion's state; what is no longer in force is kept.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.domain.policy.case import Review
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionState, Tiered


class GatesView(Protocol):
    """What can be read about gates."""

    def policies(self, namespace: str) -> Sequence[PolicyRecord]:
        """Those in force, by name."""

    def policy_editions(self, namespace: str, name: str) -> Sequence[PolicyRecord]:
        """Newest first, removed ones too."""

    def tier(self, model_id: int) -> Tiered: ...
    def evidence(self, namespace: str, subject: str) -> Sequence[Evidence]:
        """What the namespace knows of a manifest, oldest first."""

    def evidence_with_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[tuple[str, Evidence]]:
        """Evidence of every namespace that came with files, by id, each with the name of its namespace."""

    def promotion(self, promotion_id: int) -> Promotion | None: ...
    def promotions(
        self, namespace: str, *, state: PromotionState | None = None, before: int = 0, limit: int = 100
    ) -> Sequence[Promotion]:
        """Newest first, with ids below ``before`` when it is not 0."""

    def promotions_of(self, version_id: int, pointer: str) -> Sequence[Promotion]:
        """Newest first."""

    def unseen_breaks(self, namespace: str) -> Sequence[Promotion]:
        """Promotions past the gates that nobody has looked at, oldest first."""

    def overdue_breaks(self, *, now_ms: int) -> Sequence[Promotion]:
        """Those of every namespace that nobody looked at before they were due, longest due first."""

    def pointed_before(self, model_id: int, pointer: str, version_id: int) -> bool:
        """Whether the pointer ever was put to the version other than past the gates."""

    def reviews(self, promotion_id: int) -> Sequence[Review]:
        """Oldest first."""


class GatesTransaction(Protocol):
    """What can be changed about gates."""

    def add_policy(self, policy: PolicyRecord) -> PolicyRecord:
        """The policy with its id and number; an edition before it is no longer in force."""

    def remove_policy(self, namespace: str, name: str, *, at_ms: int) -> None: ...
    def set_tier(self, model_id: int, tiered: Tiered) -> None: ...
    def add_evidence(self, namespace: str, evidence: Evidence) -> Evidence:
        """The evidence with its id."""

    def add_promotion(self, promotion: Promotion) -> Promotion:
        """The promotion with its id."""

    def change_promotion(self, promotion: Promotion) -> None:
        """State, what decided it, who looked at it and whether too late."""

    def add_review(self, promotion_id: int, review: Review) -> None: ...
