"""Where a registry is: in this process (near.py) or behind a URL (far/). Both answer the same, with the same errors.

Push, pull and reading tensors are not here: they run where the files are, on the place's ``work``.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from budwood.domain.change import Change
from budwood.domain.records import LedgerEntry, ModelRecord, Tag, VersionRecord
from budwood.domain.results import (
    Exported,
    Family,
    Imported,
    ModelSummary,
    Moved,
    Swept,
    Usage,
    Verified,
    VersionDetail,
    VersionPage,
)
from budwood.domain.trace import Trace
from budwood.store.api import Progress
from budwood.verbs.workplace import Workplace

if TYPE_CHECKING:
    from budwood.domain.routes.route import Route


class Place(Protocol):
    """The verbs, as methods; each is documented where it is done, in ``verbs/``."""

    @property
    def name(self) -> str:
        """A folder or a URL, as people are told it."""

    @property
    def made(self) -> bool:
        """Whether it was made just now, by opening it."""

    @property
    def work(self) -> Workplace:
        """What push, pull and reading are given."""

    def get(self, reference: str) -> VersionRecord: ...
    def show(self, reference: str) -> VersionDetail: ...
    def list_models(self, *, after: str, limit: int) -> tuple[ModelSummary, ...]: ...
    def search(self, text: str, *, cursor: str, limit: int) -> VersionPage: ...
    def log(self, model: str, *, before: int, limit: int) -> Family: ...
    def diff(self, before: str, after: str, *, measured: bool, progress: Progress) -> Change: ...
    def trace(self, reference: str, direction: str, *, depth: int) -> Trace: ...
    def tag(self, reference: str, put: Mapping[str, str], remove: Sequence[str]) -> tuple[Tag, ...]: ...
    def alias(self, reference: str, name: str) -> Moved: ...
    def remove_alias(self, model: str, name: str) -> Moved: ...
    def stage(self, reference: str, to: str) -> Moved: ...
    def roll_back(self, model: str, pointer: str) -> Moved: ...
    def retire(self, reference: str, reason: str) -> VersionRecord: ...
    def delete(self, reference: str) -> VersionRecord: ...
    def delete_model(self, model: str) -> ModelRecord: ...
    def verify(self, *, read_data: bool, progress: Progress) -> Verified: ...
    def rebuild_index(self) -> int: ...
    def sweep(self, *, dry_run: bool, grace_s: float | None) -> Swept: ...
    def stats(self) -> Usage: ...
    def export(self, references: Sequence[str], path: Path, *, progress: Progress) -> Exported: ...
    def import_bundle(self, path: Path, *, progress: Progress) -> Imported: ...
    def ledger(self, *, after: int, limit: int, subject: str) -> Sequence[LedgerEntry]: ...
    def ask(
        self,
        route: "Route",
        holes: Mapping[str, str] = ...,
        *,
        query: object = None,
        body: object = None,
        expected: str = "",
    ) -> Any:
        """What a route about people answers (``verbs/by_route``). ``expected``: the mark a change is based on."""

    def put_artifact(self, namespace: str, path: str, file: Path) -> None:
        """Keep a file under a path below the namespace, in the place of what was there."""

    def artifact(self, namespace: str, path: str) -> Iterator[bytes]:
        """Its bytes, in pieces, verified as they leave the store."""

    def close(self) -> None: ...
