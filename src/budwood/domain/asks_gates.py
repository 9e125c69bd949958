"""What the routes about gates take and give where no record says it. Read ``domain/asks.py`` first."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval, Outcome
from budwood.domain.policy.policy import Tier
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionState
from budwood.domain.signature import SigningKey

PAGE: int = 100


@dataclass(frozen=True, slots=True)
class ListPromotions:
    """Newest first, with ids below ``before`` when it is not 0; ``state`` empty: all."""

    state: str = ""
    before: int = 0
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class PutPolicy:
    """As it is written, in YAML; its ``metadata.name`` is the name in the address."""

    text: str


@dataclass(frozen=True, slots=True)
class SetTier:
    tier: Tier


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that comes with evidence."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class AddEvidence:
    """``dataset`` is a dataset version's digest or a name; ``intervals`` are of metrics that are given; ``details``
    say how it was found. ``bundle`` is a signature of all this, files included."""

    kind: EvidenceKind
    outcome: Outcome = Outcome.NONE
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    dataset: str = ""
    samples: int = 0
    summary: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Attached, ...] = ()
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class AddSignature:
    """A Sigstore bundle, as text."""

    bundle: str


@dataclass(frozen=True, slots=True)
class TrustKey:
    """A public key in PEM, and whose it is."""

    name: str
    pem: str


@dataclass(frozen=True, slots=True)
class AskPromotion:
    """``pointer`` is an alias or a stage."""

    pointer: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GiveReview:
    """``binds`` is that of the promotion as the reviewer saw it; "" for as it is now."""

    approves: bool
    reason: str = ""
    binds: str = ""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """Past the gates, in an emergency. The reason is not optional."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Policies:
    policies: tuple[PolicyRecord, ...]


@dataclass(frozen=True, slots=True)
class EvidenceList:
    """Oldest first."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class AttachedFiles:
    """Of one piece of evidence."""

    files: tuple[Attached, ...]


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """By when they were trusted."""

    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class PromotionPage:
    """``cursor`` is the next page's ``before``; 0 at the end."""

    promotions: tuple[Promotion, ...]
    cursor: int = 0


STATES: Mapping[str, PromotionState | None] = {"": None, **{str(state): state for state in PromotionState}}
