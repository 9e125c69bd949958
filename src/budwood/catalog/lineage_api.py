"""The part of the catalog's port that keeps lineage: edges between versions and what has a name elsewhere.

Nodes are numbered as ``domain/trace.py`` says: versions above 0, named things below. An edge is written with its
child's version, or told later by whoever may push there; it goes with its child, and stays when its parent goes.
Ids given to the methods that take several come from a walk within the caller's reach.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from budwood.catalog.people_api import Reach
from budwood.domain.trace import Edge, Named, NamedKind, TracedVersion


class LineageView(Protocol):
    """What can be read. Bounded by what is asked for: ``limit`` nodes, or the ids that are given."""

    def walk(self, start: int, *, up: bool, limit: int, reach: Reach = None) -> Sequence[int]:
        """``start`` and every node it leads to within reach, nearest first, each once. Never through what is out of
        reach."""

    def edges_of(self, nodes: Sequence[int], *, limit: int) -> Sequence[Edge]:
        """Those whose child is one of the nodes, by child and parent."""

    def traced(self, ids: Sequence[int]) -> Mapping[int, TracedVersion]:
        """Of these versions, those that are still there."""

    def pointed(self, ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
        """The aliases and stages that point at these versions, by version; without those nothing points at."""

    def named(self, ids: Sequence[int]) -> Mapping[int, Named]:
        """Of these named things, those that are there."""

    def named_as(self, namespace: str, kind: NamedKind, source: str, name: str, run: str = "") -> Named | None:
        """The one thing told under this name in a namespace."""


class LineageTransaction(Protocol):
    """What can be written."""

    def name_thing(self, named: Named, *, at_ms: int) -> Named:
        """The one told under this name in its namespace, or a new one; ``named.id`` is not read."""

    def add_edge(self, edge: Edge) -> bool:
        """Both ends are there. Whether it was new: what was said of the two before stays as it is."""
