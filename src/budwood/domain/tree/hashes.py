"""Hashes of a Merkle tree as in RFC 6962: leaves and nodes are told apart by their first byte.

A tree of n leaves splits at the largest power of two below n. So it is a row of perfect subtrees, the largest
first, whose sizes are the bits of n; their roots are its peaks, and are all one needs to go on appending.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: its size and the roots of its perfect subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError("a frontier has one peak for each bit of its size")

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """The frontier after these leaf hashes; costs about one node hash for each."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            size += 1
            joined = leaf
            # As in binary counting, a carry joins the two last subtrees of one size.
            for _ in range((size & -size).bit_length() - 1):
                joined = node_hash(peaks.pop(), joined)
            peaks.append(joined)
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The hash of the whole tree."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT


def leaf_hash(leaf: bytes) -> bytes:
    """Of the bytes of one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over neighbouring perfect subtrees, largest first; there must be one at least."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a perfect subtree from the hashes of one of its rows; their number is a power of two."""
    sha256, row = hashlib.sha256, hashes
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes, from nothing."""
    peaks, start = [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            peaks.append(perfect_root(leaves[start : start + (1 << bit)]))
            start += 1 << bit
    return fold(peaks) if peaks else EMPTY_ROOT
