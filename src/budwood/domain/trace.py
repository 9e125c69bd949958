"""Where a version came from, or what came of it: a graph of versions and of what has a name elsewhere, and its DOT.

A graph has two kinds of nodes and one space of numbers: a version has its id, which is above 0; a data set or a job
that other programs told of is ``Named`` and has a number below 0. An edge leads from a child to a parent, its origin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from budwood.domain.names import Kind, Stage
from budwood.domain.records import model_path

_STAGES: Final = frozenset({"development", "staging", "production", "archived"})


class Direction(StrEnum):
    """Towards what it was made from, or towards what was made from it."""

    UP = "up"
    DOWN = "down"


class NamedKind(StrEnum):
    """What it is that has a name elsewhere; one run of a job is one thing."""

    DATASET = "dataset"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class TracedVersion:
    """What a trace says of a version: enough to name it and to know whose it is."""

    id: int
    namespace: str
    model: str
    number: int
    label: str
    digest: str
    kind: Kind
    stage: Stage
    author: str
    created_ms: int
    retired_ms: int = 0

    @property
    def reference(self) -> str:
        """How a person names it: by label where it has one, else by number."""
        return f"{model_path(self.namespace, self.model)}@{self.label or f'v{self.number}'}"


@dataclass(frozen=True, slots=True)
class Traced:
    """One version of a trace: how many steps away, what points at it now, and the data it says it was made from."""

    version: TracedVersion
    depth: int
    pointers: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether it is in production, or an alias points at it."""
        return serves(self.pointers)


@dataclass(frozen=True, slots=True)
class Named:
    """A data set or one run of a job that is known by its name alone. ``namespace`` is the room it was told in,
    ``source`` where its name means something (``s3://bucket``); empty for a data set that a push named."""

    id: int
    namespace: str
    kind: NamedKind
    source: str
    name: str
    run: str = ""
    depth: int = 0

    @property
    def text(self) -> str:
        """How people are shown it."""
        return f"{self.source.rstrip('/')}/{self.name}" if self.source else self.name


@dataclass(frozen=True, slots=True)
class Edge:
    """``child`` was made from ``parent``. ``relation`` is empty where nobody said how. ``told_by`` and ``told_ms`` are
    of whoever said so later; empty and 0 for what was fixed at the child's birth."""

    child: int
    parent: int
    relation: str = ""
    told_by: str = ""
    told_ms: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """Nearest first; the first version is the one that was asked for. ``cut``: there is more than is told here."""

    direction: Direction
    versions: tuple[Traced, ...]
    edges: tuple[Edge, ...]
    cut: bool = False
    named: tuple[Named, ...] = ()

    @property
    def serving(self) -> tuple[Traced, ...]:
        """Those that serve somebody now, nearest first, without the version that was asked for."""
        return tuple(each for each in self.versions[1:] if each.serves)


@dataclass(frozen=True, slots=True)
class Impact:
    """What was made from a version: what serves somebody now, then the rest, each nearest first."""

    version: Traced
    serving: tuple[Traced, ...]
    others: tuple[Traced, ...]
    named: tuple[Named, ...] = ()
    cut: bool = False


def serves(pointers: Sequence[str]) -> bool:
    """Whether one of them is production or an alias."""
    return any(pointer == "production" or pointer not in _STAGES for pointer in pointers)


def impact_of(trace: Trace) -> Impact:
    """The same, as an answer to what a mistake has reached."""
    first, *rest = trace.versions
    others = tuple(each for each in rest if not each.serves)
    return Impact(first, trace.serving, others, trace.named, trace.cut)


def steps_from(start: int, edges: Sequence[Edge], direction: Direction, most: int) -> Mapping[int, int]:
    """How many steps each node is away, nearest first, as far as ``most``. A ring is walked once."""
    onward: dict[int, list[int]] = {}
    for edge in edges:
        near, far = (edge.child, edge.parent) if direction is Direction.UP else (edge.parent, edge.child)
        onward.setdefault(near, []).append(far)
    found, level = {start: 0}, [start]
    for step in range(1, most + 1):
        level = list(dict.fromkeys(far for near in level for far in onward.get(near, ()) if far not in found))
        found |= dict.fromkeys(level, step)
    return found


def dot(trace: Trace) -> str:
    """For Graphviz: data at the top, what was made from it below."""
    lines = ["digraph lineage {", '  node [shape=box, fontname="Helvetica"];']
    for each in trace.versions:
        words = [each.version.reference, *([", ".join(each.pointers)] if each.pointers else [])]
        shape = ", style=bold" if each.serves else ""
        lines.append(f"  {_node(each.version.id)} [label={_quoted(chr(10).join(words))}{shape}];")
    for named in trace.named:
        shape = "ellipse" if named.kind is NamedKind.JOB else "cylinder"
        lines.append(f"  {_node(named.id)} [label={_quoted(named.text)}, shape={shape}, style=dashed];")
    for edge in trace.edges:
        label = f" [label={_quoted(edge.relation)}]" if edge.relation else ""
        lines.append(f"  {_node(edge.parent)} -> {_node(edge.child)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def below(trace: Trace) -> Mapping[int, Sequence[Edge]]:
    """For each node the edges that lead on from it, in the direction of the trace: those to versions first."""
    found: dict[int, list[Edge]] = {}
    for edge in sorted(trace.edges, key=lambda edge: edge.child < 0 or edge.parent < 0):
        found.setdefault(edge.child if trace.direction is Direction.UP else edge.parent, []).append(edge)
    return found


def with_relations(edges: Sequence[Edge], said: Mapping[tuple[int, int], str]) -> tuple[Edge, ...]:
    """Edges that lack a relation, with what ``said`` knows of (child, parent)."""
    return tuple(
        edge if edge.relation else replace(edge, relation=said.get((edge.child, edge.parent), "")) for edge in edges
    )


def _node(number: int) -> str:
    return f"v{number}" if number > 0 else f"n{-number}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
