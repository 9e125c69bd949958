"""What a namespace holds its versions to: which facts each stage asks for, and across which edges lineage may lead.

A standard is a YAML document, kept as it was written; ``read_standard`` takes its plain values. What a stage asks for,
every later one does too. A push that falls short is refused, or marked; a stage whose facts are missing is not entered
either way. ``lineage`` names the namespaces whose versions may be parents here (``from``) and those whose versions may
descend from here (``to``); an edge needs both sides, and who says nothing allows nothing.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, NoReturn, TypeVar

from budwood.domain.canon import dumps
from budwood.domain.fields import FIELDS, is_field
from budwood.domain.limits import KEY_CHARS, NAME_CHARS, STANDARD_FIELDS
from budwood.domain.names import Kind, Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.errors import BadStandard

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "MetadataStandard"
ASKING: Final = (Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION)
"""In this order; whatever a version lacks, it may be archived."""
_PATTERN: Final = re.compile(r"[a-z0-9*?][a-z0-9._*?-]*")
T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


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
    top = _fields(document, "", required=("apiVersion", "kind", "spec"), optional=("metadata",))
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if top[name] != wanted:
            _bad(name, f"is {_said(top[name])}", f"Write {name}: {wanted}.")
    _fields(top.get("metadata", {}), "metadata", optional=("name", "labels", "annotations"))
    spec = _fields(top["spec"], "spec", optional=("requires", "fallsShort", "kinds", "models", "lineage"))
    lineage = _fields(spec.get("lineage", {}), "spec.lineage", optional=("from", "to"))
    standard = Standard(
        requires=_requires(spec.get("requires", {})),
        falls_short=_word(FallsShort)(spec.get("fallsShort", FallsShort.REFUSE), "spec.fallsShort"),
        kinds=tuple(_each(spec, "kinds", "spec", _word(Kind))) or Standard().kinds,
        models=tuple(_each(spec, "models", "spec", _pattern)) or ("*",),
        parents_from=tuple(_each(lineage, "from", "spec.lineage", _pattern)),
        descend_to=tuple(_each(lineage, "to", "spec.lineage", _pattern)),
    )
    if not (standard.requires or standard.parents_from or standard.descend_to):
        _bad("spec", "asks for nothing and allows nothing", "Give requires, or lineage.")
    return replace(standard, digest=hashlib.sha256(dumps(_plain(document))).hexdigest())


def _requires(value: object) -> Mapping[Stage, tuple[str, ...]]:
    at = "spec.requires"
    given = _fields(value, at, optional=tuple(str(stage) for stage in ASKING))
    return {Stage(stage): tuple(_each(given, stage, at, _field)) for stage in given}


def _field(value: object, at: str) -> str:
    if not isinstance(value, str) or len(value) > KEY_CHARS + NAME_CHARS or not is_field(value):
        near = _near(value, tuple(FIELDS)) if isinstance(value, str) else ""
        _bad(at, f"is {_said(value)}, which is no field", near or f"Fields are {', '.join(FIELDS)}; metrics.NAME.")
    return value


def _pattern(value: object, at: str) -> str:
    if not isinstance(value, str) or len(value) > NAME_CHARS or not _PATTERN.fullmatch(value):
        _bad(at, f"is {_said(value)}", "A name, in which * stands for anything: fraud-*.")
    return value


def _word(kind: type[Word]) -> Callable[[object, str], Word]:
    words = [str(word) for word in kind]

    def read(value: object, at: str) -> Word:
        if not isinstance(value, str) or value not in words:
            near = _near(value, words) if isinstance(value, str) else ""
            _bad(at, f"is {_said(value)}", near or f"It is one of {', '.join(words)}.")
        return kind(value)

    return read


def _fields(value: object, at: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> Mapping[str, Any]:
    """A mapping with these fields and no others."""
    known = (*required, *optional)
    if not isinstance(value, Mapping):
        _bad(at or "The document", f"is {_said(value)} and not a mapping", f"Give it {', '.join(known)}.")
    for name in value:
        if name not in known:
            near = _near(name, known) if isinstance(name, str) else ""
            where = f"{at}.{name}" if at else str(name)
            _bad(where[:200], "is not known here", near or f"Known are {', '.join(known)}.")
    for name in required:
        if name not in value:
            _bad(f"{at}.{name}" if at else name, "is missing", f"Give {name}.")
    return value


def _each(given: Mapping[str, Any], name: str, at: str, read: Callable[[object, str], T]) -> list[T]:
    """A list of the field's values; none when it is not given."""
    value, where = given.get(name, []), f"{at}.{name}"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        _bad(where, f"is {_said(value)} and not a list", f"Write a list: {name}: [...].")
    if len(value) > STANDARD_FIELDS:
        _bad(where, f"has {len(value)} entries", f"At most {STANDARD_FIELDS} are allowed.")
    if name in given and not value:
        _bad(where, "is an empty list", "Name at least one, or leave the field out.")
    found = [read(each, f"{where}[{number}]") for number, each in enumerate(value)]
    if len(set(found)) < len(found):
        _bad(where, "names something twice", "Name each once.")
    return found


def _plain(value: object) -> Any:
    """The document with mappings by text keys only; dates and such are no plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        _bad("The document", "holds a number that is none", "Leave it out.")
    if value is not None and not isinstance(value, bool | int | float | str):
        _bad("The document", f"holds {_said(value)}", "Write dates and such in quotes.")
    return value


def _near(text: str, known: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(text[:80], known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""


def _said(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    return repr(value)[:80] if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"


def _bad(at: str, what: str, fix: str) -> NoReturn:
    raise BadStandard(f"{at} {what}.", hint=fix, field=at)
