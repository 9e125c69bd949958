"""What is kept about policies and promotions. Times are milliseconds since the epoch, UTC; 0 where there is none."""

from dataclasses import dataclass
from enum import StrEnum

from budwood.domain.policy.case import Check, Review
from budwood.domain.policy.policy import Tier


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One edition of a policy, as it was written. A removed one guards nothing any more, and stays readable."""

    id: int
    namespace: str
    name: str
    number: int
    digest: str
    text: str
    author: str
    created_ms: int
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Tiered:
    """How much harm a model could do, and who said so. What nobody classed counts as high."""

    tier: Tier = Tier.HIGH
    author: str = ""
    at_ms: int = 0


class PromotionState(StrEnum):
    """Open until it is applied, withdrawn, or rejected by somebody who may review."""

    OPEN = "open"
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A request that a guarded pointer may point at a version. ``binds`` is the digest of what it was asked over:
    manifest, pointer, policies, evidence. ``broke_glass``: it was applied past the gates, and is to be looked at by
    ``due_ms``; ``looked_by`` is who did, ``overdue_ms`` when it was noticed that nobody did in time."""

    id: int
    namespace: str
    model: str
    model_id: int
    version_id: int
    version_number: int
    digest: str
    pointer: str
    requester: str
    reason: str
    requested_ms: int
    binds: str
    state: PromotionState = PromotionState.OPEN
    decided_ms: int = 0
    decided_by: str = ""
    checks: str = ""
    broke_glass: bool = False
    due_ms: int = 0
    looked_by: str = ""
    overdue_ms: int = 0


@dataclass(frozen=True, slots=True)
class PromotionDetail:
    """A promotion, what its gates say now (or said when it was decided), and everybody's reviews. ``binds`` is the
    digest of what a review given now would be of; empty once it is decided."""

    promotion: Promotion
    reference: str
    checks: tuple[Check, ...]
    reviews: tuple[Review, ...] = ()
    binds: str = ""

    @property
    def allowed(self) -> bool:
        return all(check.state == "passed" for check in self.checks)
