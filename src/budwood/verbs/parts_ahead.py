"""What comes in parts goes into the store from its front while the rest still comes, where this process takes it all.

Parts come side by side and in any order. Those from the first one on without a gap may be read already; the file is
read as it grows (``store/coming.py``). All of it is a shortcut: when a part was sent again meanwhile, went to another
process, or nothing came for long, ``ended`` says so, and the file is read from scratch.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.errors import BudwoodError
from budwood.store.coming import Arrival
from budwood.verbs.house import House
from budwood.verbs.keeping import Ahead, begin_ahead

LEAST_PARTS: Final = 4
"""Fewer are there before it would help."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A part that is there: its length, and what tells it from the same part sent again."""

    length: int
    mark: str


class Followed:
    """One file that comes in parts. ``whole`` is where all but the last are written."""

    def __init__(self, house: House, namespace: str, path: str, whole: Path, parts: int) -> None:
        self._of = (house, namespace, path, whole)
        self._parts = parts
        self._lock = threading.Lock()
        self._came: dict[int, Noted] = {}
        self._front = 0
        self._arrival = Arrival()
        self._ahead: Ahead | None = None
        self._given_up = parts < LEAST_PARTS

    def came(self, number: int, length: int, mark: str) -> None:
        """A part is written. The first one begins it all."""
        with self._lock:
            if self._given_up:
                return
            if number <= self._front:
                self._give_up("a part was sent again")
                return
            self._came[number] = Noted(length, mark)
            before = self._front
            # The last one lies elsewhere until all are there.
            while self._front + 1 < self._parts and self._front + 1 in self._came:
                self._front += 1
            if self._front > before:
                self._arrival.advance(self._front * self._came[1].length)
                self._begin()

    def ended(self, noted: list[Noted]) -> Ahead | None:
        """The file is whole: what is ahead of it, unless that followed other parts than these. Call it once."""
        with self._lock:
            if not self._given_up and any(
                self._came.get(number) != noted[number - 1] for number in range(1, self._front + 1)
            ):
                self._give_up("a part was sent again")
            ahead, self._ahead = self._ahead, None
            self._given_up = True
            if ahead is not None:
                ahead.end(sum(part.length for part in noted))
            return ahead

    def drop(self) -> None:
        """Nobody wants it any more."""
        with self._lock:
            self._give_up("its sender gave it up")

    def _begin(self) -> None:
        if self._ahead is None:
            try:
                self._ahead = begin_ahead(*self._of, self._arrival)
            except BudwoodError:
                self._ahead = None
            self._given_up = self._ahead is None

    def _give_up(self, reason: str) -> None:
        self._given_up = True
        if self._ahead is not None:
            self._ahead.abandon(reason)
            self._ahead = None


class _All:
    """The files that come in parts to this process, by the secret names of their uploads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: dict[str, Followed] = {}

    def add(self, upload: str, followed: Followed) -> None:
        with self._lock:
            self._followed[upload] = followed

    def find(self, upload: str) -> Followed | None:
        return self._followed.get(upload)

    def take(self, upload: str) -> Followed | None:
        """It is not found again."""
        with self._lock:
            return self._followed.pop(upload, None)

    def drop(self, upload: str) -> None:
        if (followed := self.take(upload)) is not None:
            followed.drop()


FOLLOWED: Final = _All()
