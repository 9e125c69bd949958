"""What a carrying came to: how much there was of each kind, how much is there now, and what differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KINDS: Final = (
    "experiments",
    "runs",
    "metric points",
    "logged models",
    "models",
    "versions",
    "aliases",
    "stages",
    "traces",
    "spans",
    "evaluation datasets",
    "evaluation records",
    "scorers",
    "label schemas",
    "issues",
    "MCP servers",
    "MCP versions",
    "files",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one kind: ``found`` there, ``brought`` now, ``kept`` because it was equal already, ``differs``."""

    kind: str
    found: int = 0
    brought: int = 0
    kept: int = 0
    differs: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not the same on both sides, or could not be carried, and why."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Carried:
    """The report. ``digest`` is of everything that was compared and equal, the same however often it is asked.

    ``differences`` are the first of them; ``differing`` says how many there are. ``dry``: nothing was written.
    """

    source: str
    target: str
    namespace: str
    tallies: tuple[Tally, ...]
    bytes: int
    digest: str
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    dry: bool = False

    @property
    def equal(self) -> bool:
        return self.differing == 0

    def tally(self, kind: str) -> Tally:
        """Raises KeyError."""
        return tally_of(self.tallies, kind)


def tally_of(tallies: Sequence[Tally], kind: str) -> Tally:
    """Raises KeyError."""
    for each in tallies:
        if each.kind == kind:
            return each
    raise KeyError(kind)
