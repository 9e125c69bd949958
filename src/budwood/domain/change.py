"""What changed between two versions, as values; compare.py finds it, bump.py judges it, summary.py says it.

Every value packs to JSON (canon.pack). In what is measured, None means: not measured, or not measurable.
Shares and relative L2 are fractions, not per cent.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from budwood.domain.canon import Json
from budwood.domain.facts import Field
from budwood.domain.label import Level


class What(StrEnum):
    """What happened to one thing. LEFT_OUT stands for further changes: ``after`` says how many."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    LEFT_OUT = "left-out"


@dataclass(frozen=True, slots=True)
class FileMove:
    """The same content under another path."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Paths. ``learned`` are those of them whose change is more than settings or notes, though no tensor shows it:
    pickles, engines, vocabularies."""

    equal: int = 0
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[FileMove, ...] = ()
    learned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorChange:
    """Other values, same dtype and shape. ``relative_l2`` is the norm of the difference by the norm before."""

    name: str
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    relative_l2: float | None = None
    changed_share: float | None = None


@dataclass(frozen=True, slots=True)
class TensorHeld:
    """A tensor only one of the versions has."""

    name: str
    dtype: str = ""
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class TensorRenamed:
    """The same values under another name."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TensorReshaped:
    """``appended_rows`` is set when the rows before are all there, unchanged, and more follow."""

    name: str
    dtype: str
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None
    appended_rows: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class TensorRetyped:
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TensorChanges:
    """Tensors are matched by name across all files. ``relative_l2`` is over all measured tensors together."""

    before: int = 0
    after: int = 0
    equal: int = 0
    changed: tuple[TensorChange, ...] = ()
    added: tuple[TensorHeld, ...] = ()
    removed: tuple[TensorHeld, ...] = ()
    renamed: tuple[TensorRenamed, ...] = ()
    reshaped: tuple[TensorReshaped, ...] = ()
    retyped: tuple[TensorRetyped, ...] = ()
    relative_l2: float | None = None


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """``side`` is input or output. ``breaks`` when who calls the old version may fail with the new one."""

    side: str
    name: str
    what: What
    before: Field | None = None
    after: Field | None = None
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One place in one settings file: ``key`` is like ``architectures[0]``, empty for the whole file."""

    file: str
    key: str
    what: What
    before: Json = None
    after: Json = None


@dataclass(frozen=True, slots=True)
class TextChange:
    """A named text; empty is: not there."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A named number; ``difference`` only where both are known."""

    name: str
    before: float | None = None
    after: float | None = None
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentChange:
    """``surroundings`` are python, platform and lock; an unknown environment is no change."""

    surroundings: tuple[TextChange, ...] = ()
    packages: tuple[TextChange, ...] = ()


@dataclass(frozen=True, slots=True)
class NamesChange:
    """Names in a list, without order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeChange:
    """Commits; ``dirty`` when the newer push was made from a work tree with changes of its own."""

    before: str = ""
    after: str = ""
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """How far the label should move, and why; the first reasons decided."""

    level: Level
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that changed. ``identity`` holds kind, architecture and base_model where they differ; ``computed``
    says what the registry proved of the two: that one is a function of the other."""

    before: str
    after: str
    files: FileChanges = field(default_factory=FileChanges)
    tensors: TensorChanges = field(default_factory=TensorChanges)
    identity: tuple[TextChange, ...] = ()
    schema: tuple[SchemaChange, ...] = ()
    config: tuple[ConfigChange, ...] = ()
    adapter: tuple[ConfigChange, ...] = ()
    environment: EnvironmentChange = field(default_factory=EnvironmentChange)
    datasets: NamesChange = field(default_factory=NamesChange)
    code: CodeChange | None = None
    metrics: tuple[NumberChange, ...] = ()
    params: tuple[TextChange, ...] = ()
    bump: Suggestion = Suggestion(Level.NONE)
    summary: str = ""
    computed: str = ""
