"""How long the bytes of a version are kept, and what a legal hold covers: values, and the rules that decide.

A class is a least time. Of several that apply to one version the longest counts, so that saying more never shortens.
Retention speaks of bytes only: a version's record, facts, evidence, lineage and ledger stay for ever. Times are
milliseconds since the epoch, UTC; 0 where there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from budwood.domain.moment import DAY_MS
from budwood.domain.names import Kind, Stage
from budwood.domain.records import VersionRecord, model_path

YEAR_DAYS: Final = 366
"""Never shorter than a year of the calendar."""


class Clock(StrEnum):
    """From when the time runs: since the version was pushed, or since it last left a pointer that serves."""

    BIRTH = "birth"
    LAST_RELEASE = "last-release"


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """``keep_days`` 0 is for ever."""

    name: str
    keep_days: int
    clock: Clock = Clock.BIRTH

    def until(self, since_ms: int) -> int:
        """The moment the bytes may go; 0 for never."""
        return since_ms + self.keep_days * DAY_MS if self.keep_days else 0

    def covers(self, other: "RetentionClass") -> bool:
        """Whether it keeps every version at least as long as the other does."""
        if not self.keep_days:
            return True
        if not other.keep_days or other.keep_days > self.keep_days:
            return False
        return self.clock is Clock.LAST_RELEASE or other.clock is Clock.BIRTH


FOREVER: Final = RetentionClass("forever", 0)
REGULATORY: Final = RetentionClass("regulatory", 10 * YEAR_DAYS, Clock.LAST_RELEASE)
BUILT_IN: Final = (FOREVER, REGULATORY)


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The class of every version whose model matches, of one of the kinds, that is or ever was in one of the stages.
    What is left empty matches all."""

    name: str
    stages: tuple[Stage, ...] = ()
    kinds: tuple[Kind, ...] = ()
    models: tuple[str, ...] = ()

    def fits(self, version: VersionRecord, been: frozenset[Stage]) -> bool:
        if self.kinds and version.kind not in self.kinds:
            return False
        if self.models and not any(fnmatchcase(version.model, pattern) for pattern in self.models):
            return False
        return not self.stages or bool(been & frozenset(self.stages))

    @property
    def words(self) -> str:
        """What it matches, as people say it."""
        parts = [
            *([f"stages {', '.join(self.stages)}"] if self.stages else []),
            *([f"kinds {', '.join(self.kinds)}"] if self.kinds else []),
            *([f"models {', '.join(self.models)}"] if self.models else []),
        ]
        return "; ".join(parts) or "every version"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a namespace says: classes of its own, rules, and the class of what no rule matches ("" for none)."""

    classes: tuple[RetentionClass, ...] = ()
    rules: tuple[RetentionRule, ...] = ()
    default: str = ""

    def named(self, name: str) -> RetentionClass | None:
        return next((each for each in (*BUILT_IN, *self.classes) if each.name == name), None)

    def covers(self, before: "Rules") -> bool:
        """Whether no version is kept for a shorter time than ``before``, whatever else is said of it."""
        for old in before.classes:
            new = self.named(old.name)
            if new is None or not new.covers(old):
                return False
        if not all(self._has(rule) for rule in before.rules):
            return False
        fallback = before.named(before.default)
        if fallback is None:
            return True
        # A rule takes the place of the default where nothing else applied.
        instead = [self.named(self.default), *(self.named(rule.name) for rule in self.rules if not before._has(rule))]
        return all(each is not None and each.covers(fallback) for each in instead)

    def _has(self, rule: RetentionRule) -> bool:
        return rule in self.rules


NO_RULES: Final = Rules()


@dataclass(frozen=True, slots=True)
class RulesRecord:
    """One edition of a namespace's rules, as they were written. The newest is in force."""

    namespace: str
    number: int
    text: str
    author: str
    at_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClassSaid:
    """The class that somebody gave a model (``version_id`` 0) or one of its versions."""

    model_id: int
    version_id: int
    name: str
    author: str
    at_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A time during which a pointer pointed at a version. ``until_ms`` 0: it still does."""

    pointer: str
    from_ms: int
    until_ms: int
    author: str

    @property
    def serves(self) -> bool:
        """Whether people rely on such a pointer: an alias, or production."""
        return not self.pointer.startswith("stage:") or self.pointer == f"stage:{Stage.PRODUCTION}"


@dataclass(frozen=True, slots=True)
class Gone:
    """That a version's bytes were let go: when, by whom, and by which class, which the rules or somebody said."""

    at_ms: int
    author: str
    name: str
    why: str
    since_ms: int
    until_ms: int


