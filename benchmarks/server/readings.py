"""What was read off a meter: one number each, kept as JSON lines; answers are medians."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

OURS = "budwood"


@dataclass(frozen=True, slots=True)
class Reading:
    """``home`` is where the records lie: sqlite or postgres. ``fault`` says why there is no number."""

    tool: str
    home: str
    what: str
    value: float = 0.0
    fault: str = ""

    def to_line(self) -> str:
        return json.dumps(asdict(self))


def parse_line(line: str) -> Reading:
    """The reading of one line. Raises ValueError when it is not one."""
    try:
        return Reading(**json.loads(line))
    except TypeError as unknown:
        raise ValueError(f"not a reading: {line[:80]}") from unknown


class Readings:
    """All that was read."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = [reading for reading in readings if not reading.fault]

    @classmethod
    def read(cls, path: Path) -> "Readings":
        """Of a file of JSON lines; of a missing file, none."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return cls(parse_line(line) for line in lines if line.strip())

    def median(self, what: str, home: str, tool: str = OURS) -> float | None:
        """The middle of the repeats; None when it was never read."""
        values = self._values(what, home, tool)
        return median(values) if values else None

    def worst(self, what: str, home: str, tool: str = OURS) -> float | None:
        """The largest of the repeats, and of all readings whose name begins so."""
        values = self._values(what, home, tool, begins=True)
        return max(values, default=None)

    def best(self, what: str, home: str, tool: str = OURS) -> float | None:
        """The smallest: what it costs when nobody is in the way."""
        return min(self._values(what, home, tool), default=None)

    def _values(self, what: str, home: str, tool: str, *, begins: bool = False) -> list[float]:
        return [
            reading.value
            for reading in self._readings
            if (reading.tool, reading.home) == (tool, home)
            and (reading.what.startswith(what) if begins else reading.what == what)
        ]
