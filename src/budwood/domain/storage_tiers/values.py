"""Storage tiers: what a policy says, where a version stands, and the rule that decides where it belongs.

Hot is whole: every block by itself, near at hand. Warm is small: differences from other versions, near at hand. Cold is
smallest, and in the cold store where there is one. Only bytes move; what a version is made of never changes. Times are
milliseconds since the epoch, UTC; 0 where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from budwood.domain.names import Kind, Stage
from budwood.domain.records import VersionRecord

SECOND_MS: Final = 1000
GB: Final = 1_000_000_000
MONTH_MS: Final = 30 * 86_400_000


class StorageTier(StrEnum):
    """From the quickest to the cheapest."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class Arrival(StrEnum):
    """How a push writes: as small as it gets; each block by itself; or as it is, as fast as the disk takes it."""

    SMALL = "small"
    QUICK = "quick"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class TierRule:
    """The tier of every version that is of one of the kinds, in one of the stages, of a model that matches, at least so
    old, and not pulled for so long. What is left empty matches all."""

    tier: StorageTier
    stages: tuple[Stage, ...] = ()
    kinds: tuple[Kind, ...] = ()
    models: tuple[str, ...] = ()
    age_s: int = 0
    unused_s: int = 0

    def fits(self, version: VersionRecord, used_ms: int, now_ms: int) -> bool:
        """``used_ms`` is when it was last pulled, or else pushed."""
        if self.stages and version.stage not in self.stages:
            return False
        if self.kinds and version.kind not in self.kinds:
            return False
        if self.models and not any(fnmatchcase(version.model, pattern) for pattern in self.models):
            return False
        is_old = now_ms - version.created_ms >= self.age_s * SECOND_MS
        return is_old and now_ms - used_ms >= self.unused_s * SECOND_MS

    @property
    def words(self) -> str:
        """What it matches, as people say it."""
        parts = [
            *([f"stages {', '.join(self.stages)}"] if self.stages else []),
            *([f"kinds {', '.join(self.kinds)}"] if self.kinds else []),
            *([f"models {', '.join(self.models)}"] if self.models else []),
            *([f"older than {_lasting(self.age_s)}"] if self.age_s else []),
            *([f"not pulled for {_lasting(self.unused_s)}"] if self.unused_s else []),
        ]
        return "; ".join(parts) or "every version"


@dataclass(frozen=True, slots=True)
class Price:
    """Of one tier: a gigabyte kept for a month, and a gigabyte read."""

    stored: float = 0.0
    read: float = 0.0


@dataclass(frozen=True, slots=True)
class Prices:
    """By tier, in one currency."""

    currency: str = "USD"
    hot: Price = Price()
    warm: Price = Price()
    cold: Price = Price()

    def of(self, tier: StorageTier) -> Price:
        """The price of one tier."""
        return {StorageTier.HOT: self.hot, StorageTier.WARM: self.warm, StorageTier.COLD: self.cold}[tier]


USUAL_PRICES: Final = Prices(hot=Price(0.023), warm=Price(0.023), cold=Price(0.004, 0.01))
"""About what object stores ask at the end of 2026 for their standard class, and for one that is seldom read."""


@dataclass(frozen=True, slots=True)
class Tiering:
    """What a namespace says: the first rule that matches counts. ``push`` None: as settings say."""

    rules: tuple[TierRule, ...] = ()
    push: Arrival | None = None
    prices: Prices = USUAL_PRICES


@dataclass(frozen=True, slots=True)
class TieringRecord:
    """One edition of a namespace's policy, as it was written. The newest is in force; an empty text is none."""

    namespace: str
    number: int
    text: str
    author: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class TierState:
    """The tier that a version was last brought to. Without one it lies as it was pushed."""

    version_id: int
    tier: StorageTier
    at_ms: int


@dataclass(frozen=True, slots=True)
class VersionUse:
    """How often a version was pulled since somebody began to count, and when last."""

    version_id: int
    times: int
    since_ms: int
    last_ms: int

    def a_month(self, now_ms: int) -> float:
        """Pulls in thirty days, at the rate so far; the first days count as a whole month."""
        return self.times * MONTH_MS / max(MONTH_MS, now_ms - self.since_ms)


