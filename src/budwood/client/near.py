"""A registry in this process: every method is its verb, asked of the house."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from budwood.domain.access import HOLDER
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
from budwood.store.cache import BlockCache
from budwood.verbs import browse
from budwood.verbs.alias import alias, remove_alias
from budwood.verbs.artifacts import find_entry, read_pieces
from budwood.verbs.delete import delete, delete_model
from budwood.verbs.desk import Home
from budwood.verbs.diff import diff
from budwood.verbs.export import export
from budwood.verbs.house import House
from budwood.verbs.import_bundle import import_bundle
from budwood.verbs.keeping import keep_file
from budwood.verbs.rebuild import rebuild_index
from budwood.verbs.retire import retire
from budwood.verbs.roll_back import roll_back
from budwood.verbs.stage import stage
from budwood.verbs.stats import stats
from budwood.verbs.sweep import sweep
from budwood.verbs.tag import tag
from budwood.verbs.trace import parse_direction, trace
from budwood.verbs.verify import verify

if TYPE_CHECKING:
    from budwood.domain.routes.route import Route


@dataclass(frozen=True, slots=True)
class Near:
    """``client.place.Place`` over a house. ``grace_s`` is the registry's setting for sweeps."""

    house: House
    name: str
    made: bool
    grace_s: float
    cache: BlockCache | None = None

    @property
    def work(self) -> Home:
        return Home(self.house, self.cache)

    def get(self, reference: str) -> VersionRecord:
        return browse.get(self.house, reference)

    def show(self, reference: str) -> VersionDetail:
        return browse.show(self.house, reference)

    def list_models(self, *, after: str, limit: int) -> tuple[ModelSummary, ...]:
        return browse.list_models(self.house, after=after, limit=limit)

    def search(self, text: str, *, cursor: str, limit: int) -> VersionPage:
        return browse.search(self.house, text, cursor=cursor, limit=limit)

    def log(self, model: str, *, before: int, limit: int) -> Family:
        return browse.log(self.house, model, before=before, limit=limit)

    def diff(self, before: str, after: str, *, measured: bool, progress: Progress) -> Change:
        return diff(self.house, before, after, measured=measured, progress=progress)

    def trace(self, reference: str, direction: str, *, depth: int) -> Trace:
        return trace(self.house, reference, parse_direction(direction), depth=depth)

    def tag(self, reference: str, put: Mapping[str, str], remove: Sequence[str]) -> tuple[Tag, ...]:
        return tag(self.house, reference, put, remove)

    def alias(self, reference: str, name: str) -> Moved:
        return alias(self.house, reference, name)

    def remove_alias(self, model: str, name: str) -> Moved:
        return remove_alias(self.house, model, name)

    def stage(self, reference: str, to: str) -> Moved:
        return stage(self.house, reference, to)

    def roll_back(self, model: str, pointer: str) -> Moved:
        return roll_back(self.house, model, pointer)

    def retire(self, reference: str, reason: str) -> VersionRecord:
        return retire(self.house, reference, reason)

    def delete(self, reference: str) -> VersionRecord:
        return delete(self.house, reference)

    def delete_model(self, model: str) -> ModelRecord:
        return delete_model(self.house, model)

    def verify(self, *, read_data: bool, progress: Progress) -> Verified:
        return verify(self.house, read_data=read_data, progress=progress)

    def rebuild_index(self) -> int:
        return rebuild_index(self.house)

    def sweep(self, *, dry_run: bool, grace_s: float | None) -> Swept:
        return sweep(self.house, dry_run=dry_run, grace_s=self.grace_s if grace_s is None else grace_s)

    def stats(self) -> Usage:
        return stats(self.house)

    def export(self, references: Sequence[str], path: Path, *, progress: Progress) -> Exported:
        return export(self.house, references, path, progress=progress)

    def import_bundle(self, path: Path, *, progress: Progress) -> Imported:
        return import_bundle(self.house, path, progress=progress)

    def ledger(self, *, after: int, limit: int, subject: str) -> Sequence[LedgerEntry]:
        return browse.ledger(self.house, after=after, limit=limit, subject=subject)

    def ask(
        self,
        route: "Route",
        holes: Mapping[str, str] = MappingProxyType({}),
        *,
        query: object = None,
        body: object = None,
        expected: str = "",
    ) -> Any:
        from budwood.verbs.by_route import DEEDS, Asked

        deed = DEEDS[route.name]
        secret = partial(secrets.token_urlsafe, 32)
        asked = Asked(self.house, self.house, HOLDER, holes, query, body, secret, expected)
        return deed.made(deed.run(asked))

    def put_artifact(self, namespace: str, path: str, file: Path) -> None:
        keep_file(self.house, namespace, path, file)

    def artifact(self, namespace: str, path: str) -> Iterator[bytes]:
        return read_pieces(self.house, find_entry(self.house, namespace, path))

    def close(self) -> None:
        self.house.close()
