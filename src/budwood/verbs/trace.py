"""trace and impact: where a version came from, or what came of it, across models, as far as the caller may read.

A walk of at most ``TRACE_WALKED`` nodes is one question to the catalog; which of them are told is decided here: what
serves somebody now with the way to it, then the nearest, ``TRACE_VERSIONS`` in all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import View
from budwood.domain.facts import Facts
from budwood.domain.limits import TRACE_DEPTH, TRACE_EDGES, TRACE_READ, TRACE_VERSIONS, TRACE_WALKED
from budwood.domain.trace import (
    Direction,
    Edge,
    Impact,
    Named,
    NamedKind,
    Trace,
    Traced,
    impact_of,
    serves,
    steps_from,
    with_relations,
)
from budwood.errors import BadValue, LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.resolve import resolve

UNREAD: Final = "lineage-unread"
"""The newest version whose relations and data sets only its manifest tells, as migration 0008 left it."""


def trace(house: House, reference: str, direction: Direction, *, depth: int = TRACE_DEPTH) -> Trace:
    """Nearest first. Raises BadReference, NotFound, LimitExceeded."""
    if not 1 <= depth <= TRACE_DEPTH:
        raise LimitExceeded(f"A trace goes 1 to {TRACE_DEPTH} steps, not {depth}.", limit="TRACE_DEPTH")
    with house.catalog.read() as view:
        found = _told(view, _walked(view, resolve(view, reference).id, direction, depth))
        unread = view.meta(UNREAD)
    return _with_manifests(house, found, int(unread)) if unread.isdigit() else found


def impact(house: House, reference: str, *, depth: int = TRACE_DEPTH) -> Impact:
    """What was made from a version, what serves now first. Raises BadReference, NotFound, LimitExceeded."""
    return impact_of(trace(house, reference, Direction.DOWN, depth=depth))


def parse_direction(text: str) -> Direction:
    """Raises BadValue."""
    try:
        return Direction(text)
    except ValueError as error:
        raise BadValue(f"{text[:80]!r} is no direction.", hint="It is up or down.") from error


@dataclass(frozen=True, slots=True)
class _Walk:
    """What is told: how far each node is, nearest first, and every edge that begins at one of them."""

    direction: Direction
    steps: Mapping[int, int]
    edges: Sequence[Edge]
    pointers: Mapping[int, tuple[str, ...]]
    cut: bool


def _walked(view: View, start: int, direction: Direction, depth: int) -> _Walk:
    nodes = view.walk(start, up=direction is Direction.UP, limit=TRACE_WALKED + 1)
    pointers = {each: _shown(pointed) for each, pointed in view.pointed([node for node in nodes if node > 0]).items()}
    chosen: Sequence[int] = nodes
    if len(nodes) > TRACE_VERSIONS:
        down = direction is Direction.DOWN
        serving = [node for node in nodes if node in pointers and serves(pointers[node])] if down else ()
        chosen = _chosen(view, nodes, serving)
    edges = view.edges_of(chosen, limit=TRACE_EDGES + 1)
    known = set(chosen)
    joining = [edge for edge in edges[:TRACE_EDGES] if edge.parent in known]
    steps = steps_from(start, joining, direction, depth)
    return _Walk(direction, steps, edges, pointers, len(steps) < len(nodes) or len(edges) > TRACE_EDGES)


def _shown(pointed: Sequence[str]) -> tuple[str, ...]:
    return tuple(pointer.removeprefix("stage:") for pointer in pointed if pointer != "stage:development")


def _chosen(view: View, nodes: Sequence[int], serving: Sequence[int]) -> Sequence[int]:
    """At most ``TRACE_VERSIONS`` of them: what serves with a shortest way to it, then the nearest."""
    place = {node: number for number, node in enumerate(nodes)}
    nearer = _nearer(view, place, serving[:TRACE_VERSIONS])
    chosen = {nodes[0]}
    for node in serving:
        way = [node]
        while way[-1] not in chosen and way[-1] in nearer:
            way.append(nearer[way[-1]])
        if len(chosen.union(way)) > TRACE_VERSIONS:
            break
        chosen.update(way)
    for node in nodes:
        if len(chosen) >= TRACE_VERSIONS:
            break
        chosen.add(node)
    return [node for node in nodes if node in chosen]


def _nearer(view: View, place: Mapping[int, int], serving: Sequence[int]) -> Mapping[int, int]:
    """For each of them, and for each node on the way, the one before: of several origins the one found first."""
    found: dict[int, int] = {}
    level = [node for node in serving if place[node]]
    while level:
        for edge in view.edges_of(level, limit=TRACE_EDGES):
            origin = place.get(edge.parent)
            # What was found later than the node itself is no way to it; so a ring leads nowhere.
            if origin is not None and origin < place[edge.child]:
                before = found.get(edge.child)
                if before is None or origin < place[before]:
                    found[edge.child] = edge.parent
        level = list({found[node] for node in level if node in found and place[found[node]]} - found.keys())
    return found


def _told(view: View, walk: _Walk) -> Trace:
    versions = view.traced([node for node in walk.steps if node > 0])
    birth = [edge for edge in walk.edges if edge.child in versions and edge.parent < 0 and not edge.told_ms]
    named = view.named([*{*(node for node in walk.steps if node < 0), *(edge.parent for edge in birth)}])
    datasets = _datasets(birth, named)
    told = [node for node in walk.steps if node in versions or node in named]
    ends = set(told)
    return Trace(
        walk.direction,
        tuple(
            Traced(versions[node], walk.steps[node], walk.pointers.get(node, ()), tuple(datasets.get(node, ())))
            for node in told
            if node > 0
        ),
        tuple(edge for edge in walk.edges if edge.child in ends and edge.parent in ends),
        walk.cut,
        tuple(replace(named[node], depth=walk.steps[node]) for node in told if node < 0),
    )


def _datasets(birth: Sequence[Edge], named: Mapping[int, Named]) -> Mapping[int, Sequence[str]]:
    """The data sets that versions named when they were pushed."""
    found: dict[int, list[str]] = {}
    for edge in birth:
        if edge.parent in named and named[edge.parent].kind is NamedKind.DATASET:
            found.setdefault(edge.child, []).append(named[edge.parent].text)
    return found


def _with_manifests(house: House, trace: Trace, unread: int) -> Trace:
    """What only manifests tell of versions up to ``unread``, of the nearest ``TRACE_READ``."""
    old = [each.version for each in trace.versions if each.version.id <= unread][:TRACE_READ]
    if not old:
        return trace
    with house.catalog.read() as view:
        records = [view.version_by_id(each.id) for each in old]
    facts = {each.id: load_manifest(house, each).facts for each in records if each is not None}
    numbers = {each.version.id: (each.version.digest, each.version.number) for each in trace.versions}
    said = {
        (edge.child, edge.parent): _relation(facts[edge.child], numbers[edge.parent])
        for edge in trace.edges
        if edge.child in facts and edge.parent in numbers
    }
    return replace(
        trace,
        versions=tuple(
            replace(each, datasets=facts[each.version.id].datasets) if each.version.id in facts else each
            for each in trace.versions
        ),
        edges=with_relations(trace.edges, said),
    )


def _relation(facts: Facts, parent: tuple[str, int]) -> str:
    return next((each.relation for each in facts.parents if (each.digest, each.number) == parent), "")
