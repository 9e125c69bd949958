"""Taking in a file of a run or logged model: from a scratch file to blocks in packs, and one row that names them.

The order is that of a push: lease, blocks durable, one transaction that re-checks and names them. A file of tensors
is kept as its difference from the nearest there is: a version, or a file like it that a run logged before. Where the
tensors of an ONNX model lie that keeps them beside itself says the model: the later of both files sees to it. A large
file is written to packs while it comes (``Ahead``); should that fail, it is read from scratch as any other.
"""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.artifacts import StoredFile, artifact_path
from budwood.domain.entries import FileEntry
from budwood.domain.facts import Facts
from budwood.domain.limits import ARTIFACTS_AHEAD, BLOCK_BYTES, SNIFF_BYTES
from budwood.domain.manifest import Manifest
from budwood.domain.records import VersionRecord
from budwood.errors import BudwoodError, FileChanged, LeaseLost, LimitExceeded, StorageFailed
from budwood.store.api import Reading
from budwood.store.bases import Bases
from budwood.store.coming import Arrival, ComingFile
from budwood.store.formats import is_claimed
from budwood.store.gather import DiskFile, gather
from budwood.store.readings import read_files
from budwood.store.write import BlockWriter, Kept
from budwood.verbs.artifacts import check_writable, read_pieces
from budwood.verbs.attached import Writing
from budwood.verbs.beside import told_beside, untold_beside
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


class Ahead:
    """A file that goes into packs while it still comes; ``begin_ahead`` makes one. Whoever writes it to scratch says
    how far it is, and at the end gives it to ``keep_file`` or calls ``abandon``."""

    def __init__(self, house: House, namespace: str, path: str, scratch: Path, arrival: Arrival) -> None:
        self._arrival = arrival
        self._written: Future[_Written] = Future()
        file = ComingFile.at(scratch, path.rpartition("/")[2], arrival)
        words = (house, namespace, path, file)
        threading.Thread(target=self._run, args=words, name="budwood-ahead", daemon=True).start()

    def advance(self, came: int) -> None:
        """So many bytes from the front are written."""
        self._arrival.advance(came)

    def end(self, size: int) -> None:
        """All are written."""
        self._arrival.end(size)

    def written(self) -> "_Written":
        """Once all has come. Raises what went wrong."""
        return self._written.result()

    def abandon(self, reason: str) -> None:
        """Nobody asks for it any more."""
        self._arrival.lose(reason)
        self._written.add_done_callback(_dropped)

    def _run(self, house: House, namespace: str, path: str, file: ComingFile) -> None:
        try:
            self._written.set_result(_write(house, namespace, path, file))
        except BaseException as error:
            self._written.set_exception(error)
        finally:
            _AHEAD.release()


_AHEAD: Final = threading.BoundedSemaphore(ARTIFACTS_AHEAD)


def begin_ahead(house: House, namespace: str, path: str, scratch: Path, arrival: Arrival) -> Ahead | None:
    """None when enough others are under way, or the file cannot be written before its end: its length is not known,
    and where its tensors lie depends on it. Then enough of it must have come to see that. Raises BadValue."""
    wanted = artifact_path(path)
    check_writable(wanted)
    if not arrival.knows_size:
        with ComingFile.at(scratch, wanted.rpartition("/")[2], arrival).open() as source:
            if is_claimed(source.path, source.read(0, SNIFF_BYTES)):
                return None
    if not _AHEAD.acquire(blocking=False):
        return None
    return Ahead(house, namespace, wanted, scratch, arrival)


def begin_whole(house: House, namespace: str, path: str, scratch: Path, size: int) -> Ahead | None:
    """The same for a file whose length was told. Raises BadValue."""
    return begin_ahead(house, namespace, path, scratch, Arrival(size))


def keep_file(house: House, namespace: str, path: str, scratch: Path, ahead: Ahead | None = None) -> StoredFile:
    """Keep what lies at ``scratch`` under ``path``, in the place of what was there. Scratch is left alone.

    Raises BadValue, NamespaceNotFound, QuotaExceeded, LeaseLost, StorageFull, StorageFailed.
    """
    wanted = artifact_path(path)
    check_writable(wanted)
    kept = _kept(house, namespace, wanted, scratch, ahead)
    told = None if kept.structure else told_beside(house, namespace, wanted, kept.entry.size)
    if told is not None:
        kept = _recut(house, kept, scratch, told)
    for place, reading in untold_beside(house, kept).items():
        _fetch_and_cut(house, namespace, place, reading)
    return kept


