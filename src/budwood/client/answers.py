"""What a registry answers with where a notebook shows it as a table: pages of versions, models, differences."""

from collections.abc import Iterator
from dataclasses import dataclass

from budwood.client.version import Version
from budwood.domain.change import Change
from budwood.domain.results import ModelSummary


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some versions that match, and the cursor to go on from (empty at the end)."""

    versions: tuple[Version, ...]
    cursor: str = ""

    def __iter__(self) -> Iterator[Version]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)

    def _repr_html_(self) -> str:
        from budwood.client.html import versions_html

        return versions_html([version.record for version in self.versions])


class Models(tuple[ModelSummary, ...]):
    """Some models, one line each."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from budwood.client.html import models_html

        return models_html(self)


@dataclass(frozen=True, slots=True)
class Difference(Change):
    """What changed between two versions; in a notebook, as tables."""

    def _repr_html_(self) -> str:
        from budwood.client.html import change_html

        return change_html(self)
