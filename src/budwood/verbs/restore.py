"""restore: make a registry from a backup, in an empty place, once every byte of the backup has been verified."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from budwood.catalog.api import Transaction, View
from budwood.domain.results import Restored
from budwood.errors import BackupDamaged, Held, RegistryNotEmpty, StorageFailed, TooNew, TooOld
from budwood.store.api import Progress
from budwood.store.archive import STEP, FileMark, Record, mark_of, read_record, read_table
from budwood.store.packs import pack_key
from budwood.verbs.house import House


def restore(house: House, folder: Path, *, place: str = "", progress: Progress = lambda _: None) -> Restored:
    """``house`` must hold no model yet. Nothing can be seen there before all is done; when it is interrupted, the
    packs that were copied are swept, or used when it is run again.

    Raises NoBackup, BackupDamaged, TooNew, TooOld, RegistryNotEmpty, Held, StorageFull, StorageFailed.
    """
    began_ms = house.clock()
    record = read_record(folder)
    try:
        with house.catalog.read() as view:
            _check_target(view, record)
        _verify(house, folder, record, progress)
        for mark in record.packs:
            _copy(house, folder / "packs" / f"{mark.name}.pack", mark)
            progress(mark.size)
        house.catalog.write(lambda transaction: _fill(transaction, folder, record))
    except OSError as error:
        raise StorageFailed(f"The backup in {folder} cannot be read: {error.strerror}.", path=str(folder)) from error
    return Restored(
        place=place,
        made_ms=record.made_ms,
        versions=record.versions,
        packs=len(record.packs),
        size=sum(mark.size for mark in record.packs),
        seconds=(house.clock() - began_ms) / 1000,
    )


def _check_target(view: View, record: Record) -> None:
    if view.models(limit=1):
        hint = "Restore into a new folder or an empty database; a live registry is never overwritten."
        raise RegistryNotEmpty("This registry already holds models.", hint=hint)
    if view.holds_anywhere():
        hint = "Restore into a new folder or an empty database; a backup's own holds come with it."
        raise Held("This registry is under a legal hold, which a backup would replace.", hint=hint)
    if record.revision > view.revision():
        raise TooNew(f"The backup has schema {record.revision}; this Budwood knows {view.revision()}.")
    if record.revision < view.revision():
        raise TooOld(
            f"The backup has schema {record.revision}, older than {view.revision()}.",
            hint="Restore it with the Budwood that made it, then upgrade that registry.",
        )


def _verify(house: House, folder: Path, record: Record, progress: Progress) -> None:
    """Every file is what the backup's record says, before anything is written."""
    marks = {folder / record.folder / f"{mark.name}.jsonl.zst": mark for mark in record.tables}
    marks |= {folder / "packs" / f"{mark.name}.pack": mark for mark in record.packs}

    def check(path: Path) -> None:
        try:
            found = mark_of(path, marks[path].name)
        except FileNotFoundError:
            raise BackupDamaged(f"{path} is missing.", path=str(path)) from None
        if (found.size, found.digest) != (marks[path].size, marks[path].digest):
            raise BackupDamaged(f"{path} is not what was backed up.", path=str(path))
        progress(found.size)

    with ThreadPoolExecutor(house.threads, "budwood-verify") as pool:
        for _ in pool.map(check, marks):
            pass


def _copy(house: House, path: Path, mark: FileMark) -> None:
    key = pack_key(mark.name)
    if house.objects.size(key) == mark.size:
        # An earlier try brought it; verify tells if it should be another.
        return
    with path.open("rb") as file, house.objects.create(key) as writer:
        while part := file.read(STEP):
            writer.append([part])
        writer.publish()


def _fill(transaction: Transaction, folder: Path, record: Record) -> None:
    shapes = {shape.name: shape for shape in transaction.shapes()}

    def rows(name: str) -> Iterator[Sequence[Any]]:
        return read_table(folder / record.folder / f"{name}.jsonl.zst", shapes[name])

    if [mark.name for mark in record.tables] != list(shapes):
        raise BackupDamaged("The backup holds other tables than a catalog has.", path=str(folder))
    transaction.fill(((mark.name, rows(mark.name)) for mark in record.tables), record.counters)
