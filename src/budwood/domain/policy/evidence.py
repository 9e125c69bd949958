"""Evidence: a recorded result about one version, which nobody changes afterwards.

It names the manifest it is about by digest, so it can be true of nothing else; who gave it, in which role, from which
data and how much of it. Files may come with it, and a signature: an in-toto statement that says the same, in DSSE.
Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json, dumps

PREDICATE_TYPE: Final = "https://budwood.dev/evidence/v1"
_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SCANNER: Final = "scanner"
"""The role of the registry itself when it scans. No person holds it, so nobody else's evidence can claim it."""


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
    CARD = "card"
    DERIVATION = "derivation"


class Outcome(StrEnum):
    """What it comes to, where the kind says yes or no; a scan does, an evaluation need not. An error is no pass."""

    NONE = ""
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a metric, and how it was found: ``wilson``, ``bootstrap``, ``normal``, or "" for not
    told."""

    low: float
    high: float
    level: float = 0.95
    method: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file kept with evidence. ``blocks`` are the ids of its blocks, in order, in hexadecimal."""

    name: str
    size: int
    sha256: str
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """``subject`` is the manifest's digest, ``dataset`` a dataset version's digest or a name, ``roles`` those that its
    author held in the namespace when they gave it, ``person`` the human being behind the author. ``details`` say how it
    was found. ``body`` is a signature's bundle, left out of lists; ``key`` the SHA-256 of the key it was checked with
    when it came."""

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
    details: Mapping[str, str] = field(default_factory=dict)
    files: tuple[EvidenceFile, ...] = ()
    key: str = ""


def statement_of(model: str, subject: str, claim: Json) -> bytes:
    """What is signed of evidence about a manifest: an in-toto statement."""
    return dumps(
        {
            "_type": _STATEMENT_TYPE,
            "subject": [{"name": model, "digest": {"sha256": subject}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": claim,
        }
    )


def claim_of(evidence: Evidence) -> Json:
    """All that whoever gave it says; who that is, and when, the registry says."""
    return claimed(
        evidence.kind,
        evidence.outcome,
        metrics=evidence.metrics,
        intervals=evidence.intervals,
        dataset=evidence.dataset,
        samples=evidence.samples,
        summary=evidence.summary,
        details=evidence.details,
        files=[(each.name, each.size, each.sha256) for each in evidence.files],
    )


def claimed(
    kind: EvidenceKind,
    outcome: Outcome,
    *,
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval],
    dataset: str,
    samples: int,
    summary: str,
    details: Mapping[str, str],
    files: Sequence[tuple[str, int, str]],
) -> Json:
    """The same, before it is given. ``files`` are names, sizes and SHA-256s."""
    within: dict[str, Json] = {
        name: {"low": each.low, "high": each.high, "level": each.level, "method": each.method}
        for name, each in intervals.items()
    }
    return {
        "kind": str(kind),
        "outcome": str(outcome),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "intervals": within,
        "dataset": dataset,
        "samples": samples,
        "summary": summary,
        "details": dict(details),
        "files": [{"name": name, "size": size, "sha256": sha256} for name, size, sha256 in files],
    }
