"""Objects as files in a folder: staged in ``tmp``, made durable, then linked to their key.

A key is a path below the root (``packs/ab/NAME.pack``); the file is written once, mode 0444, and never changed.
An object is written to ``tmp`` in the same file system, fsynced, hard-linked to its key (which, unlike a
rename, can never replace another object) and the directory is fsynced. A write or fsync that fails discards
the object; neither is ever tried again, for a second fsync may report success for pages the kernel dropped.

Objects under ``SMALL_BYTES`` are kept in memory and written once; larger ones pass through ``staging``. So an
object being written holds at most 13 MiB, and the store keeps at most 12 MiB between objects.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from budwood.domain.limits import MIB
from budwood.errors import BudwoodError, PackDamaged, StorageFailed, StorageFull
from budwood.store.api import Buffer, Method, ObjectWriter, StoredObject
from budwood.store.backends import checked_key, is_key
from budwood.store.backends.staging import Disk, Stream, write_all

SMALL_BYTES: Final = MIB
OPEN_FILES: Final = 64

_STAGED_NAMES: Final = 100
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LINKLESS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class FolderObjects:
    """The ``Objects`` port over ``root``, which is made on the first write. Shared by threads and processes.

    An object that another process deletes can still be read here while its file is open, and is then exact.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staged = root / "tmp"
        self._files = _OpenFiles()
        self._disk = Disk()
        self._folders = _Folders(root)

    def create(self, key: str) -> ObjectWriter:
        """Begin an object. Raises StorageFull, StorageFailed, the latter also when the key is taken."""
        target = self._path(key)
        try:
            if target.exists():
                raise _taken(key)
            self._folders.make(self._staged)
            descriptor, staged = _open_staged(self._staged, key)
        except OSError as error:
            raise _failed("begin", key, error) from error
        return _FileWriter(key, descriptor, staged, target, self._disk, self._folders)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged, StorageFailed."""
        with self._open(key) as file:
            # The check comes before the read, so that a lying length never allocates.
            _check_range(key, offset, length, file.size)
            try:
                read = os.pread(file.descriptor, length, offset)
                while len(read) < length and (
                    more := os.pread(file.descriptor, length - len(read), offset + len(read))
                ):
                    read += more
            except OSError as error:
                raise _failed("read", key, error) from error
        if len(read) < length:
            raise _short(key, offset, length, offset + len(read))
        return read

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged, StorageFailed."""
        left = target.cast("B")
        with self._open(key) as file:
            _check_range(key, offset, len(left), file.size)
            try:
                while len(left):
                    count = os.preadv(file.descriptor, [left], offset)
                    if not count:
                        raise _short(key, offset, len(left), offset)
                    left, offset = left[count:], offset + count
            except OSError as error:
                raise _failed("read", key, error) from error

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is no such object. Raises StorageFailed."""
        try:
            found = self._path(key).stat()
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failed("look up", key, error) from error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every visible object whose key starts with the prefix, in key order. Raises StorageFailed."""
        try:
            yield from _walk(self._root, "", prefix)
        except OSError as error:
            raise _failed("list", prefix, error) from error

    def copy(self, key: str, to: str) -> None:
        """Raises PackDamaged, StorageFull, StorageFailed."""
        with self.create(to) as writer:
            size = self.size(key)
            if size is None:
                raise PackDamaged(f"The object {key} is missing.", key=key)
            for offset in range(0, size, SMALL_BYTES):
                writer.append([self.read(key, offset, min(SMALL_BYTES, size - offset))])
            writer.publish()

    def delete(self, key: str) -> None:
        """Remove it durably; no error when it is already gone. Raises StorageFailed."""
        path = self._path(key)
        self._files.forget(key)
        try:
            path.unlink()
            _sync_folder(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _failed("delete", key, error) from error

    def clean(self, older_than_ms: int) -> int:
        """Remove staged files last written before that moment (ms since 1970); the bytes freed."""
        freed = 0
        try:
            with os.scandir(self._staged) as entries:
                for entry in entries:
                    freed += _remove_stale(entry, older_than_ms)
        except FileNotFoundError:
            return freed
        except OSError as error:
            raise _failed("clean", "tmp", error) from error
        return freed

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """None: there is nobody to honour a signature."""
        return None

    def close(self) -> None:
        """Close every file and stop the writing thread."""
        self._files.close()
        self._disk.close()

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _open(self, key: str) -> "_Lease":
        return _Lease(self._files, key, self._path(key))


class _FileWriter:
    """One object: small in ``_small``, else staged in aligned buffers that ``Disk`` writes in the background."""

    def __init__(self, key: str, descriptor: int, staged: Path, target: Path, disk: Disk, folders: "_Folders") -> None:
        self._key, self._descriptor, self._staged, self._target = key, descriptor, staged, target
        self._disk, self._folders = disk, folders
        self._lock = threading.Lock()
        self._size = 0
        self._small = bytearray()
        self._stream: Stream | None = None
        self._error: BudwoodError | None = None
        self._open = True

    @property
    def size(self) -> int:
        return self._size

    def append(self, parts: Sequence[Buffer]) -> int:
        views = [np.frombuffer(part, dtype=np.uint8) for part in parts if len(part)]
        length = sum(view.nbytes for view in views)
        with self._lock, self._discarding("write"):
            offset = self._size
            if self._stream is None and offset + length > SMALL_BYTES:
                self._stream = Stream(self._disk, self._descriptor)
                self._stream.append(np.frombuffer(self._small, dtype=np.uint8))
                self._small = bytearray()
            for view in views:
                if self._stream is None:
                    self._small += view.data
                else:
                    self._stream.append(view)
            self._size = offset + length
            return offset

    def publish(self) -> None:
        with self._lock, self._discarding("publish"):
            if self._stream is None:
                write_all(self._descriptor, memoryview(self._small), 0)
            else:
                self._stream.finish(self._size)
            _sync(self._descriptor)
            self._folders.make(self._target.parent)
            _link(self._key, self._staged, self._target)
            try:
                _sync_folder(self._target.parent)
            except OSError:
                self._target.unlink(missing_ok=True)
                raise
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._discard()

    @contextlib.contextmanager
    def _discarding(self, act: str) -> Iterator[None]:
        """Whatever fails once has failed for good: the object is discarded and every later call says so."""
        if self._error is not None:
            raise self._error
        assert self._open, "the object was published or discarded before"
        try:
            yield
        except OSError as error:
            self._error = _failed(act, self._key, error)
            self._discard()
            raise self._error from error
        except BaseException as error:
            self._error = error if isinstance(error, BudwoodError) else _broken(self._key)
            self._discard()
            raise

    def _discard(self) -> None:
        """Close and remove the staged file. What cannot be removed is left to ``clean``."""
        if not self._open:
            return
        self._open = False
        if self._stream is not None:
            self._stream.close()
        self._small = bytearray()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._staged.unlink()


@dataclass(slots=True)
class _OpenFile:
    descriptor: int
    size: int
    users: int = 0
    forgotten: bool = False


class _OpenFiles:
    """At most ``OPEN_FILES`` idle descriptors, the least recently used closed first, none while it is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()

    def take(self, key: str, path: Path) -> _OpenFile:
        with self._lock:
            file = self._files.get(key)
            if file is None:
                file = self._files[key] = _open_file(key, path)
            self._files.move_to_end(key)
            file.users += 1
            return file

    def give(self, file: _OpenFile) -> None:
        with self._lock:
            file.users -= 1
            if file.forgotten and not file.users:
                os.close(file.descriptor)
            if len(self._files) > OPEN_FILES:
                self._close_idle()

    def forget(self, key: str) -> None:
        with self._lock:
            file = self._files.pop(key, None)
            if file is not None:
                _retire(file)

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                _retire(file)
            self._files.clear()

    def _close_idle(self) -> None:
        for key in [key for key, file in self._files.items() if not file.users][: len(self._files) - OPEN_FILES]:
            _retire(self._files.pop(key))


class _Lease:
    """An open file for the length of a ``with``. Raises PackDamaged when it is missing, StorageFailed."""

    __slots__ = ("_file", "_files", "_key", "_path")

    def __init__(self, files: _OpenFiles, key: str, path: Path) -> None:
        self._files, self._key, self._path = files, key, path

    def __enter__(self) -> _OpenFile:
        self._file = self._files.take(self._key, self._path)
        return self._file

    def __exit__(self, *_: object) -> None:
        self._files.give(self._file)


def _retire(file: _OpenFile) -> None:
    file.forgotten = True
    if not file.users:
        os.close(file.descriptor)


def _open_file(key: str, path: Path) -> _OpenFile:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return _OpenFile(descriptor, os.fstat(descriptor).st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PackDamaged(f"The object {key} is missing.", key=key) from error
    except OSError as error:
        raise _failed("open", key, error) from error


def _open_staged(folder: Path, key: str) -> tuple[int, Path]:
    """A new file to write. A leftover of the same key, from a crash, is stepped over: ``clean`` removes it."""
    for attempt in range(_STAGED_NAMES):
        staged = folder / f"{key.replace('/', '~')}.{attempt}"
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return os.open(staged, flags, 0o444), staged
    raise FileExistsError(errno.EEXIST, f"{_STAGED_NAMES} unfinished writes of this key", str(folder))


def _sync(descriptor: int) -> None:
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is None:
        os.fsync(descriptor)
    else:  # On macOS fsync leaves the bytes in the drive's cache.
        fcntl.fcntl(descriptor, full_sync)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


class _Folders:
    """Makes the folders below the root and syncs the parent of each, once: another process may have just made it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    def make(self, folder: Path) -> None:
        if folder in self._durable:
            return
        if folder != self._root:
            self.make(folder.parent)
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)
        elif not folder.is_dir():
            make_root(folder)
        self._durable.add(folder)


