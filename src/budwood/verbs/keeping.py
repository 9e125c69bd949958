"""Taking in a file of a run or logged model: from a scratch file to blocks in packs, and one row that names them.

The order is that of a push: lease, blocks durable, one transaction that re-checks and names them. A file of tensors
is kept as its difference from the nearest there is: a version, or a file like it that a run logged before.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.artifacts import StoredFile, artifact_path
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Facts
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import Manifest
from budwood.domain.records import VersionRecord
from budwood.errors import BudwoodError, LeaseLost, StorageFailed
from budwood.store.api import Reading
from budwood.store.bases import Bases
from budwood.store.gather import DiskFile, gather
from budwood.store.readings import read_files
from budwood.store.write import BlockWriter, Kept
from budwood.verbs.artifacts import check_writable
from budwood.verbs.attached import Writing
from budwood.verbs.choose_base import LIKE_CANDIDATES, Chosen, FileTensors, choose_base
from budwood.verbs.house import House
from budwood.verbs.lease import Held

TRIES: Final = 3
LIKE_FILES: Final = 2
WHOLE_FILES: Final = "artifacts"


@dataclass(frozen=True, slots=True)
class _Written:
    """A file whose bytes are durable."""

    entry: FileEntry
    reading: Reading
    structure: str
    writing: Writing


def keep_file(house: House, namespace: str, path: str, scratch: Path) -> StoredFile:
    """Keep what lies at ``scratch`` under ``path``, in the place of what was there. Scratch is left alone.

    Raises BadValue, NamespaceNotFound, QuotaExceeded, LeaseLost, StorageFull, StorageFailed.
    """
    wanted = artifact_path(path)
    check_writable(wanted)
    (file,) = gather([scratch])
    for last in range(TRIES):
        try:
            return _attempt(house, namespace, wanted, file)
        except LeaseLost:
            # A sweep condemned a block this file shares: what was shared is written anew.
            if last == TRIES - 1:
                raise
    raise AssertionError("unreachable")


@contextmanager
def spooled(house: House) -> Iterator[Path]:
    """An empty file in scratch for what comes in; it is gone afterwards. Raises StorageFailed."""
    path = scratch_folder(house) / house.ids()
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be made: {error.strerror}.", path=str(path)) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def scratch_folder(house: House, name: str = WHOLE_FILES) -> Path:
    """A folder of our own for what comes in. Raises StorageFailed."""
    folder = (house.scratch or _own_folder()) / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror}.", path=str(folder)) from error
    return folder


@cache
def _own_folder() -> Path:
    """Of this process, for a registry in memory."""
    return Path(tempfile.mkdtemp(prefix="budwood-"))


def _attempt(house: House, namespace: str, path: str, file: DiskFile) -> StoredFile:
    written = _write(house, namespace, path, file)
    now = house.clock()
    lease = written.writing.lease
    assert lease is not None
    entry, reading = written.entry, written.reading
    new = StoredFile(0, namespace, path, entry, reading.facts, house.author, now, written.structure)

    def work(transaction: Transaction) -> StoredFile:
        written.writing.publish(transaction, house, namespace)
        return transaction.put_stored_file(new)

    try:
        return house.catalog.write(work)
    except BaseException:
        with suppress(BudwoodError):
            lease.drop()
        raise


def _write(house: House, namespace: str, path: str, file: DiskFile) -> _Written:
    lease = Held(house, f"artifact {namespace}/{path}"[:200], namespace=namespace)
    try:
        ((_, reading),) = read_files([_named(file, path)])
        chosen = _chosen(house, namespace, file, reading)
        threads = house.threads if file.size > BLOCK_BYTES else 1
        with BlockWriter(
            house.objects,
            house.index,
            lease.new_pack_name,
            threads=threads,
            bases=chosen.bases,
            known=chosen.known,
            progress=lambda _: lease.keep_alive(),
        ) as writer:
            (entry,) = writer.write_files([(_named(file, path), reading)])
            kept: Kept = writer.finish()
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            lease.drop()
        raise
    return _Written(entry, reading, chosen.structure, Writing((), kept, lease))


def _named(file: DiskFile, path: str) -> "_Renamed":
    return _Renamed(path.rpartition("/")[2], file.folder, file.packed, False, file.real_path)


@dataclass(frozen=True, slots=True)
class _Renamed(DiskFile):
    """A file that is called otherwise here than where it goes; readers tell formats by names."""

    lies_at: Path

    @property
    def real_path(self) -> Path:
        return self.lies_at


def _chosen(house: House, namespace: str, file: DiskFile, reading: Reading) -> Chosen:
    """What the file may be kept as a difference from; of versions, those of its own namespace."""
    typed = tuple(hint for hint in reading.hints if hint.dtype)
    if not typed:
        return Chosen(Bases({}), {}, "", b"")
    reach = frozenset({namespace})

    def ask(structure: str, _: Sequence[int]) -> Sequence[VersionRecord]:
        with house.catalog.read() as view:
            return view.versions_of_structure(structure, limit=LIKE_CANDIDATES, reach=reach)

    chosen = choose_base(house, [FileTensors(file, typed)], (), ask, {file.size})
    if not chosen.structure:
        return chosen
    with house.catalog.read() as view:
        like = view.stored_files_like(namespace, chosen.structure, limit=LIKE_FILES)
    # The same file again takes its SHA-256 from there.
    known = {
        (each.entry.size, tuple(b for s in each.entry.spans for b in s.blocks)): each.entry.sha256 for each in like
    }
    bases = chosen.bases
    if not bases.spans and like:
        bases = Bases.of([Manifest(tuple(each.entry for each in like), Facts())])
    return Chosen(bases, {**chosen.known, **known}, chosen.structure, chosen.sketch)
