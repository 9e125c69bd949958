"""Packs: many encoded blocks in one object, with an index at its end. docs/internals/packs.md is the format.

    header | block | block | … | footer: one entry a block, then what entries have no room for | trailer

A push writes its blocks through a ``PackSet``, which begins a new pack when one is full. Whoever has only the
packs gets every row back with ``read_footer``; whoever has a row gets the encoded bytes with ``fetch``.
"""

import re
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, overload

import numpy as np
from blake3 import blake3

from budwood.domain.limits import (
    BLOCK_BYTES,
    DEEPEST,
    DERIVED_DEPTH,
    PACK_BLOCKS,
    PACK_BYTES,
    PARCEL_BLOCKS,
    PARCEL_RAW_BYTES,
    PARCEL_SOURCES,
    TURNED_SOURCES,
)
from budwood.domain.manifest import BlockId
from budwood.errors import BlockDamaged, PackDamaged, TooNew
from budwood.store.api import ID_BYTES, BlockRow, Buffer, Objects, ObjectWriter, bases_in
from budwood.store.checksum import crc32
from budwood.store.encodings.registry import DERIVED

PACK_FORMAT: Final = 1
DERIVED_FORMAT: Final = 2
"""That of packs with blocks that lean on several; an older Budwood cannot read those, and says so."""
SEALED_AT_ONCE: Final = 2
NO_CHECK: Final = -1
"""In place of a block's check sum where nobody knows it; its digest is compared all the same."""

_HEADER: Final = struct.Struct("<12sI")
_HEADER_MAGIC: Final = b"budwood.pack"
_TRAILER: Final = struct.Struct("<QI32sI4s")
_TRAILER_MAGIC: Final = b"kcap"
_ENTRY: Final = np.dtype(
    [
        ("id", "V32"),
        ("offset", "<u8"),
        ("length", "<u4"),
        ("raw_length", "<u4"),
        ("encoding", "u1"),
        ("depth", "u1"),
        ("flags", "u1"),
        ("more", "u1"),
        ("check", "<u4"),
        ("base", "V32"),
    ]
)
_ROW: Final = struct.Struct("<32sQIIBBBBI32s")
"""An entry again, for writing one at a time."""
_ROWS_AT_ONCE: Final = 4096
_MORE_MOST: Final = (TURNED_SOURCES - 1) * ID_BYTES
_MANIFEST: Final = 1
_NO_BASE: Final = bytes(32)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_Entries = np.ndarray[Any, np.dtype[np.void]]


@dataclass(frozen=True, slots=True)
class NewBlock:
    """An encoded block before it has a place: the part of its row that its writer knows."""

    id: BlockId
    raw_length: int
    encoding: int
    base: BlockId = b""
    depth: int = 0
    is_manifest: bool = False


def pack_key(name: str) -> str:
    """The object's key; the two digits spread many packs over folders. Raises PackDamaged for an impossible name."""
    if not _NAME.fullmatch(name):
        raise PackDamaged(f"{name!r} is not the name of a pack.", pack=name)
    return f"packs/{blake3(name.encode()).hexdigest(1)}/{name}.pack"


def pack_name(key: str) -> str:
    """The name in a pack's key. Raises PackDamaged when the key is not one that ``pack_key`` gives."""
    name = key.rpartition("/")[2].removesuffix(".pack")
    if not _NAME.fullmatch(name) or pack_key(name) != key:
        raise PackDamaged(f"{key!r} is not the key of a pack.", key=key)
    return name


@dataclass(frozen=True, slots=True)
class Footer:
    """The index of a pack: its entries, and the ids of all sources but the first of blocks that have several."""

    name: str
    entries: bytes
    more: bytes = b""


class PackRows(Sequence[BlockRow]):
    """The rows of some packs, made of their footers when they are asked for: as objects they take four times as much.

    Compares as the tuple of them would.
    """

    def __init__(self, footers: Sequence["Footer"]) -> None:
        self._footers = footers

    def __len__(self) -> int:
        return sum(len(footer.entries) for footer in self._footers) // _ROW.size

    def depths(self) -> Counter[int]:
        """How many lie at each depth."""
        found: Counter[int] = Counter()
        for footer in self._footers:
            depths = np.bincount(np.frombuffer(footer.entries, dtype=_ENTRY)["depth"])
            found.update(dict(enumerate(depths.tolist())))
        return found

    def __iter__(self) -> Iterator[BlockRow]:
        for footer in self._footers:
            yield from _rows(footer.name, np.frombuffer(footer.entries, dtype=_ENTRY), footer.more)

    @overload
    def __getitem__(self, at: int) -> BlockRow: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[BlockRow, ...]: ...
    def __getitem__(self, at: int | slice) -> BlockRow | tuple[BlockRow, ...]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


