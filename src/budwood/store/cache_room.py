"""The folder of the cache of blocks on this machine's disk: whose it is, how full it is, and what goes first.

    <root>/<registry>/ab/cdef…    one block a file, by its id; used last at the time of its change
    <root>/<registry>/name        what people call that registry

Several processes share it and none holds a lock: files appear whole, by a rename, and may be removed at any time. Each
process counts what it adds and looks at the disk again after a while, so that the bound is kept to within a sixteenth
for each of them. The folder is its user's alone; one that is not is left alone.
"""

import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.domain.results import CachedRegistry, CachePruned, CacheState
from budwood.errors import StorageFailed

NAME_FILE: Final = "name"
PART_SUFFIX: Final = ".part"
SHARE_UNSEEN: Final = 16
"""One part in so many of the bound may be added before the disk is looked at again."""
RECENT_MS: Final = 600_000
"""What was used so lately gives way to nothing: else one pull larger than the bound would leave nothing of itself."""
SHUT_MS: Final = 60_000
STALE_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    size: int
    used_ms: int


class CacheRoom:
    """``limit_bytes`` is how much it may hold; less, where half of the disk's free room is less. ``ids`` gives fresh
    unique names. Shared by threads."""

    def __init__(self, root: Path, limit_bytes: int, clock: Callable[[], int], ids: Callable[[], str]) -> None:
        self.root, self.limit_bytes, self.clock, self.ids = root, limit_bytes, clock, ids
        self._lock = threading.Lock()
        self._held = -1
        self._unseen = 0
        self._shut_until_ms = 0

    def folder(self, registry: str) -> Path:
        """Where what that registry brought lies; there may be none yet."""
        return self.root / hashlib.sha256(registry.encode()).hexdigest()[:16]

    def folders(self) -> list[Path]:
        """Of every registry; none where the root is not this user's alone."""
        try:
            if not _is_private(self.root):
                return []
            return [Path(entry.path) for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def make(self, registry: str) -> None:
        """Its folder, for this user alone. Raises OSError where that cannot be."""
        folder = self.folder(registry)
        if folder.is_dir():
            return
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.root.mkdir(mode=0o700)
        if not _is_private(self.root):
            raise PermissionError(f"{self.root} belongs to others, too")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        (folder / NAME_FILE).write_text(registry, "utf-8")

    def admits(self, size: int) -> bool:
        """Whether so many bytes may be added; what was used longest ago gives way."""
        with self._lock:
            if self.clock() < self._shut_until_ms:
                return False
            self._unseen += size
            seen = self._held >= 0 and self._unseen * SHARE_UNSEEN <= self.limit_bytes
            if not seen or self._held + self._unseen > self.limit_bytes:
                self._held, self._unseen = self._made_room(size), size
            if self._held + self._unseen <= self.limit_bytes:
                return True
            self.shut()
            return False

    def shut(self) -> None:
        """Take nothing for a while: the disk is full, or all that is held is in use."""
        self._shut_until_ms = self.clock() + SHUT_MS

    def state(self) -> CacheState:
        """What it holds, by registry."""
        found = [_told(folder, list(_blocks(folder))) for folder in self.folders()]
        ordered = tuple(sorted(found, key=lambda each: -each.bytes))
        return CacheState(str(self.root), self.limit_bytes, sum(each.bytes for each in ordered), ordered)

    def prune(self, to_bytes: int) -> CachePruned:
        """Remove what was used longest ago, until no more than so much is left. Raises StorageFailed."""
        kept = self._kept()
        removed = _removed(kept, sum(each.size for each in kept) - to_bytes)
        return CachePruned(removed, self.state())

    def clear(self) -> CachePruned:
        """Remove everything. Raises StorageFailed."""
        pruned = self.prune(0)
        for folder in self.folders():
            shutil.rmtree(folder, ignore_errors=True)
        return CachePruned(pruned.removed_bytes, self.state())

    def _made_room(self, size: int) -> int:
        """What is held after what must go went."""
        now, kept = self.clock(), self._kept()
        held = sum(each.size for each in kept)
        over = held + size - self._bound(held)
        if over > 0:
            old = [each for each in kept if each.used_ms < now - RECENT_MS]
            # A little more, so that the disk is not looked at for each block.
            with suppress(StorageFailed):
                held -= _removed(old, over + self.limit_bytes // SHARE_UNSEEN)
        return held if held + size <= self._bound(held) else self.limit_bytes

    def _bound(self, held: int) -> int:
        try:
            return min(self.limit_bytes, held + shutil.disk_usage(self.root).free // 2)
        except OSError:
            return 0

    def _kept(self) -> list[_Kept]:
        """Every block, the one used longest ago first. What writers left behind when they were killed is removed."""
        stale_ms, found = self.clock() - STALE_MS, list[_Kept]()
        for folder in self.folders():
            for each in _blocks(folder, parts=True):
                if not each.path.name.endswith(PART_SUFFIX):
                    found.append(each)
                elif each.used_ms < stale_ms:
                    with suppress(OSError):
                        each.path.unlink()
        return sorted(found, key=lambda each: each.used_ms)


def _is_private(root: Path) -> bool:
    """Whether it is a folder of this user's. Rights that others have to it are taken away. Raises OSError."""
    status = os.lstat(root)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return False
    if status.st_mode & 0o077:
        root.chmod(0o700)
    return True


def _blocks(folder: Path, *, parts: bool = False) -> Iterator[_Kept]:
    """Its blocks in any order; what another process removes meanwhile is not among them."""
    for below in _entries(folder):
        if below.is_dir(follow_symlinks=False):
            for entry in _entries(Path(below.path)):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if parts or not entry.name.endswith(PART_SUFFIX):
                        yield _Kept(Path(entry.path), status.st_size, status.st_mtime_ns // 1_000_000)


def _entries(folder: Path) -> "Sequence[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return ()


def _told(folder: Path, kept: Sequence[_Kept]) -> CachedRegistry:
    try:
        name = (folder / NAME_FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        name = folder.name
    used_ms = max((each.used_ms for each in kept), default=0)
    return CachedRegistry(name, len(kept), sum(each.size for each in kept), used_ms)


def _removed(kept: Sequence[_Kept], least: int) -> int:
    """The bytes removed, the first of them first, until they are as many as asked. Raises StorageFailed."""
    removed = 0
    for each in kept:
        if removed >= least:
            break
        try:
            each.path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(f"{each.path} cannot be removed: {error.strerror}.", path=str(each.path)) from error
        removed += each.size
    return removed
