"""What a walk needs of a place that it reads, whatever that is: a server, a database, a folder, or a registry of ours.

Everything a reader gives is what a stranger said. A reader bounds and shapes it; what it means is checked where it is
taken in.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from budwood.client.carrying.reader_mcp import McpReader
from budwood.client.carrying.reader_traced import TracedReader
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Point,
)

RUN: Final = "run"
LOGGED: Final = "logged model"
VERSION: Final = "version"
PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of artifacts: whose it is, and where it lies in that place's words. ``name`` tells a version's model."""

    kind: str
    id: str
    location: str
    name: str = ""


class Reader(Protocol):
    """Raises ServerUnreachable, Malformed and whatever the place gives."""

    @property
    def name(self) -> str:
        """As people are told it, without passwords."""

    @property
    def traced(self) -> TracedReader:
        """Of the same place."""

    @property
    def mcp(self) -> McpReader:
        """Of the same place."""

    def experiments(self) -> Iterator[CarriedExperiment]:
        """Deleted ones too."""

    def runs(self, experiment: str) -> Iterator[CarriedRun]:
        """Deleted ones too."""

    def points(self, run: CarriedRun, key: str) -> Sequence[Point]:
        """All of a metric, each once, in order."""

    def logged(self, experiment: str) -> Iterator[CarriedLogged]:
        """Those that the place tells of."""

    def models(self) -> Iterator[CarriedModel]:
        """Prompts too."""

    def versions(self, title: str) -> Iterator[CarriedVersion]:
        """By number."""

    def files(self, root: Root) -> Sequence[CarriedFile]:
        """By path. Raises SourceNotFound where they cannot be reached from here, UnsafeEntry."""

    def open(self, root: Root, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """A file's bytes, in pieces."""

    def close(self) -> None:
        """Release what it holds open."""