def _kept(house: House, namespace: str, wanted: str, scratch: Path, ahead: Ahead | None) -> StoredFile:
    if ahead is not None:
        # Whatever happened there, the file is here, and what is wrong with it will be seen again.
        with suppress(FileChanged, LeaseLost, LimitExceeded):
            return _publish(house, namespace, wanted, ahead.written())
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
    return _publish(house, namespace, path, _write(house, namespace, path, _named(file, path)))


def _fetch_and_cut(house: House, namespace: str, path: str, reading: Reading) -> None:
    """A file that came before the one that says where its tensors lie."""
    with house.catalog.read() as view:
        there = view.stored_file(namespace, path)
    if there is None:
        return
    with spooled(house) as scratch:
        with scratch.open("wb") as file:
            file.writelines(read_pieces(house, there.entry))
        _recut(house, there, scratch, reading)


def _recut(house: House, kept: StoredFile, scratch: Path, reading: Reading) -> StoredFile:
    """The same bytes, cut where ``reading`` says; what was kept stays, should it be replaced or swept meanwhile."""
    (file,) = gather([scratch])
    written = _write(house, kept.namespace, kept.path, _named(file, kept.path), reading)
    with suppress(FileChanged, LeaseLost):
        return _publish(house, kept.namespace, kept.path, written, kept)
    return kept


def _publish(
    house: House, namespace: str, path: str, written: _Written, before: StoredFile | None = None
) -> StoredFile:
    """``before`` is the same file otherwise cut, which keeps whose it is. Raises FileChanged when it is not there."""
    lease = written.writing.lease
    assert lease is not None
    entry, reading = written.entry, written.reading
    new = StoredFile(0, namespace, path, entry, reading.facts, house.author, house.clock(), written.structure)
    if before is not None:
        new = replace(new, facts=before.facts, author=before.author, at_ms=before.at_ms)

    def work(transaction: Transaction) -> StoredFile:
        there = transaction.stored_file(namespace, path) if before is not None else None
        if before is not None and (there is None or there.entry.sha256 != entry.sha256):
            raise FileChanged(f"{path!r} was replaced meanwhile.")
        written.writing.publish(transaction, house, namespace)
        return transaction.put_stored_file(new)

    try:
        return house.catalog.write(work)
    except BaseException:
        with suppress(BudwoodError):
            lease.drop()
        raise


def _dropped(done: "Future[_Written]") -> None:
    if done.exception() is None and (lease := done.result().writing.lease) is not None:
        with suppress(BudwoodError):
            lease.drop()


def _write(house: House, namespace: str, path: str, file: DiskFile, told: Reading | None = None) -> _Written:
    lease = Held(house, f"artifact {namespace}/{path}"[:200], namespace=namespace)
    try:
        reading = told or _reading(house, namespace, path, file)
        chosen = _chosen(house, namespace, file, reading)
        is_small = not isinstance(file, ComingFile) and file.size <= BLOCK_BYTES
        with BlockWriter(
            house.objects,
            house.index,
            lease.new_pack_name,
            threads=1 if is_small else house.threads,
            bases=chosen.bases,
            known=chosen.known,
            progress=lambda _: lease.keep_alive(),
        ) as writer:
            (entry,) = writer.write_files([(file, reading)])
            kept: Kept = writer.finish()
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            lease.drop()
        raise
    return _Written(entry, reading, chosen.structure, Writing((), kept, lease))


def _reading(house: House, namespace: str, path: str, file: DiskFile) -> Reading:
    """What it says of itself, or else what the file beside it says."""
    reading = _read(file)
    if reading.format or (isinstance(file, ComingFile) and not file.arrival.knows_size):
        return reading
    return told_beside(house, namespace, path, file.size) or reading


def _read(file: DiskFile) -> Reading:
    """What it says of itself: nothing where ``begin_ahead`` found that no reader would look at it."""
    if isinstance(file, ComingFile) and not file.arrival.knows_size:
        return Reading()
    ((_, reading),) = read_files([file])
    return reading


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
