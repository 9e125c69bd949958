"""What a version was computed from: how many of its bytes are a known function of another version's.

It is not said by anybody: each block was made from the other's blocks and came out equal, bit for bit.
"""

from dataclasses import dataclass
from typing import Final

from budwood.domain.facts import Relation
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.domain.records import VersionRecord

PROVER: Final = "prover"
"""The role of the registry itself when it proves that. No person holds it."""
REGISTRY: Final = "the registry"
PROVED_SHARE: Final = 0.5
"""A version of which fewer bytes are another's, equal or derived, is not told to come from it."""
DERIVED_SHARE: Final = 0.1
"""Nor is one of which fewer are derived: what is merely equal is seen by comparing."""
REARRANGED: Final = "rearranged"
_FLOATS: Final = frozenset({"f32", "f16", "bf16"})


@dataclass(frozen=True, slots=True)
class Derivation:
    """``function`` is the kind of numbers that most derived bytes were turned into (``q8_0``), or that they were only
    put in another order. Shares are of all bytes of the version's files."""

    source: VersionRecord
    function: str
    derived_share: float
    equal_share: float

    @property
    def share(self) -> float:
        return self.derived_share + self.equal_share

    @property
    def relation(self) -> Relation:
        """How the version came from the other."""
        is_rough = self.function not in _FLOATS and self.function != REARRANGED
        return Relation.QUANTIZED_FROM if is_rough else Relation.DERIVED_FROM

    @property
    def is_worth_telling(self) -> bool:
        return self.share >= PROVED_SHARE and self.derived_share >= DERIVED_SHARE


def derivation_text(derivation: Derivation) -> str:
    """A sentence: Q8_0 of encoder@1.2.0, 99.96 % of its bytes, proved."""
    return f"{function_text(derivation.function)} of {derivation.source.reference}, {share_text(derivation)}, proved."


def function_text(function: str) -> str:
    """How people call it."""
    return "A rearrangement" if function == REARRANGED else function.upper()


def share_text(derivation: Derivation) -> str:
    """Rounded down: what is not all is never said to be."""
    return f"{int(derivation.share * 10_000) / 100:.2f} % of its bytes"


def evidence_of(derivation: Derivation, subject: str, now_ms: int) -> Evidence:
    """The registry's own word about the manifest ``subject``."""
    source = derivation.source
    return Evidence(
        0,
        subject,
        EvidenceKind.DERIVATION,
        REGISTRY,
        "",
        (PROVER,),
        now_ms,
        Outcome.PASSED,
        metrics={"derived_share": derivation.derived_share, "equal_share": derivation.equal_share},
        summary=derivation_text(derivation),
        details={"function": derivation.function, "source": source.digest, "version": source.reference},
    )


def is_proof(evidence: Evidence) -> bool:
    """Whether the registry itself computed it."""
    return evidence.kind is EvidenceKind.DERIVATION and PROVER in evidence.roles
