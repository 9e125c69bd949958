"""A registry behind a URL: every method is its route, asked of the server."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from budwood.client.far.transport import Transport
from budwood.client.holes import model_holes, version_holes
from budwood.domain import asks
from budwood.domain.access import Permission
from budwood.domain.change import Change
from budwood.domain.limits import REQUEST_TRIES
from budwood.domain.names import AliasName
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
from budwood.domain.routes import models, registry, versions
from budwood.domain.routes.route import Body, Route
from budwood.domain.trace import Trace
from budwood.errors import BadBundle, SourceNotFound, StorageFailed, Unavailable
from budwood.store.api import Progress
from budwood.store.bundle import BundleReader
from budwood.verbs.workplace import Workplace

STEP: Final = 1 << 20


class Far:
    """``client.place.Place`` over a transport. ``work`` is what push and pull are given."""

    made = False

    def __init__(self, transport: Transport, work: Workplace) -> None:
        self._transport = transport
        self.work = work

    @property
    def name(self) -> str:
        return self._transport.url

    def get(self, reference: str) -> VersionRecord:
        found: VersionRecord = self._transport.call(versions.GET, version_holes(reference))
        return found

    def show(self, reference: str) -> VersionDetail:
        shown: VersionDetail = self._transport.call(versions.SHOW, version_holes(reference))
        return shown

    def list_models(self, *, after: str, limit: int) -> tuple[ModelSummary, ...]:
        page: asks.ModelPage = self._transport.call(models.LIST, query=asks.ListModels(after, limit))
        return page.models

    def search(self, text: str, *, cursor: str, limit: int) -> VersionPage:
        page: VersionPage = self._transport.call(models.SEARCH, query=asks.Search(text, cursor, limit))
        return page

    def log(self, model: str, *, before: int, limit: int) -> Family:
        family: Family = self._transport.call(models.LOG, model_holes(model), query=asks.ReadLog(before, limit))
        return family

    def diff(self, before: str, after: str, *, measured: bool, progress: Progress) -> Change:
        change: Change = self._transport.call(models.DIFF, query=asks.Compare(before, after, measured), long=True)
        return change

    def trace(self, reference: str, direction: str, *, depth: int) -> Trace:
        query = asks.ReadTrace(direction, depth)
        traced: Trace = self._transport.call(versions.TRACE, version_holes(reference), query=query)
        return traced

    def tag(self, reference: str, put: Mapping[str, str], remove: Sequence[str]) -> tuple[Tag, ...]:
        wanted = asks.ChangeTags(dict(put), tuple(remove))
        kept: asks.Tags = self._transport.call(versions.CHANGE_TAGS, version_holes(reference), body=wanted)
        return kept.tags

    def alias(self, reference: str, name: str) -> Moved:
        holes = version_holes(reference)
        wanted = asks.SetAlias(holes.pop("selector"))
        moved: Moved = self._transport.call(models.SET_ALIAS, {**holes, "alias": AliasName(name)}, body=wanted)
        return moved

    def remove_alias(self, model: str, name: str) -> Moved:
        moved: Moved = self._transport.call(models.REMOVE_ALIAS, {**model_holes(model), "alias": AliasName(name)})
        return moved

    def stage(self, reference: str, to: str) -> Moved:
        moved: Moved = self._transport.call(versions.STAGE, version_holes(reference), body=asks.SetStage(to))
        return moved

    def roll_back(self, model: str, pointer: str) -> Moved:
        moved: Moved = self._transport.call(models.ROLL_BACK, model_holes(model), body=asks.RollBack(pointer))
        return moved

    def retire(self, reference: str, reason: str) -> VersionRecord:
        retired: VersionRecord = self._transport.call(
            versions.RETIRE, version_holes(reference), body=asks.Retire(reason)
        )
        return retired

    def delete(self, reference: str) -> VersionRecord:
        gone: VersionRecord = self._transport.call(versions.DELETE, version_holes(reference))
        return gone

    def delete_model(self, model: str) -> ModelRecord:
        gone: ModelRecord = self._transport.call(models.DELETE, model_holes(model))
        return gone

    def verify(self, *, read_data: bool, progress: Progress) -> Verified:
        verified: Verified = self._transport.call(registry.VERIFY, body=asks.Verify(read_data), long=True)
        return verified

    def rebuild_index(self) -> int:
        rebuilt: asks.RebuiltIndex = self._transport.call(registry.REBUILD, long=True)
        return rebuilt.blocks

    def sweep(self, *, dry_run: bool, grace_s: float | None) -> Swept:
        swept: Swept = self._transport.call(registry.SWEEP, body=asks.Sweep(dry_run, grace_s), long=True)
        return swept

    def stats(self) -> Usage:
        usage: Usage = self._transport.call(registry.STATS, long=True)
        return usage

    def export(self, references: Sequence[str], path: Path, *, progress: Progress) -> Exported:
        """Write what the server sends beside its place, look at it as import would, and put it there."""
        part = path.parent / f".{self.work.ids()}.part"
        try:
            with part.open("xb") as file:
                with self._transport.stream(registry.EXPORT, query=asks.Export(tuple(references))) as answer:
                    for chunk in answer.stream(STEP):
                        file.write(chunk)
                        progress(len(chunk))
                file.flush()
                os.fsync(file.fileno())
            exported = _looked_at(part, path)
            part.replace(path)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return exported

    def import_bundle(self, path: Path, *, progress: Progress) -> Imported:
        if not path.exists():
            raise SourceNotFound(f"There is no file {str(path)!r}.", path=str(path))
        if not path.is_file():
            raise BadBundle(f"{str(path)!r} is not a file.", path=str(path))
        try:
            size = path.stat().st_size
            imported: Imported = self._transport.upload(registry.IMPORT, _chunks(path, progress), size)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
        return imported

    def ledger(self, *, after: int, limit: int, subject: str) -> Sequence[LedgerEntry]:
        page: asks.LedgerPage = self._transport.call(registry.LEDGER, query=asks.ReadLedger(after, limit, subject))
        return page.entries

    def ask(
        self,
        route: Route,
        holes: Mapping[str, str] = MappingProxyType({}),
        *,
        query: object = None,
        body: object = None,
        expected: str = "",
    ) -> Any:
        patient = route.reads or route.slow
        return self._transport.call(route, holes, query=query, body=body, etag=expected, long=patient)

    def put_artifact(self, namespace: str, path: str, file: Path) -> None:
        """By the address at which MLflow's clients send theirs; sent again when the connection breaks."""
        route = _artifact(namespace, path, "PUT", Permission.PUSH)
        for last in range(1, REQUEST_TRIES + 1):
            try:
                self._transport.upload(route, _chunks(file, lambda _: None), file.stat().st_size)
                return
            except Unavailable:
                if last == REQUEST_TRIES:
                    raise

    def artifact(self, namespace: str, path: str) -> Iterator[bytes]:
        with self._transport.stream(_artifact(namespace, path, "GET", Permission.READ)) as answer:
            yield from answer.stream(STEP)

    def close(self) -> None:
        self.work.objects.close()
        self._transport.close()


def _looked_at(part: Path, path: Path) -> Exported:
    """What was received, verified as an import would. Raises BadBundle, BundleDamaged."""
    with part.open("rb") as file, BundleReader(file) as bundle:
        bundle.check_sums()
        versions, blocks = len(bundle.contents.versions), len(bundle.blocks)
    with part.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Exported(str(path), versions, blocks, part.stat().st_size, sha256)


def _artifact(namespace: str, path: str, method: str, permission: Permission) -> Route:
    """An address of the face for MLflow, which takes and gives plain bytes."""
    address = f"/ns/{quote(namespace, safe='')}/api/2.0/mlflow-artifacts/artifacts/{quote(path, safe='/')}"
    return Route("mlflow.artifacts", method, address, permission, "A file.", takes=Body.BYTES, gives=Body.BYTES)


def _chunks(path: Path, progress: Progress) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(STEP):
            yield chunk
            progress(len(chunk))
