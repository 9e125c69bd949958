"""The part of the catalog's port that speaks of storage tiers: policies, where versions lie, and how often they are
pulled.

A policy has editions, which stay. What says where a version lies goes with the version.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.domain.manifest import BlockId
from budwood.domain.storage_tiers.values import TieringRecord, TierState, VersionUse
from budwood.store.api import BlockRow


class StorageTiersView(Protocol):
    """What can be read about storage tiers."""

    def tiering(self, namespace: str) -> TieringRecord | None:
        """The edition in force; one with an empty text took the policy away."""

    def tiering_anywhere(self) -> bool:
        """Whether any namespace ever had a policy."""

    def tier_state(self, version_id: int) -> TierState | None:
        """The tier a version was last brought to."""

    def version_use(self, version_id: int) -> VersionUse | None:
        """How often it was pulled, since somebody counts."""

    def leaning_on(self, ids: Sequence[BlockId]) -> Sequence[BlockRow]:
        """The rows in force that lean on these blocks: differences, and what is derived."""


class StorageTiersTransaction(Protocol):
    """What can be changed about storage tiers."""

    def add_tiering(self, tiering: TieringRecord) -> TieringRecord:
        """The policy with its number; it is in force from now on."""

    def put_tier_state(self, state: TierState) -> None: ...
    def note_use(self, version_id: int, *, at_ms: int) -> None:
        """It was pulled once more."""
