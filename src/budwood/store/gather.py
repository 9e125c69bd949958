"""From paths on disk to files that can be pushed: walk, refuse what is not a plain file, read at random.

Links are never followed: a link could point outside the folder, and what it points to can change after
the look. Devices, FIFOs and sockets are refused by name rather than skipped, so that nobody believes a
folder was kept whole when it was not.
"""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from budwood.domain.limits import FILES_PER_VERSION, PATH_DEPTH
from budwood.domain.paths import check_paths, safe_path
from budwood.errors import FileChanged, Invalid, LimitExceeded, SourceNotFound, StorageFailed, UnsafeEntry

ALWAYS_LEFT_OUT: Final = (".git", ".budwood", "__pycache__", ".DS_Store", ".ipynb_checkpoints")
PART_SUFFIX: Final = ".budwood-part"
"""How a file ends that a pull has not finished; one that was killed leaves it, and it is no part of a model."""
_STAMP_BYTES: Final = 12
"""Enough for the nanoseconds of any time a file system can hold."""
_STAMP_STARTS: Final = range(0, 5 * _STAMP_BYTES, _STAMP_BYTES)
_NOT_ALLOWED: Final = "Ask for the right to read it, or leave it out with --exclude."
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The inverse of ``pack``."""
        return cls(*(int.from_bytes(packed[at : at + _STAMP_BYTES], "little", signed=True) for at in _STAMP_STARTS))

    def pack(self) -> bytes:
        """As one object instead of six."""
        values = (self.device, self.inode, self.size, self.modified_ns, self.changed_ns)
        return b"".join([value.to_bytes(_STAMP_BYTES, "little", signed=True) for value in values])


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A plain file found on disk, and the path it will have in the version.

    There may be 100,000 of them for the whole of a push, so each is small: ``folder`` is shared by the files in it,
    which are called there as in the path; ``packed`` is the stamp.
    """

    path: str
    folder: Path
    packed: bytes
    executable: bool

    @property
    def real_path(self) -> Path:
        """Where it lies."""
        return self.folder / self.path.rpartition("/")[2]

    @property
    def stamp(self) -> Stamp:
        """Its state when it was found."""
        return Stamp.unpack(self.packed)

    @property
    def size(self) -> int:
        """In bytes, when it was found."""
        return int.from_bytes(self.packed[_STAMP_STARTS[2] : _STAMP_STARTS[3]], "little", signed=True)

    def open(self) -> "DiskSource":
        """Raises FileChanged when it is no longer the file that was found, UnsafeEntry, StorageFailed."""
        return DiskSource(self)


def gather(paths: Sequence[Path], exclude: Sequence[str] = ()) -> tuple[DiskFile, ...]:
    """The files below one folder (paths relative to it), or the named files and folders (by their own names).

    Sorted by path. ``exclude`` holds shell patterns matched against the relative path and each name in it.
    Raises SourceNotFound, UnsafeEntry, BadPath, LimitExceeded, Invalid when nothing is left.
    """
    found: list[DiskFile] = []
    for path in paths:
        alone = len(paths) == 1
        for file in _below(path, path.parent, "" if alone and _is_folder(path) else path.name, exclude, 0):
            found.append(file)
            if len(found) > FILES_PER_VERSION:
                raise LimitExceeded(f"More than {FILES_PER_VERSION} files.", limit="FILES_PER_VERSION")
    if not found:
        raise Invalid(
            f"There is no file to push in {', '.join(map(str, paths))}.", hint="Push a folder with files in it."
        )
    found.sort(key=lambda file: file.path)
    check_paths([file.path for file in found])
    return tuple(found)


