"""Files of runs and of logged models, and the logged models themselves. Times are milliseconds since the epoch, UTC.

A file is known by its path below the namespace, such as ``3/1f…/artifacts/model/MLmodel``: the number of an
experiment, a run's id, what the run calls it. A logged model is a model that is no version yet; it has files of its
own below ``3/models/m-…/artifacts``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from budwood.domain.entries import FileEntry
from budwood.domain.facts import FileFacts
from budwood.domain.paths import safe_path
from budwood.domain.tracking.records import RunMetric
from budwood.errors import BadPath, BadValue

MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")
_DECODINGS: Final = 8
_DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file kept in the store. ``facts`` is what it said of itself when it came, ``structure`` a fingerprint of its
    typed tensors, empty where it has none."""

    id: int
    namespace: str
    path: str
    entry: FileEntry
    facts: FileFacts
    author: str
    at_ms: int
    structure: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file, or with ``size`` None a folder, as a listing of what lies above it shows it."""

    path: str
    size: int | None = None


class ModelStatus(StrEnum):
    """How far a logged model is."""

    UNSPECIFIED = "LOGGED_MODEL_STATUS_UNSPECIFIED"
    PENDING = "LOGGED_MODEL_PENDING"
    READY = "LOGGED_MODEL_READY"
    FAILED = "LOGGED_MODEL_UPLOAD_FAILED"


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model that is no version yet. ``model`` is how the world knows it; ``run`` the run it came from, or empty."""

    id: int
    model: str
    experiment_id: int
    experiment: int
    name: str
    kind: str
    status: ModelStatus
    run: str
    location: str
    author: str
    created_ms: int
    updated_ms: int
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class ModelSaid:
    """What was said of a logged model: a metric counts once for each run and dataset."""

    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[RunMetric, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A logged model with what was said of it."""

    model: LoggedModel
    said: ModelSaid = ModelSaid()


def artifact_path(text: str, *, may_be_empty: bool = False) -> str:
    """A path below the namespace, as it was given, without slashes around it.

    It is decoded as often as anybody further on might do so, and must be safe each time. Raises BadValue.
    """
    path = text.removesuffix("/")
    if not path and may_be_empty:
        return ""
    seen = path
    for _ in range(_DECODINGS):
        _check(text, seen)
        decoded = unquote(seen)
        if decoded == seen:
            return path
        seen = decoded
    raise _bad(text)


def model_id(text: str) -> str:
    """Raises BadValue for what is no id of a logged model."""
    if not MODEL_ID.fullmatch(text):
        raise BadValue(f"Invalid model ID: {text[:100]!r}")
    return text


def model_status(word: str) -> ModelStatus:
    """By its name. Raises BadValue."""
    try:
        return ModelStatus(word)
    except ValueError as error:
        raise BadValue(f"Invalid value \"{word[:100]}\" for parameter 'status' supplied: it is no status.") from error


def _check(text: str, path: str) -> None:
    if _DRIVE.match(path) or "://" in path or path.startswith(("file:", "~")):
        raise _bad(text)
    if any(character in path for character in "\\#?;"):
        raise _bad(text)
    try:
        safe_path(path)
    except BadPath as error:
        raise _bad(text) from error


def _bad(text: str) -> BadValue:
    return BadValue("Invalid path", path=text[:200])
