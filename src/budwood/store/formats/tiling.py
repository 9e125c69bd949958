"""From what readers believe to what is certain: an exact tiling of a file, whatever the hints were.

Readers may be wrong and files may lie. ``tile`` is the one place that makes hints safe: what overlaps,
reaches out of the file or has no length is dropped, and the rest of the file becomes nameless gaps.
"""

from collections.abc import Iterable

from budwood.domain.limits import TENSORS_PER_FILE
from budwood.store.api import Hint


def tile(size: int, hints: Iterable[Hint]) -> tuple[Hint, ...]:
    """Spans that cover [0, size) exactly, in order; a gap is a Hint without a name."""
    tiles: list[Hint] = []
    at = 0
    for hint in disjoint(size, hints):
        if hint.offset > at:
            tiles.append(Hint(at, hint.offset - at, ""))
        tiles.append(hint)
        at = hint.offset + hint.length
    if at < size:
        tiles.append(Hint(at, size - at, ""))
    return tuple(tiles)


def disjoint(size: int, hints: Iterable[Hint]) -> tuple[Hint, ...]:
    """The hints that lie inside, in file order; of two that overlap the one that starts first, then the longer."""
    inside = [hint for hint in hints if 0 <= hint.offset < hint.offset + hint.length <= size]
    if len(inside) > TENSORS_PER_FILE:
        inside = sorted(inside, key=lambda hint: -hint.length)[:TENSORS_PER_FILE]
    kept: list[Hint] = []
    at = 0
    for hint in sorted(inside, key=lambda hint: (hint.offset, -hint.length)):
        if hint.offset >= at:
            kept.append(hint)
            at = hint.offset + hint.length
    return tuple(kept)
