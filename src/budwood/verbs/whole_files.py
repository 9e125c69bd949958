"""The SHA-256 of whole files while their push is under way, so that publishing need not read everything again.

A client says, as it asks which blocks to send, in which order they make up a file. Blocks are then hashed as they are
checked, in that order, as far as it goes; publishing hashes what is left. It is a memory of this process and may be
lost at any time. Nothing is believed: what is kept is the hash of the blocks so far, by their ids, and it serves only
a file that begins with exactly these.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from budwood.domain.manifest import BlockId

PUSHES_KEPT: Final = 64
FILES_KEPT: Final = 64
BLOCKS_KEPT: Final = 200_000
PACKS_BEGUN: Final = 8
HELD: Final = 6
"""So many blocks that were checked before their turn are held, in all files of a push."""


@dataclass(slots=True)
class _File:
    ids: list[BlockId] = field(default_factory=list)
    hashed: int = 0
    sha: Any = field(default_factory=hashlib.sha256)

    def wants(self, block: BlockId, ahead: int) -> bool:
        """Whether the block is the next one, or among some after it."""
        return block in self.ids[self.hashed : self.hashed + ahead]

    def take(self, raw: memoryview | bytes) -> None:
        self.sha.update(raw)
        self.hashed += 1

    @property
    def next(self) -> BlockId | None:
        return self.ids[self.hashed] if self.hashed < len(self.ids) else None


class Growing:
    """The files of one push, and the packs that were begun for it. ``turn`` is held by whoever checks a pack, so that
    they are checked one by one."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._held: dict[BlockId, bytes] = {}
        self._packs: set[str] = set()
        self.copied: list[str] = []
        """The keys of packs that were copied from where the object store took them in."""

    def may_begin(self, pack: str) -> bool:
        """Whether one more pack may be sent: few may lie here that nobody completes."""
        with self._lock:
            if pack not in self._packs and len(self._packs) >= PACKS_BEGUN:
                return False
            self._packs.add(pack)
            return True

    def completed(self, pack: str) -> None:
        """It was checked, and counts by what is in it."""
        with self._lock:
            self._packs.discard(pack)

    def outline(self, file: str, first: int, ids: Sequence[BlockId]) -> None:
        """The blocks of a file from its ``first`` on. What does not join on is forgotten with its file."""
        with self._lock:
            grown = self._files.get(file)
            if grown is None and first == 0 and len(self._files) < FILES_KEPT:
                grown = self._files[file] = _File()
            if grown is None:
                return
            if first > len(grown.ids) or sum(len(each.ids) for each in self._files.values()) > BLOCKS_KEPT:
                del self._files[file]
            else:
                # The same question may come twice, when its answer was lost.
                grown.ids.extend(ids[len(grown.ids) - first :])

    def taste(self, block: BlockId, raw: memoryview) -> None:
        """A block that was checked just now."""
        with self._lock:
            wanted = False
            for file in self._files.values():
                if file.next == block:
                    file.take(raw)
                    self._drain(file)
                else:
                    wanted = wanted or file.wants(block, 4 * HELD)
            if wanted and len(self._held) < HELD:
                self._held[block] = bytes(raw)

    def next_of(self, file: str) -> BlockId | None:
        """The block a file waits for."""
        with self._lock:
            found = self._files.get(file)
            return found.next if found else None

    def files(self) -> list[str]:
        """Those that are known."""
        with self._lock:
            return list(self._files)

    def begun(self, blocks: Sequence[BlockId]) -> tuple[Any, int]:
        """A hash of the first of these blocks, and how many that are; of none when no file began so."""
        with self._lock:
            for file in self._files.values():
                if file.hashed and file.ids[: file.hashed] == list(blocks[: file.hashed]):
                    return file.sha.copy(), file.hashed
        return hashlib.sha256(), 0

    def _drain(self, file: _File) -> None:
        while (following := file.next) is not None and following in self._held:
            file.take(self._held.pop(following))


class WholeFiles:
    """The pushes this process knows of; the one that was heard of least lately is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pushes: OrderedDict[str, Growing] = OrderedDict()

    def of(self, push: str) -> Growing:
        """The files of a push that lives."""
        with self._lock:
            found = self._pushes.setdefault(push, Growing())
            self._pushes.move_to_end(push)
            if len(self._pushes) > PUSHES_KEPT:
                self._pushes.popitem(last=False)
            return found

    def forget(self, push: str) -> None:
        """It has ended."""
        with self._lock:
            self._pushes.pop(push, None)


@cache
def whole_files() -> WholeFiles:
    """Of this process."""
    return WholeFiles()
