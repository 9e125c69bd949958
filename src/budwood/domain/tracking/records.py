"""Experiments, runs, and what a run logs. Values; times are milliseconds since the epoch, UTC.

An experiment is numbered in its namespace, and the number is how the world knows it; ``0`` is the default one, which
every namespace has from the moment it is needed. A run is known by 32 hexadecimal digits. Deleting either only hides
it: ``removed_ms`` says since when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DEFAULT_EXPERIMENT: Final = 0
DEFAULT_EXPERIMENT_NAME: Final = "Default"
RUN_NAME_TAG: Final = "mlflow.runName"
"""A run's name is also this tag: whichever is set, both change."""


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Showing(StrEnum):
    """Which of the living and the deleted are looked for."""

    ACTIVE = "active"
    DELETED = "deleted"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A named collection of runs. ``location`` is where its runs' artifacts lie."""

    id: int
    namespace: str
    number: int
    name: str
    location: str
    created_ms: int
    updated_ms: int
    removed_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution. ``experiment`` is the number of its experiment, ``user`` whom it says it was run by, ``author``
    who recorded it."""

    id: int
    run: str
    experiment_id: int
    experiment: int
    name: str
    user: str
    author: str
    status: RunStatus
    start_ms: int
    end_ms: int | None
    location: str
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """A number at a step and a moment. It may be infinite or none (NaN). ``model``: the logged model it is about;
    ``dataset``: the name and the digest of the dataset it was measured on."""

    key: str
    value: float
    at_ms: int
    step: int = 0
    model: str = ""
    dataset: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a run read, by name and digest. Source, schema and profile are JSON as the client wrote it."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A dataset as the input of a run, with what the run says of that use."""

    dataset: Dataset
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A logged model that a run read, or, at a step, wrote."""

    model: str
    step: int = 0
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """What a run logged: of each metric the newest value."""

    metrics: tuple[Metric, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    datasets: tuple[DatasetUse, ...] = ()
    models: tuple[ModelUse, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset that runs of an experiment used, in one context."""

    experiment: int
    name: str
    digest: str
    context: str


@dataclass(frozen=True, slots=True)
class RunMetric:
    """A metric, and the run that logged it."""

    run: str
    metric: Metric
