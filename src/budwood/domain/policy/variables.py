"""The variables an expression of a policy sees: plain values with every known field present.

What is not known is null, "", or empty. Null is what a comparison fails on, so whatever could let through by being
small or false (``parameters``, ``code.dirty``) is null and not 0 or false while nobody knows it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from budwood.domain.canon import Json, pack
from budwood.domain.facts import Facts
from budwood.domain.policy.case import Case
from budwood.domain.policy.evidence import Evidence

VARIABLES: Final = ("facts", "version", "evidence", "champion", "target")
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class About:
    """What names the version, and the pointer it is to be put under: an alias, or ``stage:NAME``."""

    label: str
    number: int
    stage: str
    author: str
    size_bytes: int
    target: str


def variables_of(case: Case, about: About) -> dict[str, Json]:
    """By the names in ``VARIABLES``."""
    created_ms = case.facts.created_ms
    return {
        "facts": facts_of(case.facts),
        "version": {
            "label": about.label,
            "number": about.number,
            "stage": about.stage,
            "author": about.author,
            "size_bytes": about.size_bytes,
            "age_days": _days(created_ms, case.now_ms) if created_ms else None,
        },
        "evidence": [_of_evidence(each, case.now_ms) for each in case.evidence],
        "champion": case.champion is not None,
        "target": about.target,
    }


def facts_of(facts: Facts) -> Json:
    """Every field of the facts; a number that says "not known" by being 0 is null."""
    return _whole(facts)


def _of_evidence(evidence: Evidence, now_ms: int) -> Json:
    return {
        "kind": str(evidence.kind),
        "author": evidence.author,
        "roles": list(evidence.roles),
        "age_days": _days(evidence.at_ms, now_ms),
        "outcome": str(evidence.outcome),
        "metrics": pack(evidence.metrics),
        "intervals": pack(evidence.intervals),
        "dataset": evidence.dataset,
        "samples": evidence.samples,
        "summary": evidence.summary,
        "details": pack(evidence.details),
        "files": [each.name for each in evidence.files],
        "digest": evidence.digest,
    }


def _days(since_ms: int, now_ms: int) -> float:
    return (now_ms - since_ms) / _DAY_MS


def _whole(value: Any) -> Json:
    if dataclasses.is_dataclass(value):
        return {field.name: _field(field, getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(key): _whole(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_whole(each) for each in value]
    return pack(value)


def _field(field: "dataclasses.Field[Any]", value: Any) -> Json:
    unknown = value == 0 and type(value) is int and field.default == 0
    return None if unknown else _whole(value)
