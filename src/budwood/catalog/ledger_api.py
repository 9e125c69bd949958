"""The part of the catalog's port that keeps the ledger honest: leaves, what opens them, tiles, signed checkpoints.

``add_ledger`` writes an entry's leaf and openings with it (``domain/tree/leaf.py``). A leaf never changes. An opening
goes when a person is forgotten; a tile at the right edge grows until it is full; a checkpoint gains signatures, and of
old ones most go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from budwood.domain.records import LedgerEntry
from budwood.domain.tree.bundle import KeptOpening


@dataclass(frozen=True, slots=True)
class KeptLeaf:
    """The leaf of the entry with this sequence number: the bytes that are hashed."""

    sequence: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A signed note about the tree's first ``size`` leaves."""

    size: int
    note: bytes
    at_ms: int


class WrittenEntry(NamedTuple):
    """An entry and its leaf as they are kept: ``body`` is JSON. A row of a database costs nothing to be one."""

    sequence: int
    at_ms: int
    actor: str
    action: str
    subject: str
    namespace: str
    body: str
    leaf: bytes


class WrittenOpening(NamedTuple):
    """The same of an opening; ``value`` is JSON."""

    sequence: int
    field: str
    salt: bytes
    value: str


class LedgerView(Protocol):
    """What can be read beside the entries themselves. All of it is the whole registry's."""

    def leaf_count(self) -> int:
        """The highest sequence number that has a leaf."""

    def leaves(self, *, after: int = 0, limit: int = 1000) -> Sequence[KeptLeaf]:
        """By sequence, those above ``after``."""

    def openings(self, *, after: int, through: int) -> Sequence[KeptOpening]:
        """Of entries above ``after`` up to ``through``, by sequence and field."""

    def written(self, *, after: int = 0, limit: int = 1000) -> Sequence[WrittenEntry]:
        """Entries that have a leaf, by sequence, those above ``after``."""

    def written_openings(self, *, after: int, through: int) -> Sequence[WrittenOpening]:
        """Of entries above ``after`` up to ``through``, by sequence and field."""

    def openings_with(self, text: str, *, after: int = 0, limit: int = 1000) -> Sequence[KeptOpening]:
        """Those whose value holds the text somewhere, of entries above ``after``."""

    def tile(self, level: int, index: int) -> bytes:
        """Its hashes as they are now; empty when there is none."""

    def checkpoint(self) -> KeptCheckpoint | None:
        """The newest."""

    def checkpoints(self, *, after: int = 0, limit: int = 1000) -> Sequence[KeptCheckpoint]:
        """By size, those above ``after``."""


class LedgerTransaction(Protocol):
    """What can be written there."""

    def put_tile(self, level: int, index: int, body: bytes) -> None: ...
    def add_checkpoint(self, checkpoint: KeptCheckpoint) -> None: ...
    def change_checkpoint(self, checkpoint: KeptCheckpoint) -> bool:
        """Put its note in the place of the one of that size; whether there was one. For more signatures only."""

    def forget_checkpoints(self, sizes: Sequence[int]) -> None:
        """Old ones that nothing needs."""

    def forget_openings(self, openings: Sequence[KeptOpening]) -> None:
        """Delete them; their leaves stay."""

    def blank_entry(self, entry: LedgerEntry) -> None:
        """Put actor, subject and body of an entry in the place of those there; for what was forgotten only."""
