"""trace: where a version came from, or what came of it, across models, as far as the caller may read."""

from collections.abc import Sequence
from dataclasses import replace

from budwood.catalog.api import View
from budwood.domain.facts import Facts
from budwood.domain.limits import TRACE_DEPTH, TRACE_READ, TRACE_VERSIONS
from budwood.domain.records import VersionRecord
from budwood.domain.trace import Direction, Edge, Trace, Traced
from budwood.errors import BadValue, LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.resolve import resolve


def trace(house: House, reference: str, direction: Direction, *, depth: int = TRACE_DEPTH) -> Trace:
    """Nearest first. Relations and data are read for the nearest ``TRACE_READ`` versions.

    Raises BadReference, NotFound, LimitExceeded.
    """
    if not 1 <= depth <= TRACE_DEPTH:
        raise LimitExceeded(f"A trace goes 1 to {TRACE_DEPTH} steps, not {depth}.", limit="TRACE_DEPTH")
    with house.catalog.read() as view:
        found = _walked(view, resolve(view, reference), direction, depth)
    return _with_facts(house, found)


def parse_direction(text: str) -> Direction:
    """Raises BadValue."""
    try:
        return Direction(text)
    except ValueError as error:
        raise BadValue(f"{text[:80]!r} is no direction.", hint="It is up or down.") from error


def _walked(view: View, start: VersionRecord, direction: Direction, depth: int) -> Trace:
    """Breadth first, each version once."""
    seen = {start.id: Traced(start, 0, _pointers(view, start))}
    edges: dict[tuple[int, int], None] = {}
    level, cut = [start], False
    for step in range(1, depth + 1):
        following: list[VersionRecord] = []
        for version in level:
            for other in _next(view, version, direction):
                child, parent = (version, other) if direction is Direction.UP else (other, version)
                if other.id not in seen:
                    if len(seen) >= TRACE_VERSIONS:
                        cut = True
                        continue
                    seen[other.id] = Traced(other, step, _pointers(view, other))
                    following.append(other)
                edges[(child.id, parent.id)] = None
        level = following
    cut = cut or any(_next(view, version, direction) for version in level)
    return Trace(direction, tuple(seen.values()), tuple(Edge(*pair) for pair in edges), cut)


def _next(view: View, version: VersionRecord, direction: Direction) -> Sequence[VersionRecord]:
    return view.parents(version.id) if direction is Direction.UP else view.children(version.id)


def _pointers(view: View, version: VersionRecord) -> tuple[str, ...]:
    """Aliases and stages that point at it, but for the stage everything begins in."""
    here = (move.pointer for move in view.pointers(version.model_id) if move.version_id == version.id)
    return tuple(pointer.removeprefix("stage:") for pointer in here if pointer != "stage:development")


def _with_facts(house: House, trace: Trace) -> Trace:
    """What manifests alone tell: how a child came from its parents, and from which data."""
    facts = {each.version.id: load_manifest(house, each.version).facts for each in trace.versions[:TRACE_READ]}
    numbers = {each.version.id: (each.version.digest, each.version.number) for each in trace.versions}
    return replace(
        trace,
        versions=tuple(
            replace(each, datasets=facts[each.version.id].datasets) if each.version.id in facts else each
            for each in trace.versions
        ),
        edges=tuple(
            replace(edge, relation=_relation(facts.get(edge.child), numbers[edge.parent])) for edge in trace.edges
        ),
    )


def _relation(facts: Facts | None, parent: tuple[str, int]) -> str:
    said = facts.parents if facts is not None else ()
    return next((each.relation for each in said if (each.digest, each.number) == parent), "")
