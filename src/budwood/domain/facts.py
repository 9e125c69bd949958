"""What is known about a version at its birth: declared by the person who pushed, or captured by Budwood.

Facts are part of the manifest and never change. What cannot be captured is left empty, never invented.
Text values are as found; nothing here was executed to find it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.canon import Json
from budwood.domain.names import Kind


@dataclass(frozen=True, slots=True)
class Parent:
    """A version this one came from. ``relation``: derived-from, fine-tuned-from or adapter-of."""

    model: str
    number: int
    digest: str
    relation: str = "derived-from"


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
    """The git work tree the push was made from."""

    commit: str
    branch: str = ""
    dirty: bool = False
    remote: str = ""


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