def make_root(folder: Path) -> None:
    """Make a folder and what is missing above it, durably. Existing parents are not ours and may not even be
    readable. Raises OSError."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_root(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _link(key: str, staged: Path, target: Path) -> None:
    """Give the staged file its key. Raises StorageFailed when the key is taken."""
    try:
        os.link(staged, target)
    except FileExistsError as error:
        raise _taken(key) from error
    except OSError as error:
        if error.errno not in _LINKLESS:
            raise
        # Without hard links two writers of one key could race here; keys are unique by construction.
        if target.exists():
            raise _taken(key) from error
        staged.rename(target)


def _walk(folder: Path, at: str, prefix: str) -> Iterator[StoredObject]:
    try:
        with os.scandir(folder) as entries:
            # A folder sorts as its name with '/', which is how the keys below it compare with its neighbours.
            found = sorted((entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries)
    except FileNotFoundError:
        return
    for name, entry in found:
        key = at + name
        if name.endswith("/"):
            if key != "tmp/" and (key.startswith(prefix) or prefix.startswith(key)):
                yield from _walk(Path(entry.path), key, prefix)
        elif key.startswith(prefix) and is_key(key) and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                found_at = entry.stat(follow_symlinks=False)
                yield StoredObject(key, found_at.st_size, found_at.st_mtime_ns // 1_000_000)


def _remove_stale(entry: "os.DirEntry[str]", older_than_ms: int) -> int:
    """The bytes freed: none for a young file, nor for one that was published and only kept its second name."""
    with contextlib.suppress(FileNotFoundError):
        found = entry.stat(follow_symlinks=False)
        if entry.is_file(follow_symlinks=False) and found.st_mtime_ns // 1_000_000 < older_than_ms:
            Path(entry.path).unlink()
            return found.st_size if found.st_nlink == 1 else 0
    return 0


def _check_range(key: str, offset: int, length: int, size: int) -> None:
    if offset < 0 or length < 0 or offset + length > size:
        raise _short(key, offset, length, size)


def _short(key: str, offset: int, length: int, size: int) -> PackDamaged:
    message = f"The object {key} ends at byte {size}, before {length} bytes from {offset}."
    return PackDamaged(message, key=key, offset=offset, length=length, size=size)


def _taken(key: str) -> StorageFailed:
    return StorageFailed(f"The object {key} exists already; objects are written once.", key=key)


def _broken(key: str) -> StorageFailed:
    return StorageFailed(f"Writing {key} was interrupted before.", key=key)


def _failed(act: str, key: str, error: OSError) -> BudwoodError:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageFull(f"No room to {act} {key}: {reason}.", key=key, errno=error.errno)
    return StorageFailed(f"Could not {act} {key}: {reason}.", key=key, errno=error.errno)
