"""The part of the catalog's port that speaks of listings: models and versions in another tool's words.

A model is found by its title, in its namespace; what begins at an id found so names no namespace again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.listing import ListedModel, ListedVersion, ListedWebhook, Named, Origin, Texts
from budwood.domain.names import Stage
from budwood.domain.tracking.filters import Comparison, Order


@dataclass(frozen=True, slots=True)
class ListingSearch:
    """What is looked for, in which order; without one in the order that the tool has for it."""

    comparisons: tuple[Comparison, ...] = ()
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedModels:
    """``token`` is empty at the end."""

    models: tuple[ListedModel, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class ListedVersions:
    """``token`` is empty at the end."""

    versions: tuple[ListedVersion, ...]
    token: str = ""


class ListingView(Protocol):
    """What can be read of listings."""

    def model_titled(self, namespace: str, title: str) -> ListedModel | None: ...
    def model_listed(self, model_id: int) -> ListedModel | None: ...
    def version_titled(self, namespace: str, title: str, number: int) -> ListedVersion | None: ...
    def version_listed(self, version_id: int) -> ListedVersion | None: ...
    def version_titled_at(self, namespace: str, title: str, pointer: str) -> ListedVersion | None:
        """What an alias or stage of the model points at."""

    def newest_in_stages(self, model_ids: Sequence[int]) -> Sequence[ListedVersion]:
        """For each model and stage the version with the highest number; by model, then by number."""

    def ids_in_stage(self, model_id: int, stage: Stage) -> Sequence[int]:
        """The versions of a model in that stage now, by number."""

    def find_models(self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100) -> ListedModels:
        """Raises BadValue for a token of another search."""

    def find_versions(
        self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100
    ) -> ListedVersions:
        """Raises BadValue for a token of another search."""

    def model_tags(self, model_ids: Sequence[int]) -> Mapping[int, Texts]: ...
    def version_texts(self, version_ids: Sequence[int]) -> Mapping[int, Texts]:
        """All tags of versions, short and long."""

    def names_of(self, model_ids: Sequence[int]) -> Sequence[Named]:
        """The aliases in force of models, stages not among them."""

    def webhook_listings(self, namespace: str) -> Sequence[ListedWebhook]: ...


class ListingTransaction(ListingView, Protocol):
    """What can be read and changed of listings."""

    def list_model(self, model_id: int, title: str, description: str, *, at_ms: int) -> None:
        """Every model has a listing from birth; its title is its name. Titles are checked before they come here."""

    def touch_model(self, model_id: int, title: str, *, at_ms: int) -> bool:
        """It changed in that moment. Whether it is there, with this title."""

    def list_version(self, version_id: int, description: str, origin: Origin, *, at_ms: int) -> None: ...
    def put_model_tags(self, model_id: int, tags: Texts) -> None: ...
    def remove_model_tag(self, model_id: int, key: str) -> None: ...
    def put_version_texts(self, version_id: int, tags: Texts, *, author: str, at_ms: int) -> None:
        """Tags of any length and name: what our own search can find is kept where it looks."""

    def remove_version_text(self, version_id: int, key: str) -> None: ...
    def change_webhook_secret(self, webhook_id: int, secret: bytes) -> None: ...
    def list_webhook(self, webhook_id: int, title: str, description: str, events: str, *, at_ms: int) -> None: ...
