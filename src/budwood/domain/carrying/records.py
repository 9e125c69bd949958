"""What one side holds and the other is to hold, in words that both have. Times are milliseconds since the epoch.

An MLflow server, a database of one, a folder of one and a registry of ours are all read as these values, so that one
comparison serves every way and direction. ``location`` is where files lie, in the words of the side that was read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.tracking.records import DatasetUse, ModelUse

MARKS: Final = "budwood."
"""Tags that begin so are marks of a carrying, and are themselves not carried."""
CAME_FROM: Final = "budwood.imported.from"
MADE_BY: Final = "budwood.imported.user"
MADE_AT: Final = "budwood.imported.created_ms"
CHANGED_AT: Final = "budwood.imported.updated_ms"
WENT_FROM: Final = "budwood.exported.from"
"""On what was written to an MLflow server: which of ours it is, for its ids are new there."""


@dataclass(frozen=True, slots=True)
class CarriedExperiment:
    """An experiment; ``id`` is a number as text."""

    id: str
    name: str
    location: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CarriedRun:
    """A run, without the points of its metrics: ``keys`` are the metrics it has."""

    run: str
    experiment: str
    name: str
    user: str
    status: str
    start_ms: int
    end_ms: int | None = None
    location: str = ""
    deleted: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetUse, ...] = ()
    models: tuple[ModelUse, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One value of a metric. ``nan``: it is no number, and ``value`` 0: neither JSON nor every database has such."""

    at_ms: int
    step: int
    value: float
    nan: bool = False

    @classmethod
    def of(cls, at_ms: int, step: int, value: float) -> "Point":
        """Zero has no sign here: databases keep none."""
        return cls(at_ms, step, 0.0, True) if math.isnan(value) else cls(at_ms, step, value + 0.0)

    @property
    def number(self) -> float:
        return math.nan if self.nan else self.value


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one metric, in columns: a thousand of them are one short text. ``nans`` are places in the columns."""

    key: str
    at_ms: tuple[int, ...]
    steps: tuple[int, ...]
    values: tuple[float, ...]
    nans: tuple[int, ...] = ()

    @classmethod
    def of(cls, key: str, points: "tuple[Point, ...] | list[Point]") -> "Series":
        return cls(
            key,
            tuple(each.at_ms for each in points),
            tuple(each.step for each in points),
            tuple(each.value for each in points),
            tuple(at for at, each in enumerate(points) if each.nan),
        )

    @property
    def points(self) -> tuple[Point, ...]:
        """Raises ValueError where the columns are not equally long."""
        absent = frozenset(self.nans)
        columns = zip(self.at_ms, self.steps, self.values, strict=True)
        return tuple(
            Point(at, step, 0.0, True) if each in absent else Point(at, step, value)
            for each, (at, step, value) in enumerate(columns)
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """The newest value of a metric about a logged model, of one run and data set."""

    run: str
    key: str
    point: Point
    dataset: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class CarriedLogged:
    """A logged model."""

    model: str
    experiment: str
    name: str
    kind: str
    status: str
    run: str
    location: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class CarriedModel:
    """A registered model, or a prompt. ``aliases`` say which version each names."""

    title: str
    description: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CarriedVersion:
    """A version. ``source`` is what it was registered from, as it was said; ``stage`` one of MLflow's words."""

    title: str
    number: int
    source: str = ""
    location: str = ""
    run: str = ""
    logged: str = ""
    run_link: str = ""
    user: str = ""
    description: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    stage: str = "None"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file by its path below a root. ``sha256`` is empty where it is only known once the file is read."""

    path: str
    size: int
    sha256: str = ""


def unmarked(tags: Mapping[str, str]) -> dict[str, str]:
    """Without the marks of a carrying."""
    return {key: value for key, value in tags.items() if not key.startswith(MARKS)}