@dataclass(frozen=True, slots=True)
class TierStanding:
    """All that is looked at to place one version. ``pointers`` are what people rely on that points at it; ``holds`` the
    numbers of holds on it; ``is_in`` None: as it was pushed."""

    version: VersionRecord
    tiering: Tiering | None
    is_in: StorageTier | None = None
    pointers: tuple[str, ...] = ()
    holds: tuple[int, ...] = ()
    used_ms: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a version is and where it belongs. ``to`` None: it stays as it is. ``why`` says by what."""

    reference: str
    namespace: str
    model: str
    number: int
    kind: Kind
    stage: Stage
    size_bytes: int
    is_in: StorageTier | None
    to: StorageTier | None
    why: str

    @property
    def moves(self) -> bool:
        """Whether it is to be brought elsewhere."""
        return self.to is not None and self.to is not self.is_in


def place(standing: TierStanding, now_ms: int) -> Placed:
    """Where a version belongs now: a hold stops everything, what serves stays whole, then the first rule counts."""
    version = standing.version
    to, why = _belongs(standing, now_ms)
    return Placed(
        reference=version.reference,
        namespace=version.namespace,
        model=version.model,
        number=version.number,
        kind=version.kind,
        stage=version.stage,
        size_bytes=version.size_bytes,
        is_in=standing.is_in,
        to=to,
        why=why,
    )


def _belongs(standing: TierStanding, now_ms: int) -> tuple[StorageTier | None, str]:
    version, tiering = standing.version, standing.tiering
    if tiering is None:
        return None, "no policy"
    if version.gone_ms:
        return None, "its bytes were let go"
    if standing.holds:
        return None, f"under hold {', '.join(map(str, standing.holds))}"
    if standing.pointers:
        return StorageTier.HOT, f"serves: {', '.join(standing.pointers)}"
    used_ms = max(version.created_ms, standing.used_ms)
    for rule in tiering.rules:
        if rule.fits(version, used_ms, now_ms):
            return rule.tier, f"rule: {rule.words}"
    return None, "no rule matches"


@dataclass(frozen=True, slots=True)
class TierPlan:
    """What a run would do now. ``bytes`` are stored bytes of blocks that would be written anew; ``kept`` of those that
    stay because another version needs them where they are. ``worker`` holds the lease, if any."""

    rows: tuple[Placed, ...]
    stored_bytes: int = 0
    kept_bytes: int = 0
    raw_bytes: int = 0
    has_cold_store: bool = False
    paused: str = ""
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """A version that was brought to a tier: its blocks written anew, and their stored bytes before and after."""

    reference: str
    was: StorageTier | None
    tier: StorageTier
    blocks: int
    bytes_before: int
    bytes_after: int


TIME_OVER: Final = "its time was over"


@dataclass(frozen=True, slots=True)
class TierRun:
    """What a run came to. ``left`` versions wait; ``stopped`` says why it ended before them: paused, or TIME_OVER.
    ``printed`` versions got the prints by which copies of them are found."""

    versions: tuple[Brought, ...]
    left: int = 0
    stopped: str = ""
    seconds: float = 0.0
    printed: int = 0

    @property
    def saved_bytes(self) -> int:
        """What it took less than before, once a sweep has been; negative when versions were made whole."""
        return sum(each.bytes_before - each.bytes_after for each in self.versions)


@dataclass(frozen=True, slots=True)
class VersionCost:
    """What one version costs a month. Bytes that versions share are divided among them; ``reads`` are pulls a month."""

    reference: str
    tier: StorageTier
    kind: Kind
    size_bytes: int
    stored_bytes: float
    reads: float
    stored_cost: float
    read_cost: float

    @property
    def total(self) -> float:
        """Of both."""
        return self.stored_cost + self.read_cost


@dataclass(frozen=True, slots=True)
class Costs:
    """The versions of a namespace, dearest first."""

    namespace: str
    currency: str
    rows: tuple[VersionCost, ...]
    by_tier: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """A month, of all."""
        return sum(row.total for row in self.rows)


def _lasting(seconds: int) -> str:
    for word, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{word}"
    return f"{seconds}s"
