"""The part of the catalog's port that finds versions whose tensors may be what others are functions of.

A probe is a number that a version's prints foretell of its copies (store/fingerprints.py). It proposes, nothing more.
"""

from collections.abc import Sequence
from typing import Protocol

from budwood.catalog.people_api import Reach
from budwood.domain.manifest import BlockId


class DerivedView(Protocol):
    """What can be read."""

    def probed(self, probes: Sequence[int], *, limit: int, reach: Reach = None) -> Sequence[int]:
        """The ids of versions with any of these probes, those with most of them first, then the newest."""


class DerivedTransaction(Protocol):
    """What can be written."""

    def add_probes(self, version_id: int, namespace: str, probes: Sequence[int]) -> None:
        """Beside those it has. They go when it goes."""

    def put_sketch(self, version_id: int, sketch: BlockId) -> None:
        """Another sketch in the place of the version's, such as one with prints."""
