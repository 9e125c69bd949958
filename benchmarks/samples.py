"""What was measured, one record per act, and the questions the figures ask of the records.

Records are kept as JSON lines, so that a run can be cut short, gone on with, and read again without measuring.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

OURS = "budwood"


@dataclass(frozen=True, slots=True)
class Sample:
    """One act of one tool in one story. ``stored_bytes`` is what the store holds afterwards.

    ``raw_bytes`` is the size of the version moved. ``fault`` says why an act has no figures; then all are zero.
    """

    tool: str
    story: str
    step: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    anonymous_bytes: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    fault: str = ""

    def to_line(self) -> str:
        return json.dumps(asdict(self))


def parse_line(line: str) -> Sample:
    """The sample of one line. Raises ValueError when it is not one."""
    try:
        return Sample(**json.loads(line))
    except TypeError as unknown:
        raise ValueError(f"not a sample: {line[:80]}") from unknown


class Samples:
    """All that was measured; answers are medians over the repeats of an act."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = [sample for sample in samples if not sample.fault]

    @classmethod
    def read(cls, path: Path) -> "Samples":
        """The samples of a file of JSON lines; of a missing file, none."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return cls(parse_line(line) for line in lines if line.strip())

    def count(self, tool: str, story: str, step: str) -> int:
        """How many times the act was measured."""
        return len(self._of(tool, story, step))

    def median(self, tool: str, story: str, step: str, what: Callable[[Sample], float]) -> float | None:
        """The middle of what the repeats say; None when the act was never measured."""
        found = self._of(tool, story, step)
        return median(what(sample) for sample in found) if found else None

    def by_tool(self, story: str, step: str, what: Callable[[Sample], float]) -> dict[str, float]:
        """The medians of every tool that did this act, ours among them."""
        tools = dict.fromkeys(sample.tool for sample in self._samples if (sample.story, sample.step) == (story, step))
        return {tool: median(what(sample) for sample in self._of(tool, story, step)) for tool in tools}

    def added_share(self, story: str, before: str, after: str) -> dict[str, float]:
        """By tool: the bytes the store grew by between two acts, as a share of what the second one brought."""
        grown = self.by_tool(story, after, lambda sample: sample.stored_bytes)
        old = self.by_tool(story, before, lambda sample: sample.stored_bytes)
        raw = self.by_tool(story, after, lambda sample: sample.raw_bytes)
        return {tool: (grown[tool] - old[tool]) / raw[tool] for tool in grown if tool in old}

    def _of(self, tool: str, story: str, step: str) -> list[Sample]:
        return [sample for sample in self._samples if (sample.tool, sample.story, sample.step) == (tool, story, step)]


def per_wall_second(sample: Sample) -> float:
    """Raw bytes a second by the clock, in GB/s."""
    return sample.raw_bytes / sample.wall_s / 1e9


def per_cpu_second(sample: Sample) -> float:
    """Raw bytes a second of processor time, in GB/s; steadier than the clock on a busy machine."""
    return sample.raw_bytes / sample.cpu_s / 1e9


def wall_s(sample: Sample) -> float:
    return sample.wall_s


def cpu_s(sample: Sample) -> float:
    return sample.cpu_s


def anonymous_mb(sample: Sample) -> float:
    return sample.anonymous_bytes / 1e6
