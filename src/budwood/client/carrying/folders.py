"""Artifacts on this machine, read below the folders that whoever imports allowed, and nowhere else.

Where files lie is what a database or a file of the source says, and so may be anything: ``/etc``, a link, a path with
dots. A folder is opened part by part from an allowed one, no link is followed, and what is no plain file is refused.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from budwood.client.carrying.locations import served_path
from budwood.client.carrying.reader import PIECE_BYTES
from budwood.domain.carrying.records import CarriedFile
from budwood.domain.limits import FILES_PER_VERSION, PATH_DEPTH
from budwood.errors import LimitExceeded, SourceNotFound, StorageFailed, UnsafeEntry

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_HINT: Final = "Name the folder that holds it: --artifacts FOLDER; or import from the address of the server."


@dataclass(frozen=True, slots=True)
class Folders:
    """``allowed`` are the folders below which files are read. Of a location ``mlflow-artifacts:/1/…`` each is tried."""

    allowed: tuple[Path, ...]

    def files(self, location: str) -> Sequence[CarriedFile]:
        """By path; none where there is no such folder. Raises SourceNotFound, UnsafeEntry, LimitExceeded."""
        with self._opened(location) as folder:
            if folder is None:
                return ()
            found: list[CarriedFile] = []
            _walk(folder, "", found, 0)
        return sorted(found, key=lambda each: each.path)

    @contextmanager
    def open(self, location: str, path: str) -> Iterator[Iterator[bytes]]:
        """A file below it. Raises SourceNotFound, UnsafeEntry, StorageFailed."""
        above, _, name = path.rpartition("/")
        with self._opened(f"{location.rstrip('/')}/{above}" if above else location) as folder:
            if folder is None:
                raise SourceNotFound(f"There is no {path[:200]!r} any more.")
            descriptor = _open(name, folder, _FILE, path)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnsafeEntry(f"{path[:200]!r} is no plain file.")
            yield iter(lambda: file.read(PIECE_BYTES), b"")

    @contextmanager
    def _opened(self, location: str) -> Iterator[int | None]:
        """A folder's descriptor; None when nothing is there."""
        opened: list[int] = []
        try:
            yield self._find(location, opened)
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _find(self, location: str, opened: list[int]) -> int | None:
        for root, parts in self._candidates(location):
            try:
                at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise StorageFailed(f"{root} cannot be read: {error.strerror}.", path=str(root)) from error
            opened.append(at)
            for part in parts:
                try:
                    at = os.open(part, _FOLDER, dir_fd=at)
                except FileNotFoundError:
                    break
                except OSError as error:
                    message = f"{location[:200]!r} is reached over {part!r}, which is no plain folder."
                    raise UnsafeEntry(message) from error
                opened.append(at)
            else:
                return at
        return None

    def _candidates(self, location: str) -> list[tuple[Path, tuple[str, ...]]]:
        """An allowed folder, and the parts of the way from it. Raises SourceNotFound, UnsafeEntry."""
        if (served := served_path(location)) is not None:
            parts = parts_of(served)
            if not self.allowed:
                raise SourceNotFound(f"It is not said where {location[:200]!r} lies.", hint=_HINT)
            return [(each, parts) for each in self.allowed]
        path = _local(location)
        for each in self.allowed:
            for root in (each, each.resolve()):
                if path == root or path.is_relative_to(root):
                    return [(root, parts_of(path.relative_to(root).as_posix()))]
        raise SourceNotFound(f"{location[:200]!r} lies outside the folders that may be read.", hint=_HINT)


def _local(location: str) -> Path:
    scheme = urlsplit(location).scheme
    if scheme == "file":
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            raise SourceNotFound(f"{location[:200]!r} is on another machine.")
        return Path(unquote(parts.path))
    if scheme and "://" in location:
        hint = "Name the place, if you may read there: --artifacts s3://BUCKET/PATH; or import from a server's address."
        raise SourceNotFound(f"{location[:200]!r} is not on this machine.", hint=hint)
    return Path(location).absolute() if location else Path("/nowhere")


def parts_of(path: str) -> tuple[str, ...]:
    """Of a way down. Raises UnsafeEntry for one that leads out."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts or any("\0" in part for part in parts):
        raise UnsafeEntry(f"{path[:200]!r} leads out of its folder.")
    return parts


def _walk(folder: int, above: str, found: list[CarriedFile], depth: int) -> None:
    if depth > PATH_DEPTH:
        raise LimitExceeded(f"{above[:200]!r} is too deep.", limit="PATH_DEPTH")
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                inner = _open(entry.name, folder, _FOLDER, path)
                try:
                    _walk(inner, f"{path}/", found, depth + 1)
                finally:
                    os.close(inner)
            elif entry.is_file(follow_symlinks=False):
                found.append(CarriedFile(path, entry.stat(follow_symlinks=False).st_size))
            else:
                raise UnsafeEntry(f"{path[:200]!r} is a link or no plain file, and is not read.")
            if len(found) > FILES_PER_VERSION:
                raise LimitExceeded(f"{above[:200]!r} holds too many files.", limit="FILES_PER_VERSION")


def _open(name: str, folder: int, flags: int, path: str) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise UnsafeEntry(f"{path[:200]!r} cannot be opened as a plain file: {error.strerror}.") from error