class DiskSource:
    """An open file with a fixed size; reads fail with FileChanged as soon as the file is seen to differ."""

    def __init__(self, file: DiskFile) -> None:
        self._file = file
        self._size = file.size
        try:
            self._fd = os.open(file.real_path, os.O_RDONLY | _NO_FOLLOW)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileChanged(f"{file.path} disappeared while it was pushed.", path=file.path) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnsafeEntry(f"{file.path} became a link.", path=file.path) from error
            hint = _NOT_ALLOWED if error.errno in (errno.EACCES, errno.EPERM) else ""
            message = f"{file.path} cannot be opened: {error.strerror}."
            raise StorageFailed(message, hint=hint, path=file.path) from error
        try:
            self.check_unchanged()
            self._check_honest()
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def size(self) -> int:
        return self._size

    @property
    def real_path(self) -> Path:
        """Where it lies, for readers whose library wants a path."""
        return self._file.real_path

    def read(self, offset: int, length: int) -> bytes:
        """See ``Source.read``."""
        wanted = max(0, min(length, self.size - offset))
        buffer = bytearray(wanted)
        if wanted:
            self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, offset: int, target: memoryview) -> None:
        """See ``Source.read_into``."""
        done = 0
        while done < len(target):
            try:
                count = os.preadv(self._fd, [target[done:]], offset + done)
            except OSError as error:
                raise StorageFailed(f"{self.path} cannot be read: {error.strerror}.", path=self.path) from error
            if count == 0:
                raise FileChanged(f"{self.path} became shorter while it was pushed.", path=self.path)
            done += count

    def check_unchanged(self) -> None:
        """Raises FileChanged unless size, times and identity are what they were when it was found."""
        if Stamp.of(os.fstat(self._fd)).pack() != self._file.packed:
            raise FileChanged(f"{self.path} changed while it was pushed.", path=self.path)

    def close(self) -> None:
        os.close(self._fd)

    def _check_honest(self) -> None:
        """The kernel's own files claim to be empty and are not; kept as empty, they would be lost."""
        if self.size:
            return
        try:
            content = os.pread(self._fd, 1, 0)
        except OSError as error:
            raise StorageFailed(f"{self.path} cannot be read: {error.strerror}.", path=self.path) from error
        if content:
            raise UnsafeEntry(f"{self.path} claims to be empty and is not; it is no plain file.", path=self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _below(real: Path, folder: Path, path: str, exclude: Sequence[str], depth: int) -> Iterator[DiskFile]:
    status = _status(real)
    if stat.S_ISDIR(status.st_mode):
        if depth > PATH_DEPTH:
            raise LimitExceeded(f"{real} is nested deeper than {PATH_DEPTH} folders.", limit="PATH_DEPTH")
        for name in sorted(_names(real)):
            below = f"{path}/{name}" if path else name
            left_out = name in ALWAYS_LEFT_OUT or name.endswith(PART_SUFFIX)
            if not left_out and not _excluded(below, name, exclude):
                yield from _below(real / name, real, below, exclude, depth + 1)
        return
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeEntry(f"{real} is a {_kind(status.st_mode)}, not a file or folder.", path=str(real))
    yield DiskFile(safe_path(path), folder, Stamp.of(status).pack(), bool(status.st_mode & stat.S_IXUSR))


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except FileNotFoundError as error:
        raise FileChanged(f"{folder} disappeared while it was pushed.", path=str(folder)) from error
    except OSError as error:
        hint = _NOT_ALLOWED if error.errno in (errno.EACCES, errno.EPERM) else ""
        raise StorageFailed(f"{folder} cannot be listed: {error.strerror}.", hint=hint, path=str(folder)) from error


def _status(path: Path) -> os.stat_result:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFound(f"{path} does not exist.", path=str(path)) from error
    except (OSError, ValueError) as error:
        raise StorageFailed(f"{path} cannot be looked at: {error}.", path=str(path)) from error


def _excluded(path: str, name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(name, p) for p in patterns)


def _kind(mode: int) -> str:
    for test, word in (
        (stat.S_ISLNK, "symbolic link"),
        (stat.S_ISFIFO, "FIFO"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISBLK, "block device"),
        (stat.S_ISCHR, "character device"),
    ):
        if test(mode):
            return word
    return "special file"
