"""The part of the catalog's port that speaks of files that are no version's yet, and of logged models.

A file is found by its namespace and path, a logged model by its namespace and id.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from budwood.domain.artifacts import Listed, LoggedModel, ModelSaid, StoredFile
from budwood.domain.tracking.records import RunMetric


class ArtifactsView(Protocol):
    """What can be read of files and logged models. Deleted models are found, too."""

    def stored_file(self, namespace: str, path: str) -> StoredFile | None: ...
    def stored_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[StoredFile]:
        """By path, those in this folder and its folders, behind the path ``after``; "" is all of the namespace."""

    def listed_files(self, namespace: str, below: str, *, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        """The same with path and size alone."""

    def all_stored_files(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[StoredFile]:
        """Of the whole registry by id, those above ``after_id``: for sweep, verify and rebuilding an index."""

    def stored_files_like(self, namespace: str, structure: str, *, limit: int) -> Sequence[StoredFile]:
        """Files with tensors of these names, dtypes and shapes, newest first."""

    def logged_model(self, namespace: str, model: str) -> LoggedModel | None: ...
    def logged_model_is_known(self, model: str) -> bool:
        """Whether the id is taken, wherever."""

    def logged_models(self, experiment_ids: Sequence[int], *, limit: int) -> Sequence[LoggedModel]:
        """Those not deleted, newest first in each experiment."""

    def said_of(self, models: Sequence[LoggedModel]) -> Sequence[ModelSaid]:
        """What was said of each, in the order of ``models``."""


class ArtifactsTransaction(Protocol):
    """What can be changed of them. Paths, names and values are checked before they come here."""

    def put_stored_file(self, file: StoredFile) -> StoredFile:
        """With a new id, in the place of the one at this path."""

    def remove_stored_files(self, namespace: str, path: str) -> int:
        """The file at the path, or all below it; "" is all of the namespace. How many there were."""

    def add_logged_model(self, model: LoggedModel) -> LoggedModel:
        """With its id."""

    def change_logged_model(self, model: LoggedModel) -> None:
        """Its name, status, times."""

    def forget_logged_models(self, namespace: str) -> None:
        """All of a namespace, for good."""

    def put_logged_tags(self, model_id: int, tags: Mapping[str, str]) -> None: ...
    def remove_logged_tag(self, model_id: int, key: str) -> bool:
        """Whether there was one."""

    def put_logged_params(self, model_id: int, params: Mapping[str, str]) -> None: ...
    def put_logged_metrics(self, model_id: int, metrics: Sequence[RunMetric]) -> None:
        """Each in the place of an older one of the same key, run and dataset."""
