"""What is asked and answered about observations, disagreements and A/B reports, as values that travel."""

from dataclasses import dataclass

from budwood.domain.compared.captures import Disagreement
from budwood.domain.observations.report import AbReport


@dataclass(frozen=True, slots=True)
class Observe:
    """``lines`` are JSON texts: {"metric": "bought", "user": "u-17", "value": 1}."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How many observations were kept, and how many lines were none."""

    kept: int
    garbled: int = 0


@dataclass(frozen=True, slots=True)
class ListDisagreements:
    """Those with numbers above ``after``."""

    after: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class DisagreementPage:
    """Oldest first; ``next`` is the ``after`` of the following page, 0 after the last."""

    disagreements: tuple[Disagreement, ...]
    next: int = 0


@dataclass(frozen=True, slots=True)
class AskReport:
    """``segment`` names a field of the observations to divide by; empty for none."""

    segment: str = ""


__all__ = ["AbReport", "AskReport", "DisagreementPage", "ListDisagreements", "Observe", "TakenIn"]
