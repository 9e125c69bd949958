"""Blocks that were brought to this machine, kept on its disk for the next pull, from whichever registry.

A file holds one block as it lay in its pack, behind what a row of the index would say of it:

    magic:4 | encoding:u8 | depth:u8 | bases:u8 | zero:u8 | raw_length:u32 | length:u32 | digest:32
    | ids of bases | encoded bytes

The digest is the BLAKE3 of all the rest, compared whenever the block is read. Only what was decoded and compared with
its id is put in. So a block that one registry brought is as good as the one that another would bring; who may have it
is not decided here: a reader asks for ids from a manifest, which the registry gave to whoever may read it.

Nothing here fails: a cache that is full, damaged or not to be written to makes a pull slower.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from blake3 import blake3

from budwood.domain.limits import BLOCK_BYTES, CACHED_BYTES_LEAST, TURNED_SOURCES
from budwood.domain.manifest import BlockId
from budwood.errors import PackDamaged
from budwood.store.api import ID_BYTES, BlockRow, Buffer, bases_in
from budwood.store.cache_room import PART_SUFFIX, CacheRoom
from budwood.store.packs import NO_CHECK

_HEAD: Final = struct.Struct("<4s4BII32s")
_MAGIC: Final = b"bwc\x01"
_MOST: Final = _HEAD.size + TURNED_SOURCES * ID_BYTES
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
TOUCHED_MS: Final = 60_000
"""How old the moment of last use may be before it is written anew."""


@dataclass(frozen=True, slots=True)
class CachedRow(BlockRow):
    """The row of a block that lies in the cache. No server can name one: what it is made of is a class of its own."""

    path: str = ""


@dataclass(frozen=True, slots=True)
class BlockCache:
    """What a reader of blocks of one registry finds on this machine, and adds to. ``own``: only what that registry
    itself brought is found, for a push that leans on it (design/accepted/0033)."""

    room: CacheRoom
    registry: str
    own: bool = False

    def of_its_own(self) -> "BlockCache":
        """See ``own``."""
        return replace(self, own=True)

    def find(self, ids: Sequence[BlockId]) -> dict[BlockId, CachedRow]:
        """The rows of those that can be read from here alone: what they lean on is here, too."""
        folders = [self.room.folder(self.registry)] if self.own else self.room.folders()
        rows: dict[BlockId, CachedRow | None] = {}
        return {block: row for block in ids if (row := _whole(block, folders, rows)) is not None} if folders else {}

    def read_into(self, row: CachedRow, target: memoryview) -> memoryview:
        """The encoded block in the front of ``target``. Raises PackDamaged where it is gone or damaged."""
        path = Path(row.path)
        try:
            with _opened(row.path) as descriptor:
                content = memoryview(os.read(descriptor, _MOST + BLOCK_BYTES))
                used_ms = os.fstat(descriptor).st_mtime_ns // 1_000_000
        except OSError as error:
            raise PackDamaged("A block is not in the cache any more.", block=row.id.hex()) from error
        start, body = content[: _HEAD.size], content[_HEAD.size :]
        if len(start) < _HEAD.size or _digest(start, body[: len(row.base)], body[len(row.base) :]) != start[-ID_BYTES:]:
            with suppress(OSError):
                path.unlink()
            raise PackDamaged("A block in the cache was changed on disk.", block=row.id.hex())
        if _row(row.id, row.path, bytes(content[:_MOST])) != row or len(body) != len(row.base) + row.length:
            raise PackDamaged("A block in the cache was written anew.", block=row.id.hex())
        self._note_use(path, used_ms)
        target[: row.length] = body[len(row.base) :]
        return target[: row.length]

    def wants(self, row: BlockRow) -> bool:
        """Whether a block with this row is worth keeping, and is not kept yet."""
        if row.raw_length < CACHED_BYTES_LEAST or isinstance(row, CachedRow):
            return False
        return next(_found(row.id, [self.room.folder(self.registry)]), None) is None

    def put(self, row: BlockRow, encoded: memoryview) -> None:
        """Keep it. The caller has decoded it and compared it with its id."""
        try:
            self.room.make(self.registry)
            if self.room.admits(_HEAD.size + len(row.base) + row.length):
                self._write(row, encoded)
        except OSError:
            self.room.shut()

    def _write(self, row: BlockRow, encoded: memoryview) -> None:
        """Beside its place, then there. Raises OSError."""
        path = self._path(row)
        part = path.with_name(f".{path.name[:16]}.{self.room.ids()}{PART_SUFFIX}")
        numbers = (row.encoding, row.depth, len(row.bases), 0, row.raw_length, row.length)
        head = _HEAD.pack(_MAGIC, *numbers, bytes(ID_BYTES))
        head = head[:-ID_BYTES] + _digest(head, row.base, encoded)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines((head, row.base, encoded))
            self._note_use(part, 0)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def _path(self, row: BlockRow) -> Path:
        name = row.id.hex()
        return self.room.folder(self.registry) / name[:2] / name[2:]

    def _note_use(self, path: Path, used_ms: int) -> None:
        now_ms = self.room.clock()
        if not used_ms <= now_ms < used_ms + TOUCHED_MS:
            with suppress(OSError):
                os.utime(path, ns=(now_ms * 1_000_000,) * 2)


def forget(row: CachedRow) -> None:
    """Remove what was of no help."""
    with suppress(OSError):
        Path(row.path).unlink()


def _whole(block: BlockId, folders: Sequence[Path], rows: dict[BlockId, CachedRow | None]) -> CachedRow | None:
    """Its row, if what it leans on is here, too; the shallowest of several. What was found stays in ``rows``."""
    if block not in rows:
        # Should files lie, a ring ends here.
        rows[block] = None
        found = sorted(_found(block, folders), key=lambda row: row.depth)
        rows[block] = next((row for row in found if all(_whole(base, folders, rows) for base in row.bases)), None)
    return rows[block]


def _found(block: BlockId, folders: Sequence[Path]) -> Iterator[CachedRow]:
    name = block.hex()
    for folder in folders:
        path = f"{folder}/{name[:2]}/{name[2:]}"
        with suppress(OSError), _opened(path) as descriptor:
            row = _row(block, path, os.read(descriptor, _MOST))
            if row is not None:
                yield row


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _row(block: BlockId, path: str, start: bytes) -> CachedRow | None:
    """What the beginning of a file says; None where it is none of ours."""
    if len(start) < _HEAD.size:
        return None
    magic, encoding, depth, bases, zero, raw_length, length, _ = _HEAD.unpack_from(start)
    base = start[_HEAD.size : _HEAD.size + bases * ID_BYTES]
    if magic != _MAGIC or zero or not 0 < length <= BLOCK_BYTES or not 0 < raw_length <= BLOCK_BYTES:
        return None
    if bool(bases) != bool(depth) or bases > TURNED_SOURCES or block in bases_in(base):
        return None
    return CachedRow(block, "cache", 0, length, raw_length, encoding, NO_CHECK, base, depth, path=path)


def _digest(head: Buffer, base: Buffer, encoded: Buffer) -> bytes:
    return blake3(head[:-ID_BYTES]).update(base).update(encoded).digest()
