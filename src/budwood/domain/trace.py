"""Where a version came from, or what came of it: a graph of versions, and how it is written as DOT."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from budwood.domain.records import VersionRecord


class Direction(StrEnum):
    """Towards what it was made from, or towards what was made from it."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Traced:
    """One version of a trace: how many steps away, what points at it now, and the data it says it was made from."""

    version: VersionRecord
    depth: int
    pointers: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether it is in production, or an alias points at it."""
        return any(pointer == "production" or pointer not in _STAGES for pointer in self.pointers)


@dataclass(frozen=True, slots=True)
class Edge:
    """``child`` was made from ``parent`` (ids of versions). ``relation`` is empty where nobody read it."""

    child: int
    parent: int
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Nearest first; the first is the version that was asked for. ``cut``: there is more than was asked for."""

    direction: Direction
    versions: tuple[Traced, ...]
    edges: tuple[Edge, ...]
    cut: bool = False

    @property
    def serving(self) -> tuple[Traced, ...]:
        """Those that serve somebody now, nearest first, without the version that was asked for."""
        return tuple(each for each in self.versions[1:] if each.serves)


_STAGES = frozenset({"development", "staging", "production", "archived"})


def dot(trace: Trace) -> str:
    """For Graphviz: data at the top, what was made from it below."""
    lines = ["digraph lineage {", '  node [shape=box, fontname="Helvetica"];']
    for each in trace.versions:
        words = [each.version.reference, *([", ".join(each.pointers)] if each.pointers else [])]
        shape = ", style=bold" if each.serves else ""
        lines.append(f"  v{each.version.id} [label={_quoted(chr(10).join(words))}{shape}];")
        lines += [f"  {_quoted(name)} -> v{each.version.id} [style=dashed];" for name in each.datasets]
    for edge in trace.edges:
        label = f" [label={_quoted(edge.relation)}]" if edge.relation else ""
        lines.append(f"  v{edge.parent} -> v{edge.child}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def below(trace: Trace) -> Mapping[int, Sequence[Edge]]:
    """For each version the edges that lead on from it, in the direction of the trace."""
    found: dict[int, list[Edge]] = {}
    for edge in trace.edges:
        found.setdefault(edge.child if trace.direction is Direction.UP else edge.parent, []).append(edge)
    return found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
