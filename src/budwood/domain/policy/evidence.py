"""Evidence: a recorded result about one version, which nobody changes afterwards.

It names the manifest it is about by digest, so it can be true of nothing else; who gave it, in which role, from which
data and how much of it. Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EvidenceKind(StrEnum):
    """What sort of result it is."""

    EVALUATION = "evaluation"
    FAIRNESS = "fairness"
    ROBUSTNESS = "robustness"
    AB_TEST = "ab-test"
    INTEGRATION = "integration"
    SCAN = "scan"
    PERFORMANCE = "performance"
    SIGNATURE = "signature"


class Outcome(StrEnum):
    """What it comes to, where the kind says yes or no; a scan does, an evaluation need not."""

    NONE = ""
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a metric."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Evidence:
    """``subject`` is the manifest's digest, ``dataset`` a dataset version's digest or a name, ``roles`` those that its
    author held in the namespace when they gave it, ``person`` the human being behind the author. ``body`` is a
    signature's bundle, left out of lists."""

    id: int
    subject: str
    kind: EvidenceKind
    author: str
    person: str
    roles: tuple[str, ...]
    at_ms: int
    outcome: Outcome = Outcome.NONE
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    dataset: str = ""
    samples: int = 0
    summary: str = ""
    digest: str = ""
    body: str = ""
