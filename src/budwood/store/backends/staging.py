"""Writing one large file in order, past the page cache where the file system accepts it.

Bytes are copied into page-aligned buffers that one thread per store writes with O_DIRECT: the first touch of a
fresh cache page costs more than the disk does, and the writing costs next to no processor time. A file system
without O_DIRECT (tmpfs, macOS) is written through its cache by the same path.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from budwood.domain.limits import KIB, MIB

STAGING_BYTES: Final = 4 * MIB
STAGING_BUFFERS: Final = 3

_ALIGNED: Final = 4 * KIB
_PRIVATE: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_DIRECT: Final = getattr(os, "O_DIRECT", 0)


class Stream:
    """A file written in order through staging buffers. Not thread-safe: the writer's lock is held."""

    def __init__(self, disk: "Disk", descriptor: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self._pending: deque[tuple[Future[None], mmap.mmap]] = deque()
        self._owned = 1
        self._buffer = disk.take()
        self._filled = 0
        self._offset = 0
        _go_direct(descriptor)

    def append(self, view: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> None:
        """Copy the bytes, handing full buffers to the disk. Waits when every buffer is being written."""
        at = 0
        while at < len(view):
            count = min(len(view) - at, STAGING_BYTES - self._filled)
            # NumPy copies without the GIL; a memoryview would hold it.
            np.frombuffer(self._buffer, np.uint8, count, self._filled)[:] = view[at : at + count]
            self._filled += count
            at += count
            if self._filled == STAGING_BYTES:
                self._hand_over(STAGING_BYTES)

    def finish(self, size: int) -> None:
        """Write the rest, padded to whole sectors, wait for everything, cut the padding off."""
        if self._filled:
            padded = -(-self._filled // _ALIGNED) * _ALIGNED
            self._buffer[self._filled : padded] = bytes(padded - self._filled)
            self._hand_over(padded)
        for written, _ in self._pending:
            written.result()
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Wait for what is being written, whatever comes of it, and give the buffers back."""
        for written, buffer in self._pending:
            written.exception()
            self._disk.give(buffer)
        self._pending.clear()
        self._disk.give(self._buffer)

    def _hand_over(self, length: int) -> None:
        if self._owned < STAGING_BUFFERS:
            self._owned += 1
            following = self._disk.take()
        else:
            oldest, following = self._pending.popleft()
            oldest.result()
        written = self._disk.write(self._descriptor, self._buffer, length, self._offset)
        self._pending.append((written, self._buffer))
        self._buffer, self._filled, self._offset = following, 0, self._offset + length


class Disk:
    """The store's writing thread and its idle staging buffers, both made on first need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[mmap.mmap] = []
        self._thread: ThreadPoolExecutor | None = None

    def take(self) -> mmap.mmap:
        with self._lock:
            return self._idle.pop() if self._idle else mmap.mmap(-1, STAGING_BYTES, _PRIVATE)

    def give(self, buffer: mmap.mmap) -> None:
        with self._lock:
            if len(self._idle) < STAGING_BUFFERS:
                self._idle.append(buffer)

    def write(self, descriptor: int, buffer: mmap.mmap, length: int, offset: int) -> "Future[None]":
        with self._lock:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "budwood-disk")
            return self._thread.submit(write_all, descriptor, memoryview(buffer)[:length], offset)

    def close(self) -> None:
        with self._lock:
            self._idle.clear()
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None


def write_all(descriptor: int, view: memoryview, offset: int) -> None:
    """Write every byte, going on after short writes; through the page cache where direct writing is refused."""
    while len(view):
        try:
            count = os.pwrite(descriptor, view, offset)
        except OSError as error:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            if error.errno != errno.EINVAL or not flags & _DIRECT:
                raise
            # EINVAL is no failed write: the file system, or the rest of a short write, is not for O_DIRECT.
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~_DIRECT)
            continue
        view, offset = view[count:], offset + count


def _go_direct(descriptor: int) -> None:
    if _DIRECT:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | _DIRECT)
