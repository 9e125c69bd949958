"""What a namespace holds its versions to: which facts each stage asks for, and across which edges lineage may lead.

A standard is a YAML document, kept as it was written; ``read_standard`` takes its plain values. What a stage asks for,
every later one does too. A push that falls short is refused, or marked; a stage whose facts are missing is not entered
either way. ``lineage`` names the namespaces whose versions may be parents here (``from``) and those whose versions may
descend from here (``to``); an edge needs both sides, and who says nothing allows nothing.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from budwood.domain.canon import dumps
from budwood.domain.document import Reader, near, said
from budwood.domain.fields import FIELDS, is_field
from budwood.domain.limits import KEY_CHARS, NAME_CHARS, STANDARD_FIELDS
from budwood.domain.names import Kind, Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.errors import BadStandard

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "MetadataStandard"
ASKING: Final = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)
"""In this order; whatever a version lacks, it may be archived."""
_READ: Final = Reader(BadStandard, items=STANDARD_FIELDS)


class FallsShort(StrEnum):
    """What becomes of a push that lacks what development asks for."""

    REFUSE = "refuse"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Standard:
    """``digest`` is that of the document. ``models`` are patterns of names."""

    requires: Mapping[Stage, tuple[str, ...]] = field(default_factory=dict)
    falls_short: FallsShort = FallsShort.REFUSE
    kinds: tuple[Kind, ...] = (Kind.MODEL, Kind.ADAPTER)
    models: tuple[str, ...] = ("*",)
    parents_from: tuple[str, ...] = ()
    descend_to: tuple[str, ...] = ()
    digest: str = ""

    def asks(self, stage: Stage, kind: Kind, model: str) -> tuple[str, ...]:
        """The fields a version of that model must have to be in the stage, each once."""
        if kind not in self.kinds or not matches(model, self.models) or stage not in ASKING:
            return ()
        upto = ASKING[: ASKING.index(stage) + 1]
        return tuple(dict.fromkeys(name for each in upto for name in self.requires.get(each, ())))


@dataclass(frozen=True, slots=True)
class StandardRecord:
    """One edition of a namespace's standard. ``removed_ms`` is 0 unless it was taken out of force."""

    id: int
    namespace: str
    number: int
    digest: str
    text: str
    author: str
    created_ms: int
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Birth:
    """What the catalog remembers of a version's facts: which fields it has, and those it fell short of when it was
    pushed, by the edition of the standard that was in force (0: none was)."""

    fields: tuple[str, ...]
    short_of: tuple[str, ...] = ()
    standard: int = 0


def lacking(asked: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Those that are asked for and not known."""
    have = frozenset(known)
    return tuple(name for name in asked if name not in have)


def fields_shown(evidence: Sequence[Evidence]) -> frozenset[str]:
    """The fields that evidence gives which came after birth: metrics of evaluations, and audits of fairness."""
    found = set()
    for each in evidence:
        if each.kind is EvidenceKind.EVALUATION and each.metrics and each.outcome is not Outcome.FAILED:
            found |= {"metrics", *(f"metrics.{name}" for name in each.metrics)}
        if each.kind is EvidenceKind.FAIRNESS:
            found |= {"fairness", *(f"fairness.{name}" for name in each.metrics)}
    return frozenset(found)


def edge_refusal(parent: Standard | None, parent_room: str, child: Standard | None, child_room: str) -> str:
    """Which side does not let a version of one namespace descend from one of another; empty when both do."""
    if parent_room == child_room:
        return ""
    if parent is None or not matches(child_room, parent.descend_to):
        return parent_room
    return "" if child is not None and matches(parent_room, child.parents_from) else child_room


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is the name, with ``*`` for anything."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def read_standard(document: object) -> Standard:
    """The standard a document holds, with its digest. Raises BadStandard, naming the field and the fix."""
    top = _READ.head(document, API_VERSION, KIND)
    spec = _READ.fields(top["spec"], "spec", optional=("requires", "fallsShort", "kinds", "models", "lineage"))
    lineage = _READ.fields(spec.get("lineage", {}), "spec.lineage", optional=("from", "to"))
    standard = Standard(
        requires=_requires(spec.get("requires", {})),
        falls_short=_READ.word(FallsShort)(spec.get("fallsShort", FallsShort.REFUSE), "spec.fallsShort"),
        kinds=_READ.distinct(spec, "kinds", "spec", _READ.word(Kind)) or Standard().kinds,
        models=_READ.distinct(spec, "models", "spec", _READ.pattern) or ("*",),
        parents_from=_READ.distinct(lineage, "from", "spec.lineage", _READ.pattern),
        descend_to=_READ.distinct(lineage, "to", "spec.lineage", _READ.pattern),
    )
    if not (standard.requires or standard.parents_from or standard.descend_to):
        _READ.bad("spec", "asks for nothing and allows nothing", "Give requires, or lineage.")
    return replace(standard, digest=hashlib.sha256(dumps(_READ.plain(document))).hexdigest())


def _requires(value: object) -> Mapping[Stage, tuple[str, ...]]:
    at = "spec.requires"
    given = _READ.fields(value, at, optional=tuple(str(stage) for stage in ASKING))
    return {Stage(stage): _READ.distinct(given, stage, at, _field) for stage in given}


def _field(value: object, at: str) -> str:
    if not isinstance(value, str) or len(value) > KEY_CHARS + NAME_CHARS or not is_field(value):
        close = near(value, tuple(FIELDS)) if isinstance(value, str) else ""
        _READ.bad(at, f"is {said(value)}, which is no field", close or f"Fields are {', '.join(FIELDS)}; metrics.NAME.")
    return value
