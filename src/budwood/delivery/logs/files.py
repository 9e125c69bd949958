"""The files of one of a gateway's logs: which there are, by what name each is known, when one is put away and dropped.

``access.log`` is written by the gateway. When it is full it becomes ``access.log.7`` and the gateway is asked to open
a new one. Each file has a name for life that no other gets, so that a position in it means the same after a crash; the
names lie in ``access.files.json``, together with the file's number in the file system, which tells whether a file is
still the same one. That list is written first and the disk follows it, so whoever is killed when, ``settle`` brings the
two together again.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from budwood.domain.limits import GATEWAY_LOG_DISK_BYTES, GATEWAY_LOG_FILE_BYTES, GATEWAY_LOG_FILES_KEPT, GATEWAY_LOGS

QUIET_S: Final = 30.0
"""After this long nobody writes to a file that was put away: processes that are replaced end before."""

_UNFINISHED_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """``file_bytes``: when a file is put away. ``disk_bytes``: what all of one log may be, counted or not; ``files`` of
    those that were counted are kept to be looked at."""

    file_bytes: int = GATEWAY_LOG_FILE_BYTES
    disk_bytes: int = GATEWAY_LOG_DISK_BYTES
    files: int = GATEWAY_LOG_FILES_KEPT


@dataclass(frozen=True, slots=True)
class LogFile:
    """``id`` is its own for life; ``inode`` 0 while the gateway has not made it."""

    name: str
    id: str
    inode: int = 0


class LogFiles:
    """Oldest first; the last is the one that is written. One process at a time may hold them.

    ``lost`` counts bytes that were dropped before they were counted.
    """

    def __init__(self, folder: Path, stem: str, fresh_id: Callable[[], str], bounds: Bounds | None = None) -> None:
        self.current = folder / f"{stem}.log"
        self._bounds = bounds or Bounds()
        self._folder = folder
        self._list = folder / f"{stem}.files.json"
        self._put_away = re.compile(re.escape(self.current.name) + r"\.([1-9][0-9]{0,8})")
        self._fresh_id = fresh_id
        self._files: list[LogFile] = []
        self._quiet: dict[str, tuple[int, float]] = {}
        self.lost = 0
        self._read()

    @property
    def files(self) -> tuple[LogFile, ...]:
        return tuple(self._files)

    @property
    def kept(self) -> tuple[str, ...]:
        """The names for life of all there are."""
        return tuple(each.id for each in self._files)

    @property
    def waits(self) -> bool:
        """Whether the gateway must be asked to open a new file."""
        return not self.current.exists()

    def path(self, file: LogFile) -> Path:
        """Where it lies."""
        return self._folder / file.name

    def settle(self) -> None:
        """Bring the list and the disk together."""
        before = list(self._files)
        files = [_finished(self._folder, each, self.current) for each in self._files]
        self._files = [each for each in files if each is not None and each.name != self.current.name]
        last = next((each for each in files if each is not None and each.name == self.current.name), None)
        self._files.append(self._named(last))
        if self._files != before:
            self._write()

    def turn(self, *, at_once: bool = False) -> None:
        """Put the current file away when it is full."""
        last, size = self._files[-1], _size(self.current)
        if not size or (size < self._bounds.file_bytes and not at_once):
            return
        away = replace(last, name=f"{self.current.name}.{self._next_number()}")
        self._files[-1:] = [away, LogFile(self.current.name, self._fresh_id())]
        self._write()
        self.current.rename(self.path(away))

    def drop(self, positions: Mapping[str, int], now_s: float) -> None:
        """Remove what was counted and is not kept, and what there is no room for. ``positions`` are what was counted,
        by name for life."""
        counted = [each for each in self._files[:-1] if self._is_done(each, positions, now_s)]
        for each in counted[: max(0, len(counted) - self._bounds.files)]:
            self._remove(each)
        while len(self._files) > 1 and self._is_too_much():
            oldest = self._files[0]
            self.lost += max(0, _size(self.path(oldest)) - positions.get(oldest.id, 0))
            self._remove(oldest)

    def _is_too_much(self) -> bool:
        every = sum(_size(self.path(each)) for each in self._files)
        return every > self._bounds.disk_bytes or len(self._files) > GATEWAY_LOGS // 2

    def _is_done(self, file: LogFile, positions: Mapping[str, int], now_s: float) -> bool:
        """Whether it is counted, and nothing will come any more."""
        size, read = _size(self.path(file)), positions.get(file.id, -1)
        if self._quiet.get(file.id, (-1, 0.0))[0] != size:
            self._quiet[file.id] = (size, now_s)
        if self.waits or now_s - self._quiet[file.id][1] < QUIET_S or read < 0 or size - read > _UNFINISHED_BYTES:
            return False
        with self.path(file).open("rb") as log:
            log.seek(read)
            return b"\n" not in log.read()  # A line that was never finished says nothing.

    def _remove(self, file: LogFile) -> None:
        self._files.remove(file)
        self._write()
        self.path(file).unlink(missing_ok=True)

    def _named(self, last: LogFile | None) -> LogFile:
        """The current file, as it is on the disk now."""
        inode = _inode(self.current)
        if last is None:
            # Whoever read it in place until now knew it by its number.
            adopted = inode and not self._list.exists()
            return LogFile(self.current.name, f"{inode:x}" if adopted else self._fresh_id(), inode)
        if not last.inode:
            return replace(last, inode=inode)
        # Somebody took it away, or put another in its place.
        return last if last.inode == inode else LogFile(last.name, self._fresh_id(), inode)

    def _next_number(self) -> int:
        names = (self._put_away.fullmatch(path.name) for path in self._folder.iterdir())
        return max((int(found[1]) for found in names if found), default=0) + 1

    def _read(self) -> None:
        try:
            said = json.loads(self._list.read_bytes())
            self._files, self.lost = [LogFile(**each) for each in said["files"]], int(said["lost"])
        except FileNotFoundError:
            return
        listed = {each.name for each in self._files}
        for path in list(self._folder.iterdir()):
            # It was taken off the list, and we were killed before it was removed.
            if self._put_away.fullmatch(path.name) and path.name not in listed:
                path.unlink(missing_ok=True)

    def _write(self) -> None:
        new = self._list.with_suffix(".new")
        said = {"files": [asdict(each) for each in self._files], "lost": self.lost}
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._list)


def whole_lines(path: Path, start: int, most: int) -> bytes:
    """Of a file, from a position on. A line longer than ``most`` says nothing: it reads as empty ones."""
    with path.open("rb") as log:
        log.seek(start)
        piece = log.read(most)
    whole = piece[: piece.rfind(b"\n") + 1]
    return whole or (b"\n" * most if len(piece) == most else b"")


def positions_beyond(files: LogFiles, positions: Mapping[str, int]) -> Iterator[LogFile]:
    """Files that are shorter than what was counted of them: somebody cut them, or power was lost."""
    for each in files.files:
        if _size(files.path(each)) < positions.get(each.id, 0):
            yield each


def _finished(folder: Path, file: LogFile, current: Path) -> LogFile | None:
    """The file with what was begun and not finished done; None when it is gone, or another lies in its place."""
    path = folder / file.name
    inode = _inode(path)
    if not inode and path != current and file.inode and _inode(current) == file.inode:
        current.rename(path)
        return file
    if path == current:
        return file
    return file if inode and inode == file.inode else None


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
