"""A figure, its goal, and the Markdown table they are written in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Unit(Enum):
    """What a figure is counted in, with how it is written."""

    SHARE = "{:.3f}"
    PERCENT = "{:.2f} %"
    SPEED = "{:.2f} GB/s"
    SECONDS = "{:.2f} s"
    MEMORY = "{:.0f} MB"
    MICROSECONDS = "{:.0f} µs"
    MILLISECONDS = "{:.1f} ms"
    RATE = "{:,.0f}/s"

    def write(self, value: float) -> str:
        return self.value.format(value * 100 if self is Unit.PERCENT else value)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound to stay under, or to get over. Without a limit it only says which way is better."""

    limit: float | None
    at_most: bool = True

    def reached_by(self, value: float) -> bool:
        assert self.limit is not None
        return value <= self.limit if self.at_most else value >= self.limit

    def write(self, unit: Unit) -> str:
        return "" if self.limit is None else f"{'≤' if self.at_most else '≥'} {unit.write(self.limit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. ``measured`` is None where it could not be measured here; ``peers`` are in the same unit."""

    what: str
    goal: Goal
    unit: Unit
    measured: float | None
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        if self.goal.limit is None:
            return ""
        return "reached" if self.goal.reached_by(self.measured) else "missed"

    def times_better(self, peer: str) -> float | None:
        """How many times better we are than that peer; below 1 it is better. None when either is zero or missing."""
        theirs = self.peers.get(peer)
        if not self.measured or not theirs:
            return None
        return theirs / self.measured if self.goal.at_most else self.measured / theirs


def markdown(figures: Sequence[Figure]) -> str:
    """The table: one row a figure, each peer with how many times better we are than it."""
    lines = ["| what | goal | measured | | peers (× = times better than the peer) |", "|---|---|---|---|---|"]
    for figure in figures:
        measured = "–" if figure.measured is None else figure.unit.write(figure.measured)
        peers = " · ".join(_peer(figure, peer) for peer in _best_first(figure))
        lines.append(f"| {figure.what} | {figure.goal.write(figure.unit)} | {measured} | {figure.verdict} | {peers} |")
    return "\n".join(lines) + "\n"


def _best_first(figure: Figure) -> list[str]:
    return sorted(figure.peers, key=lambda peer: figure.peers[peer], reverse=not figure.goal.at_most)


def _peer(figure: Figure, peer: str) -> str:
    times = figure.times_better(peer)
    written = f"{peer} {figure.unit.write(figure.peers[peer])}"
    return written if times is None else f"{written} (×{times:.1f})"
