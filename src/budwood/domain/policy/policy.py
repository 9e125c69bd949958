"""A policy as values: what it guards, and the four layers of what it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from budwood.domain.access import Role
from budwood.domain.policy.evidence import EvidenceKind


class Tier(StrEnum):
    """How much harm a model could do."""

    LOW = "low"
    LIMITED = "limited"
    HIGH = "high"


class Operator(StrEnum):
    """How a metric is compared with what it must reach."""

    AT_LEAST = ">="
    MORE = ">"
    AT_MOST = "<="
    LESS = "<"

    def holds(self, value: float, bound: float) -> bool:
        """Both are finite."""
        match self:
            case Operator.AT_LEAST:
                return value >= bound
            case Operator.MORE:
                return value > bound
            case Operator.AT_MOST:
                return value <= bound
            case Operator.LESS:
                return value < bound

    @property
    def more_is_better(self) -> bool:
        return self in (Operator.AT_LEAST, Operator.MORE)


class Left(StrEnum):
    """Whose review does not count."""

    AUTHOR = "author"
    REQUESTER = "requester"
    EVIDENCE = "evidence"
    TRAINER = "trainer"


@dataclass(frozen=True, slots=True)
class Requires:
    """``formats`` empty: any. ``facts`` are names of ``domain/fields.py``, ``formats`` or ``parameters``.
    ``evidence_signed``: what is decided on evidence is decided only where a trusted key signed it."""

    formats: tuple[str, ...] = ()
    signed: bool = False
    scanned: bool = False
    clean_tree: bool = False
    lineage: bool = False
    facts: tuple[str, ...] = ()
    evidence: tuple[EvidenceKind, ...] = ()
    evidence_signed: bool = False


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric of the newest evidence that fits, against ``value`` or the champion's within ``tolerance``.

    ``value`` None: against the champion. ``first`` is the bound while nothing is in force; None: then it cannot be
    decided. ``max_age_ms`` 0: any age.
    """

    metric: str
    operator: Operator
    value: float | None = None
    tolerance: float = 0.0
    first: float | None = None
    kind: EvidenceKind = EvidenceKind.EVALUATION
    dataset: str = ""
    min_samples: int = 0
    max_age_ms: int = 0
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class ReviewRule:
    """So many different people who hold the role. ``valid_ms`` 0: a review does not run out."""

    role: Role
    count: int
    left_out: frozenset[Left] = frozenset(Left)
    valid_ms: int = 0


@dataclass(frozen=True, slots=True)
class Validation:
    """An expression in CEL that must be true; ``message`` is what people are told when it is not."""

    expression: str
    message: str


@dataclass(frozen=True, slots=True)
class Policy:
    """``digest`` names its canonical form. ``stages`` and ``aliases`` are what it guards, of the models that match."""

    name: str
    digest: str = ""
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    models: tuple[str, ...] = ("*",)
    tiers: tuple[Tier, ...] = tuple(Tier)
    requires: Requires = Requires()
    thresholds: tuple[Threshold, ...] = ()
    reviews: tuple[ReviewRule, ...] = ()
    validations: tuple[Validation, ...] = ()

    def guards(self, model: str, pointer: str, tier: Tier) -> bool:
        """``pointer`` is an alias, or ``stage:NAME``."""
        kind, colon, stage = pointer.partition(":")
        guarded = stage in self.stages if colon else any(fnmatchcase(kind, pattern) for pattern in self.aliases)
        return guarded and tier in self.tiers and any(fnmatchcase(model, pattern) for pattern in self.models)


def guarding(policies: Sequence[Policy], model: str, pointer: str, tier: Tier) -> tuple[Policy, ...]:
    """Those that guard the pointer of the model, by name. All of them must allow."""
    return tuple(sorted((p for p in policies if p.guards(model, pointer, tier)), key=lambda policy: policy.name))
