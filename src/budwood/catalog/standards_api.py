"""The part of the catalog's port that speaks of metadata standards, and of which facts a version was born with.

Manifests are the truth about facts; what stands here lets a transaction decide without reading them.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.domain.standard import Birth, StandardRecord


class StandardsView(Protocol):
    """What can be read about standards."""

    def standard(self, namespace: str) -> StandardRecord | None:
        """The one in force."""

    def standard_editions(self, namespace: str) -> Sequence[StandardRecord]:
        """Newest first, removed ones too."""

    def birth(self, version_id: int) -> Birth | None:
        """None for a version that was pushed before this was remembered."""


class StandardsTransaction(Protocol):
    """What can be changed about standards."""

    def add_standard(self, standard: StandardRecord) -> StandardRecord:
        """The standard with its id and number; an edition before it is no longer in force."""

    def remove_standard(self, namespace: str, *, at_ms: int) -> None: ...
    def put_birth(self, version_id: int, birth: Birth) -> None:
        """Goes when the version goes."""