class Scope(StrEnum):
    """What a hold covers: all of a namespace or model, what comes later too; one version; or what a search found."""

    NAMESPACE = "namespace"
    MODEL = "model"
    VERSION = "version"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold. ``subject`` says what it covers, as it was asked for; ``versions`` counts those a search found, or
    one. ``reference`` is the matter it belongs to."""

    id: int
    namespace: str
    scope: Scope
    subject: str
    reason: str
    reference: str
    author: str
    placed_ms: int
    model_id: int = 0
    versions: int = 0
    lifted_ms: int = 0
    lifted_by: str = ""
    lifted_reason: str = ""

    @property
    def name(self) -> str:
        """As refusals name it."""
        return f"hold {self.id} ({self.reference})"


class KeepState(StrEnum):
    """Where a version's bytes stand. Only ``DUE`` may go."""

    UNCLASSED = "unclassed"
    FOREVER = "forever"
    SERVING = "serving"
    HELD = "held"
    KEPT = "kept"
    DUE = "due"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long the bytes of one version are kept, and why. ``why`` says where the class comes from; ``serving`` are
    pointers that point at it now; ``holds`` the numbers of holds on it."""

    reference: str
    namespace: str
    model: str
    number: int
    state: KeepState
    size_bytes: int
    name: str = ""
    why: str = ""
    since_ms: int = 0
    until_ms: int = 0
    serving: tuple[str, ...] = ()
    holds: tuple[int, ...] = ()
    gone: Gone | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is looked at to judge one version. ``said`` are classes given to it or its model; ``pointers`` what
    sends people to it now: aliases, stages, endpoints; ``been`` every stage it was in; ``left_production_ms`` when it
    last left production or an endpoint."""

    version: VersionRecord
    rules: Rules
    said: tuple[ClassSaid, ...] = ()
    services: tuple[Service, ...] = ()
    pointers: tuple[str, ...] = ()
    been: frozenset[Stage] = frozenset()
    left_production_ms: int = 0
    holds: tuple[Hold, ...] = ()
    gone: Gone | None = None


@dataclass(frozen=True, slots=True)
class _Applied:
    kept: RetentionClass
    why: str


def judge(standing: Standing, now_ms: int) -> Keeping:
    """What is to become of a version's bytes now."""
    version = standing.version
    applied = _longest(standing)
    since = _since(standing, applied.kept) if applied else 0
    until = applied.kept.until(since) if applied else 0
    return Keeping(
        reference=f"{model_path(version.namespace, version.model)}@v{version.number}",
        namespace=version.namespace,
        model=version.model,
        number=version.number,
        state=_state(standing, applied, until, now_ms),
        size_bytes=version.size_bytes,
        name=applied.kept.name if applied else "",
        why=applied.why if applied else "",
        since_ms=since,
        until_ms=until,
        serving=tuple(pointer.removeprefix("stage:") for pointer in standing.pointers),
        holds=tuple(hold.id for hold in standing.holds),
        gone=standing.gone,
    )


def _state(standing: Standing, applied: _Applied | None, until_ms: int, now_ms: int) -> KeepState:
    if standing.gone is not None:
        return KeepState.GONE
    if standing.holds:
        return KeepState.HELD
    if standing.pointers:
        return KeepState.SERVING
    if applied is None:
        return KeepState.UNCLASSED
    if not applied.kept.keep_days:
        return KeepState.FOREVER
    return KeepState.DUE if until_ms <= now_ms else KeepState.KEPT


def _longest(standing: Standing) -> _Applied | None:
    """The class that keeps it longest, of all that apply; the default where none does."""
    rules = standing.rules
    found = [(said.name, _said_by(said)) for said in standing.said]
    found += [(rule.name, f"rule: {rule.words}") for rule in rules.rules if rule.fits(standing.version, standing.been)]
    found = found or ([(rules.default, "the namespace's default")] if rules.default else [])
    # A class that is gone from the rules keeps for ever: nobody said how long.
    applied = [_Applied(rules.named(name) or RetentionClass(name, 0), why) for name, why in found]
    return max(applied, key=lambda each: _weight(standing, each.kept), default=None)


def _said_by(said: ClassSaid) -> str:
    whom = "version" if said.version_id else "model"
    return f"said of the {whom} by {said.author}"


def _weight(standing: Standing, kept: RetentionClass) -> int:
    return kept.until(_since(standing, kept)) or 1 << 62


def _since(standing: Standing, kept: RetentionClass) -> int:
    """When the class's clock began. While something serves it has not begun; then now counts, and nothing is due."""
    born = standing.version.created_ms
    if kept.clock is Clock.BIRTH:
        return born
    ended = [service.until_ms for service in standing.services if service.serves]
    return max(born, standing.left_production_ms, *ended)


@dataclass(frozen=True, slots=True)
class DueNow:
    """Some of what may go. ``cursor`` is empty at the end."""

    rows: tuple[Keeping, ...]
    cursor: int = 0


@dataclass(frozen=True, slots=True)
class LetGo:
    """Versions whose bytes were let go just now: a sweep frees what no other version needs, after its grace."""

    rows: tuple[Keeping, ...] = field(default=())

    @property
    def size_bytes(self) -> int:
        return sum(row.size_bytes for row in self.rows)


def gone_text(gone: Gone) -> str:
    """By whose word the bytes went."""
    return f"class {gone.name}, {gone.why}; let go by {gone.author}"


def at_least(classes: Sequence[RetentionClass], new: RetentionClass) -> bool:
    """Whether ``new`` keeps at least as long as each of them."""
    return all(new.covers(each) for each in classes)
