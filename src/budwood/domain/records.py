"""The records the catalog keeps: models, versions, moves of aliases and stages, tags, ledger entries.

They are values; what changes is which of them the catalog answers with. Times are milliseconds since
the epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from budwood.domain.canon import Json
from budwood.domain.manifest import BlockId
from budwood.domain.names import DEFAULT_NAMESPACE, Kind, Stage


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A name under which versions are kept. ``last_number`` counts every version ever made, deleted ones too."""

    id: int
    namespace: str
    name: str
    kind: Kind
    owner: str
    created_ms: int
    last_number: int = 0

    @property
    def path(self) -> str:
        """The name people type: the default namespace is left out."""
        return model_path(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One immutable version, its place in the catalog, and where it stands now (stage, retired, whether its bytes were
    let go and by whose word)."""

    id: int
    model_id: int
    namespace: str
    model: str
    number: int
    digest: str
    label: str
    kind: Kind
    stage: Stage
    author: str
    created_ms: int
    size_bytes: int
    manifest_size: int
    manifest_blocks: tuple[BlockId, ...]
    structure: str = ""
    sketch: BlockId = b""
    commit: str = ""
    message: str = ""
    retired_ms: int = 0
    retired_reason: str = ""
    gone_ms: int = 0
    gone_reason: str = ""

    @property
    def reference(self) -> str:
        """How a person names it: by label where it has one, else by number."""
        return f"{model_path(self.namespace, self.model)}@{self.label or f'v{self.number}'}"


class MoveReason(StrEnum):
    """Why a pointer moved."""

    SET = "set"
    PAST_GATES = "past-gates"
    ROLLED_BACK = "rolled-back"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Move:
    """One step in the history of an alias or stage.

    ``version_number`` is 0 where the pointer was taken away. ``before`` is the move that was in force when
    this one was first set; a roll-back copies it from the move it returns to, so that rolling back twice
    goes two steps back and never swings between two versions.
    """

    id: int
    model_id: int
    pointer: str
    version_id: int
    version_number: int
    at_ms: int
    author: str
    reason: MoveReason
    before: int = 0


@dataclass(frozen=True, slots=True)
class Tag:
    """A remark put beside a version after its birth."""

    key: str
    value: str
    author: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One change of state. ``body`` holds plain values; ``action`` reads noun.verb (version.pushed)."""

    sequence: int
    at_ms: int
    actor: str
    action: str
    subject: str
    body: Mapping[str, Json] = field(default_factory=dict)
    namespace: str = ""


def model_path(namespace: str, name: str) -> str:
    """``name`` in the default namespace, ``namespace/name`` elsewhere."""
    return name if namespace == DEFAULT_NAMESPACE else f"{namespace}/{name}"


def stage_pointer(stage: Stage) -> str:
    """The pointer under which a stage's moves are kept; the colon keeps it apart from every alias."""
    return f"stage:{stage}"