class PackSet:
    """Writes blocks into as few packs as their size allows. ``add`` may be called from several threads.

    A full pack is published in the background while the next one fills; ``SEALED_AT_ONCE`` at a time. Leaving
    without ``finish`` discards what is not published. Packs that were already published then remain: no row names
    them, and a sweep removes them. ``pack_bytes`` is the most a pack may have, ``PACK_BYTES`` when it is 0. ``derives``
    says that blocks may lean on several.
    """

    def __init__(
        self,
        objects: Objects,
        names: Iterator[str] | Callable[[], str],
        *,
        pack_bytes: int = 0,
        derives: bool = False,
    ) -> None:
        self._format = DERIVED_FORMAT if derives else PACK_FORMAT
        self._objects = objects
        self._next_name = names if callable(names) else names.__next__
        self._pack_bytes = pack_bytes or PACK_BYTES
        self._lock = threading.Lock()
        self._pack: _Pack | None = None
        self._begun: list[_Pack] = []
        self._sealer: ThreadPoolExecutor | None = None
        self._sealing: list[Future[None]] = []
        self._at_once = SEALED_AT_ONCE
        self._lost: BaseException | None = None

    def add(self, block: NewBlock, parts: Sequence[Buffer], length: int) -> BlockRow:
        """Append the encoded block; where it lies. The parts have ``length`` bytes and may be reused at once.

        Raises StorageFull, StorageFailed, also for a pack that was being published; nothing can be added then.
        """
        assert sum(memoryview(part).nbytes for part in parts) == length, "the parts do not have the length given"
        check = _check(parts)
        with self._lock:
            self._forget_sealed()
            if self._pack is not None and not self._pack.has_room(length, block.raw_length, self._pack_bytes):
                self._seal_behind()
            if self._pack is None:
                self._pack = _Pack(self._objects, self._next_name(), self._format)
                self._begun.append(self._pack)
            return self._pack.add(block, parts, length, check)

    def in_order(self) -> Sequence[BlockRow]:
        """From here on a pack is published before the next one: blocks may lean on those that are there by now, which
        are given. Raises StorageFull, StorageFailed."""
        with self._lock:
            self._at_once = 1
            self._wait_for_sealing(leave=0)
            return self._rows()

    def finish(self) -> Sequence[BlockRow]:
        """Publish everything; every row, in the order added. It is durable then. Raises StorageFull, StorageFailed."""
        with self._lock:
            self._wait_for_sealing(leave=self._at_once - 1)
            if self._pack is not None:
                self._seal_last(self._pack)
            self._wait_for_sealing(leave=0)
            return self._rows()

    def _rows(self) -> Sequence[BlockRow]:
        return PackRows(tuple(Footer(pack.name, bytes(pack.footer), bytes(pack.more)) for pack in self._begun))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._pack is not None:
                self._pack.discard()
                self._pack = None
            if self._sealer is not None:
                self._sealer.shutdown()

    def _seal_behind(self) -> None:
        self._wait_for_sealing(leave=self._at_once - 1)
        assert self._pack is not None
        if self._sealer is None:
            self._sealer = ThreadPoolExecutor(SEALED_AT_ONCE, "budwood-seal")
        self._sealing.append(self._sealer.submit(self._pack.seal))
        self._pack = None

    def _seal_last(self, pack: "_Pack") -> None:
        self._pack = None
        try:
            pack.seal()
        except BaseException as error:
            self._lost = error
            raise

    def _forget_sealed(self) -> None:
        """Raises what went wrong there, every time it is asked: a set that lost a pack never finishes."""
        if self._lost is not None:
            raise self._lost
        for sealed in [sealing for sealing in self._sealing if sealing.done()]:
            sealed.result()
            self._sealing.remove(sealed)

    def _wait_for_sealing(self, *, leave: int) -> None:
        """Until no more than so many packs are being published. Raises as above."""
        self._forget_sealed()
        while len(self._sealing) > leave:
            wait(self._sealing, return_when=FIRST_COMPLETED)
            self._forget_sealed()


