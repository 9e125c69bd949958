"""backup: copy the catalog, as it is at one moment, and every pack it names, while the registry is in use.

A lease says that a backup runs; while it lives no sweep deletes a pack. Then the catalog is read in one snapshot,
and the packs that snapshot names are copied. A folder that holds an earlier backup gets only what is new.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from budwood.catalog.api import View
from budwood.domain.results import BackedUp
from budwood.errors import NoBackup, RegistryBusy, StorageFailed, StorageFull, TargetDiffers
from budwood.store.api import Progress
from budwood.store.archive import (
    FORMAT,
    RECORD,
    STEP,
    FileMark,
    Record,
    read_record,
    sync_folder,
    write_bytes,
    write_record,
    write_table,
)
from budwood.store.packs import pack_key
from budwood.verbs.house import House
from budwood.verbs.lease import BACKING_UP, SWEEPING, Held, is_held, leased


def backup(house: House, folder: Path, *, progress: Progress = lambda _: None) -> BackedUp:
    """``folder`` is new, empty, or holds an earlier backup, which stays whole until this one is.

    Raises TargetDiffers, BackupDamaged, PackDamaged, RegistryBusy beside a sweep, StorageFull, StorageFailed.
    """
    began_ms = house.clock()
    earlier = _earlier(folder)
    try:
        (folder / "packs").mkdir(parents=True, exist_ok=True, mode=0o700)
        with leased(house, BACKING_UP) as lease:
            if is_held(house, SWEEPING):
                raise RegistryBusy(
                    "A sweep is deleting packs.", hint="Try again when it is done, in ten minutes at most."
                )
            record, copied = _copy(house, folder, earlier, lease, began_ms, progress)
            write_record(folder, record)
            lease.drop()
        _forget_older(folder, record)
    except OSError as error:
        full = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageFailed
        raise full(f"The backup cannot be written to {folder}: {error.strerror}.", path=str(folder)) from error
    return BackedUp(
        path=str(folder),
        versions=record.versions,
        packs=len(record.packs),
        copied_packs=copied,
        size=sum(mark.size for mark in chain(record.packs, record.tables)),
        seconds=(house.clock() - began_ms) / 1000,
    )


def _earlier(folder: Path) -> Record | None:
    """The backup that lies there. Raises TargetDiffers when something else does, BackupDamaged."""
    try:
        return read_record(folder)
    except NoBackup:
        # A backup that was interrupted before it was ever complete left its folders.
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        if any(name != "packs" and not name.startswith(("catalog-", f".{RECORD}")) for name in names):
            raise TargetDiffers(f"{folder} holds something that is no backup.", path=str(folder)) from None
        return None


def _copy(
    house: House, folder: Path, earlier: Record | None, lease: Held, began_ms: int, progress: Progress
) -> tuple[Record, int]:
    tables = folder / f"catalog-{began_ms}"
    shutil.rmtree(tables, ignore_errors=True)
    tables.mkdir(mode=0o700)
    with house.catalog.read() as view:
        marks = tuple(_tables(view, tables))
        counters = dict(view.counters())
        versions = view.counts()["versions"]
        named = view.named_packs()
        revision = view.revision()
    sync_folder(tables)
    held = {mark.name: mark for mark in earlier.packs} if earlier else {}
    packs: list[FileMark] = []
    copied = 0
    for pack in named:
        mark = _kept(folder, held.get(pack))
        if mark is None:
            lease.keep_alive()
            mark = write_bytes(folder / "packs" / f"{pack}.pack", pack, _bytes_of(house, pack, progress))
            copied += 1
        packs.append(mark)
    sync_folder(folder / "packs")
    return Record(FORMAT, began_ms, revision, versions, tables.name, marks, counters, tuple(packs)), copied


def _tables(view: View, folder: Path) -> Iterator[FileMark]:
    for shape in view.shapes():
        rows = (row for page in view.dump(shape.name) for row in page)
        yield write_table(folder / f"{shape.name}.jsonl.zst", shape, rows)


def _kept(folder: Path, mark: FileMark | None) -> FileMark | None:
    """The mark of a pack that an earlier backup copied, if it still is as long as it was."""
    with suppress(OSError):
        if mark and (folder / "packs" / f"{mark.name}.pack").stat().st_size == mark.size:
            return mark
    return None


def _bytes_of(house: House, pack: str, progress: Progress) -> Iterator[bytes]:
    key = pack_key(pack)
    size = house.objects.size(key) or 0
    for offset in range(0, size, STEP):
        part = house.objects.read(key, offset, min(STEP, size - offset))
        yield part
        progress(len(part))


def _forget_older(folder: Path, record: Record) -> None:
    """What only earlier backups needed. Anything left here is taken away by the next one."""
    for path in folder.glob("catalog-*"):
        if path.name != record.folder:
            shutil.rmtree(path, ignore_errors=True)
    needed = {mark.name for mark in record.packs}
    for path in (folder / "packs").iterdir():
        if path.name.removesuffix(".pack") not in needed:
            with suppress(OSError):
                path.unlink()
