"""Proofs: that a leaf is in a tree, and that one tree is the beginning of another (RFC 9162, section 2.1).

A proof is a few hashes. It is made from tiles, and checked against the sizes and roots of signed checkpoints; a size
that no checkpoint vouches for must not be used, because one list of hashes may fit trees of neighbouring sizes.
Checking does at most two hashes for each of at most 54 given, whatever is sent.
"""

from collections.abc import Iterator, Sequence

from budwood.domain.limits import LEDGER_ENTRIES
from budwood.domain.tree.hashes import EMPTY_ROOT, HASH_BYTES, Frontier, fold, node_hash, perfect_root
from budwood.domain.tree.tiles import TILE_HEIGHT, TILE_WIDTH, ReadTile, TilePlace, place_at, split_tile

Proof = tuple[bytes, ...]


def inclusion_proof(index: int, size: int, read: ReadTile) -> Proof:
    """That the leaf at ``index`` is in the tree of ``size`` leaves. Raises ValueError when it is not."""
    if not 0 <= index < size <= LEDGER_ENTRIES:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    rows = _Rows(size, read)
    return tuple(rows.root(first, end) for first, end in reversed(list(_siblings(index, size))))


def consistency_proof(before: int, after: int, read: ReadTile) -> Proof:
    """That the tree of ``before`` leaves is the beginning of the one of ``after``. Raises ValueError when larger."""
    if not 0 <= before <= after <= LEDGER_ENTRIES:
        raise ValueError(f"a tree of {before} leaves is no beginning of one of {after}")
    if before in (0, after):
        return ()
    rows = _Rows(after, read)
    return tuple(rows.root(first, end) for first, end in reversed(list(_steps(before, after))))


def frontier_at(size: int, read: ReadTile) -> Frontier:
    """The right edge of a tree, from its tiles; its root is the tree's."""
    rows = _Rows(size, read)
    return Frontier(size, tuple(rows.perfect(first, height) for first, height in _peaks(0, size)))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf hash at this index to the root of that size."""
    if not (0 <= index < size <= LEDGER_ENTRIES and _well_formed(proof, leaf, root)):
        return False
    at, last, reached = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(step, reached)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == root


def verify_consistency(before: int, after: int, proof: Sequence[bytes], root_before: bytes, root_after: bytes) -> bool:
    """Whether the proof leads to both roots, so that nothing of the earlier tree was changed."""
    if not (0 <= before <= after <= LEDGER_ENTRIES and _well_formed(proof, root_before, root_after)):
        return False
    if before in (0, after):
        # Everything begins with the empty tree, and every tree with itself.
        expected = EMPTY_ROOT if before == 0 else root_after
        return not proof and root_before == expected and (after > 0 or root_after == EMPTY_ROOT)
    # The old tree, when perfect, is a node of the new one and is not sent.
    steps = [root_before, *proof] if before & (before - 1) == 0 else list(proof)
    at, last = before - 1, after - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not steps:
        return False
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, step)
        at, last = at >> 1, last >> 1
    return last == 0 and old == root_before and new == root_after


def _well_formed(proof: Sequence[bytes], *others: bytes) -> bool:
    # A path is as long as the tree is high, and a consistency proof one longer at most.
    return len(proof) <= LEDGER_ENTRIES.bit_length() and all(len(one) == HASH_BYTES for one in (*proof, *others))


def _siblings(index: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges beside the way from the root down to a leaf."""
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            yield middle, end
            end = middle
        else:
            yield first, middle
            first = middle


def _steps(before: int, after: int) -> Iterator[tuple[int, int]]:
    """The ranges of a consistency proof, from the root down."""
    first, end = 0, after
    while end != before:
        middle = first + _split(end - first)
        if before <= middle:
            yield middle, end
            end = middle
        else:
            yield first, middle
            first = middle
    if first > 0:
        yield first, end


def _split(count: int) -> int:
    """The largest power of two below."""
    return 1 << (count - 1).bit_length() - 1


def _peaks(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees of a range that begins at a multiple of the largest of them: (first leaf, height)."""
    count = end - first
    while count:
        height = count.bit_length() - 1
        yield first, height
        first, count = first + (1 << height), count - (1 << height)


class _Rows:
    """The nodes of one tree, computed from tiles that are read once each."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self._size = size
        self._read = read
        self._kept: dict[TilePlace, list[bytes]] = {}

    def root(self, first: int, end: int) -> bytes:
        return fold([self.perfect(start, height) for start, height in _peaks(first, end)])

    def perfect(self, first: int, height: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        index, start = divmod(first >> TILE_HEIGHT * level, TILE_WIDTH)
        return perfect_root(self._tile(place_at(level, index, self._size))[start : start + (1 << within)])

    def _tile(self, place: TilePlace) -> list[bytes]:
        if place not in self._kept:
            self._kept[place] = split_tile(place, self._read(place))
        return self._kept[place]