class _Pack:
    """One pack being written. Its caller holds the lock of the set."""

    def __init__(self, objects: Objects, name: str, pack_format: int) -> None:
        self.name = name
        self.footer = bytearray()
        self.more = bytearray()
        self._format = pack_format
        self._writer: ObjectWriter = objects.create(pack_key(name))
        self._raw_bytes = self._sources = 0
        try:
            self._writer.append([_HEADER.pack(_HEADER_MAGIC, pack_format)])
        except BaseException:
            self.discard()
            raise

    def has_room(self, length: int, raw_length: int, pack_bytes: int) -> bool:
        """Also by what it takes to check a pack: one that a server would refuse is never written."""
        index_bytes = len(self.footer) + len(self.more) + _ROW.size + _MORE_MOST + _TRAILER.size
        return (
            self._writer.size + length + index_bytes <= pack_bytes
            and self._raw_bytes + raw_length <= PARCEL_RAW_BYTES
            and len(self.footer) < PARCEL_BLOCKS * _ROW.size
            and self._sources + TURNED_SOURCES <= PARCEL_SOURCES
        )

    def add(self, block: NewBlock, parts: Sequence[Buffer], length: int, check: int) -> BlockRow:
        _assert_writable(block, length, self._format)
        offset = self._writer.append(parts)
        row = BlockRow(
            id=block.id,
            pack=self.name,
            offset=offset,
            length=length,
            raw_length=block.raw_length,
            encoding=block.encoding,
            check=check,
            base=block.base,
            depth=block.depth,
            is_manifest=block.is_manifest,
        )
        self.footer += _written(row)
        self.more += row.base[ID_BYTES:]
        self._sources += len(row.bases) if row.depth == DERIVED_DEPTH else 0
        self._raw_bytes += block.raw_length
        return row

    def seal(self) -> None:
        """Write the index and publish. Raises StorageFull, StorageFailed; then the pack is discarded."""
        try:
            footer = self.footer + self.more
            trailer = _trailer(self._writer.size, len(self.footer) // _ROW.size, footer, self._format)
            self._writer.append([footer, trailer])
            self._writer.publish()
        finally:
            self.discard()

    def discard(self) -> None:
        """Drop it unless it was published."""
        self._writer.__exit__(None, None, None)


def read_footer(objects: Objects, name: str, *, most: int = PACK_BLOCKS) -> tuple[BlockRow, ...]:
    """All of ``footer_rows``, and the same errors."""
    return tuple(footer_rows(objects, name, most=most))


def footer_rows(objects: Objects, name: str, *, most: int = PACK_BLOCKS) -> PackRows:
    """Every row of a pack, in the order written, from the pack alone. Reads and holds only its index, ``most`` rows.

    All is checked before they are given. Raises PackDamaged when anything about the index is not as it was
    written, TooNew, StorageFailed.
    """
    key = pack_key(name)
    size = objects.size(key)
    if size is None:
        raise PackDamaged(f"The pack {name} is missing.", pack=name)
    if size < _HEADER.size + _TRAILER.size:
        raise _damaged(name, f"{size} bytes are too few")
    header = objects.read(key, 0, _HEADER.size)
    trailer = _read_trailer(name, header, objects.read(key, size - _TRAILER.size, _TRAILER.size))
    entry_bytes, footer_bytes = trailer.count * _ENTRY.itemsize, size - _TRAILER.size - trailer.offset
    more_bytes = footer_bytes - entry_bytes
    most_more = trailer.count * _MORE_MOST if trailer.format == DERIVED_FORMAT else 0
    if not 0 < trailer.count <= most or not 0 <= more_bytes <= most_more:
        raise _damaged(name, f"{trailer.count} blocks indexed at byte {trailer.offset} do not fit in {size} bytes")
    footer = objects.read(key, trailer.offset, footer_bytes)
    if blake3(footer).digest() != trailer.digest:
        raise _damaged(name, "the index does not match its digest")
    entries = np.frombuffer(footer, dtype=_ENTRY, count=trailer.count)
    if int(entries["more"].sum(dtype=np.int64)) * ID_BYTES != more_bytes:
        raise _damaged(name, "its blocks lean on more, or fewer, than are listed")
    _check_entries(name, entries, trailer.offset)
    return PackRows((Footer(name, footer[:entry_bytes], footer[entry_bytes:]),))


def fetch(objects: Objects, row: BlockRow, target: memoryview) -> memoryview:
    """Read the encoded block into the front of ``target`` and return that front.

    Raises BlockDamaged when the bytes are not those written, PackDamaged, StorageFailed.
    """
    if not 0 < row.length <= len(target):
        raise BlockDamaged(f"A block of {row.length} encoded bytes is impossible.", block=row.id.hex(), pack=row.pack)
    encoded = target[: row.length]
    objects.read_into(pack_key(row.pack), row.offset, encoded)
    if row.check != NO_CHECK and crc32(encoded) != row.check:
        message = f"Block {row.id.hex()[:16]} at byte {row.offset} of pack {row.pack} was changed on disk."
        raise BlockDamaged(message, block=row.id.hex(), pack=row.pack, offset=row.offset)
    return encoded


def _check(parts: Sequence[Buffer]) -> int:
    check = 0
    for part in parts:
        check = crc32(part, check)
    return check


def _assert_writable(block: NewBlock, length: int, pack_format: int) -> None:
    """What ``read_footer`` would refuse must never be written."""
    assert len(block.id) == 32, "a block is named by 32 bytes"
    assert 0 < length <= BLOCK_BYTES, "an encoded block is never larger than raw"
    assert 0 < block.raw_length <= BLOCK_BYTES, "a block has at least a byte and at most BLOCK_BYTES"
    assert 0 <= block.depth <= DEEPEST, "a chain is at most DEEPEST deep"
    bases = bases_in(block.base)
    assert bool(bases) == bool(block.depth), "a block has a base exactly when it has a depth"
    assert len(block.base) == ID_BYTES * len(bases), "a base is named by 32 bytes"
    assert not {block.id, _NO_BASE}.intersection(bases), "a block is no difference from itself"
    assert (block.depth == DERIVED_DEPTH) == (block.encoding == DERIVED), "a derived block has a depth of its own"
    assert len(bases) < 2 or pack_format == DERIVED_FORMAT, "this pack is for others"
    assert len(bases) <= TURNED_SOURCES, "a block is derived from at most TURNED_SOURCES"


def _written(row: BlockRow) -> bytes:
    flags = _MANIFEST if row.is_manifest else 0
    more = max(0, len(row.base) // ID_BYTES - 1)
    numbers = (row.offset, row.length, row.raw_length, row.encoding, row.depth, flags, more, row.check)
    return _ROW.pack(row.id, *numbers, row.base[:ID_BYTES] or _NO_BASE)


def _trailer(offset: int, count: int, footer: Buffer, pack_format: int = PACK_FORMAT) -> bytes:
    return _TRAILER.pack(offset, count, blake3(footer).digest(), pack_format, _TRAILER_MAGIC)


@dataclass(frozen=True, slots=True)
class _Trailer:
    offset: int
    count: int
    digest: bytes
    format: int


def _read_trailer(name: str, header: bytes, trailer: bytes) -> _Trailer:
    magic, header_format = _HEADER.unpack(header)
    offset, count, digest, trailer_format, trailer_magic = _TRAILER.unpack(trailer)
    if magic != _HEADER_MAGIC or trailer_magic != _TRAILER_MAGIC or header_format != trailer_format:
        raise _damaged(name, "it does not begin or end like a pack")
    if header_format > DERIVED_FORMAT:
        message = f"The pack {name} has format {header_format}; this Budwood reads up to {DERIVED_FORMAT}."
        raise TooNew(message, pack=name)
    if header_format < PACK_FORMAT:
        raise _damaged(name, f"there is no format {header_format}")
    return _Trailer(offset, count, digest, header_format)


def _check_entries(name: str, entries: _Entries, end: int) -> None:
    """The blocks lie back to back between header and footer, and each entry is one that a writer may write."""
    offsets, lengths = entries["offset"], entries["length"].astype(np.uint64)
    expected = np.concatenate(([_HEADER.size], _HEADER.size + np.cumsum(lengths))).astype(np.uint64)
    if int(expected[-1]) != end or not np.array_equal(offsets, expected[:-1]):
        raise _damaged(name, "its blocks do not lie back to back")
    for field in ("length", "raw_length"):
        if not np.all((entries[field] > 0) & (entries[field] <= BLOCK_BYTES)):
            raise _damaged(name, f"a {field} is out of range")
    if np.any(entries["depth"] > DEEPEST) or np.any(entries["flags"] > _MANIFEST):
        raise _damaged(name, "an entry has a depth or flags that cannot be")
    if np.any((entries["more"] > 0) & (entries["depth"] != DERIVED_DEPTH)) or np.any(entries["more"] >= TURNED_SOURCES):
        raise _damaged(name, "an entry leans on more blocks than it may")
    base = _words(entries, "base")
    has_base = np.any(base != 0, axis=1)
    if not np.array_equal(has_base, entries["depth"] > 0) or np.any(np.all(base == _words(entries, "id"), axis=1)):
        raise _damaged(name, "a base and a depth contradict each other")


def _words(entries: _Entries, field: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.ascontiguousarray(entries[field]).view("<u8").reshape(-1, 4)


def _rows(name: str, entries: _Entries, sources: bytes) -> Iterator[BlockRow]:
    at = 0
    for start in range(0, len(entries), _ROWS_AT_ONCE):
        few = entries[start : start + _ROWS_AT_ONCE].tolist()
        for block, offset, length, raw_length, encoding, depth, flags, more, check, base in few:
            if more:
                base += sources[at : at + more * ID_BYTES]
                at += more * ID_BYTES
            yield BlockRow(
                block, name, offset, length, raw_length, encoding, check, base if depth else b"", depth, bool(flags)
            )


def _damaged(name: str, reason: str) -> PackDamaged:
    return PackDamaged(f"The pack {name} is damaged: {reason}.", pack=name)
