"""What a walk needs of a place that holds traces and what judges them; beside ``reader``, and under the same rules."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from budwood.domain.carrying.traced import CarriedDataset, CarriedRecord, CarriedTrace, Judged


class TracedReader(Protocol):
    """Raises ServerUnreachable, Malformed and whatever the place gives. A place that is older than one of these things
    has none of them."""

    def traces(self, experiment: str) -> Iterator[CarriedTrace]:
        """Without their spans."""

    def spans(self, trace: CarriedTrace) -> Sequence[str]:
        """As ``domain.traces.stored`` writes them."""

    def linked(self, experiment: str, run: str) -> Sequence[str]:
        """The traces of an experiment that were linked to a run by hand, and maybe those that name it; sorted."""

    def datasets(self) -> Iterator[CarriedDataset]:
        """Without their records."""

    def records(self, dataset: CarriedDataset) -> Iterator[CarriedRecord]:
        """In the order they came."""

    def judging(self, experiment: str) -> Sequence[Judged]:
        """All that judges in it, without label schemas that nobody made."""
