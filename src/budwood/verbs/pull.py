"""pull: write a version's files, one of them, or one tensor, verified block by block.

Files are written beside their place and renamed when complete, so that an interrupted pull leaves no half file;
what is already there, bit for bit, is left alone, so that pulling again resumes.
"""

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import FileEntry, Manifest
from budwood.domain.paths import check_paths, safe_path
from budwood.domain.results import Pulled
from budwood.errors import FileNotInVersion, StorageFailed, StorageFull, TargetDiffers, UnsafeEntry
from budwood.store.api import Progress
from budwood.store.gather import PART_SUFFIX
from budwood.store.read import BlockReader, Placed, grouped, placed_in_file
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.workplace import Workplace

_CLOSED: Final = getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """``paths`` empty means every file. ``overwrite`` replaces files that differ; others are never touched."""

    reference: str
    folder: Path
    paths: tuple[str, ...] = ()
    overwrite: bool = False


def pull(place: Workplace, request: PullRequest, *, progress: Progress = lambda _: None) -> Pulled:
    """Raises NotFound, BytesGone, TargetDiffers, UnsafeEntry, Damaged, StorageFull, StorageFailed."""
    began_ms = place.clock()
    version = place.desk.version(request.reference)
    check_bytes(version)
    entries = _wanted(load_manifest(place, version), request.paths)
    check_paths([safe_path(entry.path) for entry in entries])
    missing = [entry for entry in entries if not _is_there(request, entry)]
    reader = place.reader()
    for entry in missing:
        _write(place, reader, request, entry, progress)
    place.desk.note_use(version)
    return Pulled(
        version=version,
        target=str(request.folder),
        files=len(entries),
        unchanged=len(entries) - len(missing),
        bytes_written=sum(entry.size for entry in missing),
        seconds=(place.clock() - began_ms) / 1000,
        cached_bytes=reader.cached_bytes,
    )


def _wanted(manifest: Manifest, paths: Sequence[str]) -> list[FileEntry]:
    """The files named, or below the folders named; all when none is. Raises FileNotInVersion."""
    if not paths:
        return list(manifest.files)
    wanted: dict[str, FileEntry] = {}
    for path in paths:
        below = path.rstrip("/") + "/"
        found = [entry for entry in manifest.files if entry.path == path or entry.path.startswith(below)]
        if not found:
            raise FileNotInVersion(f"This version has no file or folder {path!r}.", path=path)
        wanted |= {entry.path: entry for entry in found}
    return list(wanted.values())


def _is_there(request: PullRequest, entry: FileEntry) -> bool:
    """Whether the target holds this file already. Raises TargetDiffers, UnsafeEntry, StorageFailed."""
    target = request.folder / entry.path
    try:
        _refuse_links(request.folder, entry.path)
        status = os.lstat(target)
        if not stat.S_ISREG(status.st_mode):
            hint = "Move it away, or pull into an empty or new folder."
            raise UnsafeEntry(f"{target} is in the way: it is not a plain file.", hint=hint, path=str(target))
        if status.st_size == entry.size and _sha256(target) == entry.sha256:
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageFailed(f"{target} cannot be looked at: {error.strerror}.", path=str(target)) from error
    if not request.overwrite:
        raise TargetDiffers(f"{target} differs from the version's file.", path=str(target))
    return False


def _refuse_links(folder: Path, path: str) -> None:
    """A link below the target could lead the write outside of it."""
    at = folder
    for name in path.split("/")[:-1]:
        at = at / name
        if at.is_symlink():
            raise UnsafeEntry(f"{at} is a link; nothing is written through it.", path=str(at))
        if at.exists() and not at.is_dir():
            hint = "Move it away, or pull into an empty or new folder."
            raise TargetDiffers(f"{at} is a file where the version has a folder.", hint=hint, path=str(at))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(place: Workplace, reader: BlockReader, request: PullRequest, entry: FileEntry, progress: Progress) -> None:
    target = request.folder / entry.path
    part = target.parent / f".{place.ids()}{PART_SUFFIX}"
    with _staged(part, target, executable=entry.executable) as descriptor:
        if entry.size:
            os.truncate(descriptor, entry.size)
            write_blocks(place, reader, entry, descriptor, progress)


@contextmanager
def _staged(part: Path, target: Path, *, executable: bool) -> Iterator[int]:
    """A descriptor to write to; renamed to ``target`` at the end, removed on any error.

    The part's name is its writer's alone: two pulls into one folder each finish what they began. Its rights are
    what the user's umask leaves of the usual ones.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CLOSED, 0o777 if executable else 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _storage_error(error, target) from error
        raise


def write_blocks(place: Workplace, reader: BlockReader, entry: FileEntry, descriptor: int, progress: Progress) -> None:
    """Every block of the file at its place, by worker threads that each reuse one buffer."""
    placed = list(placed_in_file(entry))
    rows = reader.rows(place.id for place in placed)
    local = threading.local()

    def work(group: Sequence[Placed]) -> None:
        if not hasattr(local, "buffer"):
            local.buffer = memoryview(bytearray(BLOCK_BYTES))
        at = 0
        for place in group:
            reader.read(place.id, rows, local.buffer[at : at + place.length])
            at += place.length
        _write_all(descriptor, local.buffer[:at], group[0].offset)
        progress(at)

    groups = grouped(placed)
    if len(groups) == 1:
        work(groups[0])
        return
    with ThreadPoolExecutor(place.threads, "budwood-decode") as pool:
        pending = [pool.submit(work, group) for group in groups]
        try:
            for future in pending:
                future.result()
        except BaseException:
            for future in pending:
                future.cancel()
            raise


def _write_all(descriptor: int, view: memoryview, offset: int) -> None:
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _storage_error(error: OSError, target: Path) -> StorageFull | StorageFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"There is no space left to write {target}.", path=str(target))
    hint = "Choose a folder you can write to, then pull again; files that are complete are kept."
    return StorageFailed(f"{target} cannot be written: {error.strerror}.", hint=hint, path=str(target))
