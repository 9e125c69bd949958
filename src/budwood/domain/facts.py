"""What is known about a version at its birth: declared by the person who pushed, or captured by Budwood.

Facts are part of the manifest and never change. What cannot be captured is left empty, never invented.
Text values are as found; nothing here was executed to find it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from budwood.domain.canon import Json
from budwood.domain.names import Kind
from budwood.errors import BadValue


class Relation(StrEnum):
    """How a version came from a parent: it was ... that version."""

    TRAINED_ON = "trained-on"
    DERIVED_FROM = "derived-from"
    FINE_TUNED_FROM = "fine-tuned-from"
    ADAPTER_OF = "adapter-of"
    QUANTIZED_FROM = "quantized-from"
    DISTILLED_FROM = "distilled-from"
    EVALUATED_BY = "evaluated-by"
    BUILT_BY = "built-by"
    DEPLOYED_AS = "deployed-as"


def relation_named(text: str) -> Relation:
    """Raises BadValue, naming the nine."""
    try:
        return Relation(text)
    except ValueError as error:
        hint = f"It is one of {', '.join(Relation)}."
        raise BadValue(f"{text[:80]!r} is no relation.", hint=hint, relation=text[:80]) from error


@dataclass(frozen=True, slots=True)
class Origins:
    """References of parents, and how each was come from ("" where that is not said), in the same order."""

    references: tuple[str, ...]
    relations: tuple[str, ...]


def read_parents(parents: str | Sequence[str | tuple[str, str]]) -> Origins:
    """Each is ``reference``, ``relation=reference`` or (relation, reference). Raises BadValue."""
    each = (parents,) if isinstance(parents, str) else parents
    pairs = [_relation_and_reference(parent) for parent in each]
    return Origins(tuple(reference for _, reference in pairs), tuple(relation for relation, _ in pairs))


def _relation_and_reference(parent: str | tuple[str, str]) -> tuple[str, str]:
    if not isinstance(parent, str):
        if len(parent) != 2 or not all(isinstance(word, str) for word in parent):
            raise BadValue(f"{parent!r} is no parent.", hint="Write 'encoder@v1', or ('trained-on', 'reviews@v3').")
        relation, reference = parent
        return str(relation_named(relation)), reference
    # No reference has an equals sign in it.
    relation, equals, reference = parent.partition("=")
    return (str(relation_named(relation)), reference) if equals else ("", parent)


@dataclass(frozen=True, slots=True)
class Parent:
    """A version this one came from. ``relation`` is one of ``Relation``; a version that was made before there were
    nine keeps the word it was given."""

    model: str
    number: int
    digest: str
    relation: str = Relation.DERIVED_FROM.value


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output; a dimension of -1 is free."""

    name: str
    dtype: str = ""
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What goes in and what comes out, where a file says so. ``source`` is the path that said it."""

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """The git work tree the push was made from.

    ``diff`` is what ``dirty`` stands for, as a patch on ``commit`` that git applies, at most ``limits.DIFF_BYTES``.
    ``diff_lacks`` is empty when it is all there; else ``rest`` (it was longer, and is cut), ``bytes`` (some were no
    text, and are replaced) or ``all`` (git did not say, or it was not to be kept).
    """

    commit: str
    branch: str = ""
    dirty: bool = False
    remote: str = ""
    diff: str = ""
    diff_lacks: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """The Python that pushed: version, platform, packages by name, and the lock file found beside it."""

    python: str = ""
    platform: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    lock: str = ""
    lock_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine that pushed."""

    machine: str = ""
    processor: str = ""
    cores: int = 0
    memory_bytes: int = 0
    accelerators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Training:
    """How a version was trained: measured while it was (``budwood.training_run``), or as its author says.

    ``seconds`` by the clock on the wall. ``hardware`` is the machine it was trained on, which need not be the one
    that pushed. ``command`` is what was run. ``run_by`` is who trained it, where that is said: it need not be who
    pushed.
    """

    seconds: float | None = None
    began_ms: int | None = None
    hardware: Hardware | None = None
    command: str = ""
    run_by: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something a reader should know before loading a file: ``code`` is stable, ``detail`` is prose."""

    code: str
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file says about itself; readers return this (store/formats)."""

    frameworks: Mapping[str, str] = field(default_factory=dict)
    schema: Schema | None = None
    architecture: str = ""
    base_model: str = ""
    adapter: Mapping[str, Json] = field(default_factory=dict)
    config: Mapping[str, Json] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything fixed at birth. Times are milliseconds since the epoch, UTC.

    ``settings`` holds, by path, what model files say of themselves beside their tensors: GGUF metadata, ONNX opsets,
    safetensors metadata, a model card's front matter.

    ``datasets`` are names; one with a version or hash is ``name@version``. ``statistics`` of data are by its name,
    ``search`` is how parameters were found, ``fairness`` what was found about groups, ``resources`` what it took
    (``cpu_seconds``, ``peak_memory_bytes``, ...).
    """

    kind: Kind = Kind.MODEL
    author: str = ""
    created_ms: int = 0
    message: str = ""
    parents: tuple[Parent, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    frameworks: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    parameters: int = 0
    dtypes: Mapping[str, int] = field(default_factory=dict)
    schema: Schema | None = None
    base_model: str = ""
    adapter: Mapping[str, Json] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    code: Code | None = None
    environment: Environment | None = None
    hardware: Hardware | None = None
    flags: tuple[Flag, ...] = ()
    training: Training | None = None
    statistics: Mapping[str, Json] = field(default_factory=dict)
    search: Mapping[str, Json] = field(default_factory=dict)
    fairness: Mapping[str, Json] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
