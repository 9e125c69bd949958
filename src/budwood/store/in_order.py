"""The SHA-256 of a file whose parts are read by several threads: each part is hashed where it was read.

Hashing needs order and takes a quarter of the time a part takes altogether, so threads that wait for their turn
fall into step after the first few parts. A thread of its own would have to read everything a second time.
"""

import hashlib
import threading


class InOrder:
    """Parts are numbered from ``first``, before which lies ``before``. Every part from there to one that is hashed
    must be hashed, by whichever thread."""

    def __init__(self, stop: threading.Event, *, first: int = 0, before: memoryview | bytes = b"") -> None:
        self._sha = hashlib.sha256(before)
        self._turn = threading.Condition()
        self._next = first
        self._stop = stop

    def update(self, number: int, part: memoryview) -> None:
        """Hash the part once all before it are; returns without hashing when the whole push has stopped."""
        with self._turn:
            self._turn.wait_for(lambda: self._next == number or self._stop.is_set())
            if self._stop.is_set():
                self._turn.notify_all()
                return
        self._sha.update(part)
        with self._turn:
            self._next += 1
            self._turn.notify_all()

    def wake(self) -> None:
        """Let waiting threads see that the push has stopped."""
        with self._turn:
            self._turn.notify_all()

    def hexdigest(self) -> str:
        """Of all parts, once they are all in."""
        return self._sha.hexdigest()
