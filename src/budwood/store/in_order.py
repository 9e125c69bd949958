"""The SHA-256 of a file whose parts are read by several threads, and which only one at a time can hash.

Hashing needs order and is the longest chain of a push, so whoever has a part hands it in and goes on. The one who finds
nobody hashing does it: its own part, and those that others hand in meanwhile. Nobody waits for a turn, only for a
buffer when all of its own are handed in. A thread for it alone would be one more on a machine with few cores.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from budwood.domain.limits import BLOCK_BYTES


class Buffers:
    """Of one thread, each for a part; made on first need. Whoever used one last gives it back, from any thread."""

    def __init__(self, most: int) -> None:
        self._idle = SimpleQueue[memoryview]()
        self._unmade = most

    def take(self) -> memoryview:
        """Waits while all are in use."""
        try:
            return self._idle.get(block=not self._unmade)
        except Empty:
            self._unmade -= 1
            return memoryview(bytearray(BLOCK_BYTES))

    def give(self, buffer: memoryview) -> None:
        self._idle.put(buffer)


@dataclass(frozen=True, slots=True)
class _Part:
    content: memoryview
    done: Callable[[], None]


class InOrder:
    """Parts are numbered from ``first``, before which lies ``before``. Every part from there to one that is hashed
    must be handed in, by whichever thread."""

    def __init__(self, stop: threading.Event, *, first: int = 0, before: memoryview | bytes = b"") -> None:
        self._sha = hashlib.sha256(before)
        self._lock = threading.Lock()
        self._ready = dict[int, _Part]()
        self._next = first
        self._is_hashing = False
        self._stop = stop

    def update(self, number: int, content: memoryview, done: Callable[[], None] = lambda: None) -> None:
        """Hand in a part, and hash what can be hashed unless another thread does. ``done`` is called, perhaps by that
        one, when the part is no longer needed: hashed, or the whole push has stopped."""
        with self._lock:
            self._ready[number] = _Part(content, done)
            if self._is_hashing:
                return
            self._is_hashing = True
        while (part := self._following()) is not None:
            self._sha.update(part.content)
            part.done()
        if self._stop.is_set():
            self.wake()

    def wake(self) -> None:
        """Let threads that wait for their parts have them, when the push has stopped."""
        with self._lock:
            ready, self._ready = self._ready, {}
        for part in ready.values():
            part.done()

    def hexdigest(self) -> str:
        """Of all parts, once they are all in."""
        return self._sha.hexdigest()

    def _following(self) -> _Part | None:
        with self._lock:
            part = None if self._stop.is_set() else self._ready.pop(self._next, None)
            self._is_hashing = part is not None
            self._next += self._is_hashing
            return part
