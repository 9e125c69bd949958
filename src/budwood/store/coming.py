"""Files that are still being written, front to back, while others read them: a read waits for what has not come yet.

So a large file is cut, hashed and encoded while its bytes arrive. Whoever writes it tells the ``Arrival`` how far it
is; whoever reads it sees a file like any other, only slower. It is a file of our own, so nobody else changes it.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from budwood.errors import FileChanged, StorageFailed
from budwood.store.gather import DiskFile, DiskSource, Stamp

PATIENCE_S: Final = 60.0
"""A reader that sees nothing come for so long gives up: its sender may be gone, and it holds buffers and a thread."""


class Arrival:
    """How far a file is. ``size`` is what it will have, where that is known before its end."""

    def __init__(self, size: int | None = None) -> None:
        self._turn = threading.Condition()
        self._came = 0
        self._size = size
        self._ended = False
        self._lost = ""

    @property
    def size(self) -> int:
        """Waits for the end where it was not told before. Raises FileChanged."""
        with self._turn:
            self._wait(None)
            assert self._size is not None
            return self._size

    @property
    def knows_size(self) -> bool:
        return self._size is not None

    def reach(self, end: int) -> int:
        """Wait until the bytes before ``end``, or all of them, are there; how many may be read. Raises FileChanged."""
        with self._turn:
            self._wait(end)
            return min(end, self._came)

    def advance(self, came: int) -> None:
        """So many bytes from the front are written."""
        with self._turn:
            self._came = max(self._came, came)
            self._turn.notify_all()

    def end(self, size: int) -> None:
        """All are written."""
        with self._turn:
            if self._size not in (None, size):
                self._lost = f"it has {size} bytes instead of {self._size}"
            self._came = self._size = size
            self._ended = True
            self._turn.notify_all()

    def lose(self, reason: str) -> None:
        """Nothing more comes, or something else: every read fails from now on."""
        with self._turn:
            self._lost = self._lost or reason
            self._turn.notify_all()

    def _wait(self, end: int | None) -> None:
        while not self._lost and not (self._is_told() if end is None else self._came >= end or self._ended):
            before = self._came
            if not self._turn.wait(PATIENCE_S) and self._came == before:
                self._lost = "nothing came of it for too long"
        if self._lost:
            raise FileChanged(f"A file that was coming cannot be read: {self._lost}.")

    def _is_told(self) -> bool:
        return self._size is not None


@dataclass(frozen=True, slots=True)
class ComingFile(DiskFile):
    """Called ``path`` where it goes; it lies at ``lies_at``."""

    lies_at: Path
    arrival: Arrival

    @classmethod
    def at(cls, lies_at: Path, path: str, arrival: Arrival) -> Self:
        return cls(path, lies_at.parent, Stamp(0, 0, 0, 0, 0).pack(), False, lies_at, arrival)

    @property
    def real_path(self) -> Path:
        return self.lies_at

    @property
    def size(self) -> int:
        """Waits for the end where it was not told before. Raises FileChanged."""
        return self.arrival.size

    def open(self) -> "ComingSource":
        """Raises StorageFailed."""
        return ComingSource(self)


class ComingSource(DiskSource):
    """Reads what has come. Everything raises FileChanged when the rest never comes."""

    def __init__(self, file: ComingFile) -> None:
        self._file, self.arrival = file, file.arrival
        try:
            self._fd = os.open(file.lies_at, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            message = f"{file.path} cannot be opened: {error.strerror}."
            raise StorageFailed(message, path=file.path) from error

    @property
    def size(self) -> int:
        return self.arrival.size

    def read(self, offset: int, length: int) -> bytes:
        """See ``Source.read``."""
        there = self.arrival.reach(offset + length)
        buffer = bytearray(max(0, min(length, there - offset)))
        super().read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, offset: int, target: memoryview) -> None:
        """See ``Source.read_into``."""
        self.arrival.reach(offset + len(target))
        super().read_into(offset, target)

    def check_unchanged(self) -> None:
        """Raises FileChanged when something else came in the place of what was read."""
        self.arrival.reach(0)
