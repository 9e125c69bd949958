"""What verbs answer with, where a record alone does not say it. All are values; faces draw them.

Sizes are bytes, times are seconds unless the name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.names import Stage
from budwood.domain.records import ModelRecord, Move, Tag, VersionRecord


@dataclass(frozen=True, slots=True)
class Pushed:
    """``created`` is False when the newest version already was exactly this. ``label_reason`` says why --bump
    chose the label it chose."""

    version: VersionRecord
    created: bool
    files: int
    logical_bytes: int
    new_raw_bytes: int
    stored_bytes: int
    seconds: float
    label_reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """``unchanged`` files were already there, bit for bit. ``cached_bytes`` of what was written came from the cache of
    this machine, and were not asked of the registry."""

    version: VersionRecord
    target: str
    files: int
    unchanged: int
    bytes_written: int
    seconds: float
    cached_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CachedRegistry:
    """What one registry brought to this machine and is still kept. ``used_ms``: the last time any of it was read."""

    name: str
    blocks: int
    bytes: int
    used_ms: int


@dataclass(frozen=True, slots=True)
class CacheState:
    """The cache of blocks of one user on one machine; ``limit_bytes`` 0 is none."""

    folder: str
    limit_bytes: int
    bytes: int
    registries: tuple[CachedRegistry, ...]


@dataclass(frozen=True, slots=True)
class CachePruned:
    """``removed_bytes`` went, and this is left."""

    removed_bytes: int
    state: CacheState


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Some versions and where to go on; ``cursor`` is empty at the end."""

    versions: tuple[VersionRecord, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of ``list``."""

    model: ModelRecord
    versions: int
    newest: VersionRecord | None
    pointers: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class VersionDetail:
    """One version with everything that stands beside it. ``short_of`` are the facts it lacked when it was pushed,
    by the standard that was in force; ``computed`` says what the registry proved that it is a function of."""

    version: VersionRecord
    aliases: tuple[str, ...]
    holds_stage: bool
    tags: tuple[Tag, ...]
    parents: tuple[VersionRecord, ...]
    children: tuple[VersionRecord, ...]
    stages: tuple[tuple[int, Stage], ...]
    short_of: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Computed:
    """A version, by its id, and what the registry proved that it is a function of."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Family:
    """A model's versions (newest first), the edges among them, where its pointers stand and how they moved, and what
    was computed from what."""

    model: ModelRecord
    versions: tuple[VersionRecord, ...]
    edges: tuple[tuple[int, int], ...]
    pointers: tuple[Move, ...]
    moves: tuple[Move, ...]
    computed: tuple[Computed, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A pointer's move: from where (None: it pointed nowhere) to where (None: it was taken away)."""

    pointer: str
    before: VersionRecord | None
    after: VersionRecord | None
    move: Move


@dataclass(frozen=True, slots=True)
class Problem:
    """Something ``verify`` found: ``versions`` are the references of every version it touches."""

    code: str
    detail: str
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """``problems`` is empty when all is well. ``mended`` were put right from a copy."""

    versions: int
    blocks: int
    packs: int
    bytes_read: int
    seconds: float
    problems: tuple[Problem, ...] = ()
    mended: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did, or would do. Condemned blocks wait out the grace before they are freed."""

    dry_run: bool
    condemned_blocks: int
    condemned_bytes: int
    freed_blocks: int
    freed_bytes: int
    deleted_packs: int = 0
    rewritten_packs: int = 0
    waiting_blocks: int = 0
    live_leases: int = 0


@dataclass(frozen=True, slots=True)
class SharedWith:
    """How many raw bytes of one model also are another's."""

    model: str
    other: str
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """One model's bytes: ``logical`` as pushed, ``own`` the encoded bytes that only its versions need."""

    model: str
    versions: int
    logical_bytes: int
    unique_bytes: int
    stored_bytes: int
    own_bytes: int


@dataclass(frozen=True, slots=True)
class GroupUsage:
    """The versions of one kind, or of one storage tier. A block counts for each group that needs it: ``own_bytes`` are
    of blocks that only this one needs."""

    name: str
    versions: int
    logical_bytes: int
    stored_bytes: int
    own_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What ``stats`` says. ``by_encoding`` maps an encoding's name to its stored bytes."""

    models: int
    versions: int
    blocks: int
    packs: int
    logical_bytes: int
    unique_bytes: int
    stored_bytes: int
    waste_bytes: int
    by_encoding: Mapping[str, int] = field(default_factory=dict)
    by_model: tuple[ModelUsage, ...] = ()
    shared: tuple[SharedWith, ...] = ()
    by_kind: tuple[GroupUsage, ...] = ()
    by_tier: tuple[GroupUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """One bundle file."""

    path: str
    versions: int
    blocks: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Imported:
    """``versions`` as they are known here; ``skipped`` were here before, bit for bit."""

    versions: tuple[VersionRecord, ...]
    skipped: tuple[VersionRecord, ...]
    new_blocks: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema of a catalog: the revision it has, had before an upgrade (both empty for none), and could have."""

    place: str
    before: str
    revision: str
    newest: str


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup. ``copied_packs`` were not in an earlier one at the same place."""

    path: str
    versions: int
    packs: int
    copied_packs: int
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Restored:
    """A registry made from a backup, every byte of which was verified first."""

    place: str
    made_ms: int
    versions: int
    packs: int
    size: int
    seconds: float
