"""The family tree of a model's versions, laid out for reading from top to bottom: oldest first, parents above children.

A version with one child goes on in its column. Where it has several, the child with the most descendants goes on in
the column, last, and the others come before it, each one column further right with all that follows it:

    v1
    ├─ v3        another line from v1
    │  v5
    v2           the main line goes on
    v4

So the depth grows with the logarithm of the number of versions: ten thousand need at most thirteen columns.
A version with several parents stands once, below the first of them that is known here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.domain.records import VersionRecord


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree. ``depth`` is its column; ``opens`` when a new line begins there.

    ``parent`` is the id of the version above it in the tree, 0 for a root; ``also_from`` are ids of its other
    parents, those outside of the tree too.
    """

    version: VersionRecord
    depth: int = 0
    opens: bool = True
    parent: int = 0
    also_from: tuple[int, ...] = ()


def family_tree(versions: Sequence[VersionRecord], edges: Sequence[tuple[int, int]]) -> tuple[Branch, ...]:
    """Every version once. ``edges`` are (child id, parent id), the first declared parent of a child first."""
    by_id = {version.id: version for version in sorted(versions, key=lambda version: version.id)}
    declared: dict[int, list[int]] = defaultdict(list)
    for child, parent in dict.fromkeys(edges):
        if child in by_id and child != parent:
            declared[child].append(parent)
    above = _parent_of(by_id, declared)
    children: dict[int, list[int]] = defaultdict(list)
    for child in by_id:
        children[above[child]].append(child)
    sizes = _sizes(by_id, above)
    return tuple(
        Branch(
            version=by_id[line],
            depth=depth,
            opens=opens,
            parent=above[line],
            also_from=tuple(parent for parent in declared[line] if parent != above[line]),
        )
        for line, depth, opens in _lines(children, sizes)
    )


def _parent_of(by_id: Mapping[int, VersionRecord], declared: Mapping[int, Sequence[int]]) -> Mapping[int, int]:
    """The parent each version hangs below: the first declared that is older, so that no ring can close."""
    return {
        child: next((parent for parent in declared.get(child, ()) if parent in by_id and parent < child), 0)
        for child in by_id
    }


def _sizes(by_id: Mapping[int, VersionRecord], above: Mapping[int, int]) -> Mapping[int, int]:
    """How many versions hang below each, itself included. Children are newer, so newest first adds up."""
    sizes = dict.fromkeys(by_id, 1)
    for child in sorted(by_id, reverse=True):
        if above[child]:
            sizes[above[child]] += sizes[child]
    return sizes


def _lines(children: Mapping[int, Sequence[int]], sizes: Mapping[int, int]) -> list[tuple[int, int, bool]]:
    """(id, depth, opens) from top to bottom, without recursion: a line may be ten thousand versions long."""
    found: list[tuple[int, int, bool]] = []
    waiting = [(root, 0, True) for root in reversed(children.get(0, ()))]
    while waiting:
        line, depth, opens = waiting.pop()
        found.append((line, depth, opens))
        below = children.get(line, ())
        if below:
            trunk = max(below, key=lambda child: (sizes[child], child))
            waiting.append((trunk, depth, False))
            waiting += [(child, depth + 1, True) for child in reversed(below) if child != trunk]
    return found
