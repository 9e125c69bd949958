"""From block ids back to bytes, verified: whole files, byte ranges, single tensors.

Every block that leaves the store is checked against the BLAKE3 that names it. A block kept as a difference is
decoded onto its base first; the base itself needs no check of its own, because a wrong base cannot give the
right block.

Blocks that were brought to this machine before come from its cache (``cache.py``). It never stands between a reader and
the registry: what cannot be read with its help is read without it.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from budwood.domain.limits import BLOCK_BYTES, DEEPEST, DERIVED_SOURCES
from budwood.domain.manifest import BlockId, FileEntry, Span
from budwood.errors import BlockDamaged, PackDamaged
from budwood.store._memory import keep_freed_memory
from budwood.store.api import BlockIndex, BlockRow, Objects
from budwood.store.cache import BlockCache, CachedRow, forget
from budwood.store.encodings import decode_block
from budwood.store.encodings.derived import gather, read_function
from budwood.store.encodings.registry import DERIVED
from budwood.store.packs import fetch
from budwood.store.turning import Turning

Rows = Mapping[BlockId, BlockRow]
Bytes8 = npt.NDArray[np.uint8]
_SMALL_BYTES: Final = 1 << 16
_LOOKS: Final = 3
_ENCODED: Final = DEEPEST + 1
"""The buffer for encoded bytes, beside one for each level of a chain."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and where its bytes belong: ``length`` bytes at ``offset`` of the file or tensor."""

    id: BlockId
    offset: int
    length: int


def placed_in_span(span: Span, at: int = 0) -> Iterator[Placed]:
    """The blocks of a span, placed from ``at``."""
    for block, length in zip(span.blocks, span.block_lengths(), strict=True):
        yield Placed(block, at, length)
        at += length


def placed_in_file(entry: FileEntry) -> Iterator[Placed]:
    """The blocks of a file in order; together they tile it."""
    for span in entry.spans:
        yield from placed_in_span(span, span.offset)


def grouped(placed: Sequence[Placed]) -> list[list[Placed]]:
    """Adjacent blocks together, at most ``BLOCK_BYTES`` a group, so that small ones share a write."""
    groups: list[list[Placed]] = []
    held = BLOCK_BYTES
    for place in placed:
        if held + place.length > BLOCK_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(place)
        held += place.length
    return groups


class BlockReader:
    """Decodes blocks. Shared by threads; each thread has its own buffers. ``cached_bytes`` of those read came from the
    cache."""

    def __init__(self, objects: Objects, index: BlockIndex, cache: BlockCache | None = None) -> None:
        keep_freed_memory()
        self._objects = objects
        self._index = index
        self._cache = cache
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sources: OrderedDict[BlockId, bytes] = OrderedDict()
        self._turning = Turning()
        self.cached_bytes = 0

    def rows(self, ids: Iterable[BlockId]) -> Rows:
        """The rows of those blocks and of every base they need. Raises BlockDamaged naming what is missing."""
        asked = tuple(ids)
        for _ in range(_LOOKS - 1):
            # A block may be written anew, and what it leaned on swept, between the questions about the two.
            with suppress(BlockDamaged):
                return self._rows(asked, self._cache)
        return self._rows(asked, None)

    def _rows(self, ids: Iterable[BlockId], cache: BlockCache | None) -> Rows:
        rows: dict[BlockId, BlockRow] = {}
        wanted = set(ids)
        for _ in range(DEEPEST + 1):
            found: dict[BlockId, BlockRow] = dict(cache.find(tuple(wanted))) if cache is not None else {}
            if left := tuple(wanted - found.keys()):
                found |= self._index.find(left)
            if missing := wanted - found.keys():
                raise BlockDamaged(
                    f"{len(missing)} block(s) are not in the store.", block=min(missing).hex(), missing=len(missing)
                )
            rows |= found
            wanted = {base for row in found.values() for base in row.bases} - rows.keys()
            if not wanted:
                return rows
        raise BlockDamaged("A chain of differences is deeper than allowed.", block=min(wanted).hex())

    def read(self, block: BlockId, rows: Rows, target: memoryview) -> None:
        """Fill ``target`` (exactly the block's raw length) and verify. Raises BlockDamaged, PackDamaged."""
        row = rows[block]
        try:
            self._read(row, rows, target)
        except (BlockDamaged, PackDamaged):
            if not _forgotten(row, rows):
                raise
            fresh = self._rows((block,), None)
            self._read(fresh[block], fresh, target)

    def _read(self, row: BlockRow, rows: Rows, target: memoryview) -> None:
        if row.raw_length != len(target):
            raise BlockDamaged("A block has another length than its version says.", block=row.id.hex())
        read = self._decode_where_it_is(row, rows, target)
        if blake3(target).digest() != row.id:
            raise BlockDamaged("A block does not match its digest.", block=row.id.hex(), pack=row.pack)
        if isinstance(read.row, CachedRow):
            with self._lock:
                self.cached_bytes += len(target)
        elif self._cache is not None and self._cache.wants(read.row):
            self._cache.put(read.row, read.encoded)

    def decode(self, row: BlockRow, rows: Rows, target: memoryview) -> None:
        """Fill ``target`` without the final check. Raises BlockDamaged, PackDamaged."""
        try:
            read = self._decode_where_it_is(row, rows, target)
        except (BlockDamaged, PackDamaged):
            if not _forgotten(row, rows):
                raise
            fresh = self._rows((row.id,), None)
            read = self._decode_where_it_is(fresh[row.id], fresh, target)
        self._keep(read, target)

    def _decode_where_it_is(self, row: BlockRow, rows: Rows, target: memoryview) -> "_Read":
        try:
            return self._decode(row, rows, target, 0, inside=False)
        except PackDamaged:
            # A sweep may have moved the block to another pack since its row was read; the new row says where.
            fresh = self.rows([row.id])
            if all(fresh[block] == rows.get(block) for block in fresh):
                raise
            return self._decode(fresh[row.id], fresh, target, 0, inside=False)

    def _decode(self, row: BlockRow, rows: Rows, target: memoryview, level: int, *, inside: bool) -> "_Read":
        if row.encoding == DERIVED:
            # What it is made of is few bytes, and reading it reads other blocks into the same buffer.
            encoded = memoryview(bytes(self._fetch(row)))
            base = self._base(row, encoded, rows, level, inside=inside)
        else:
            base = self._base(row, memoryview(b""), rows, level, inside=inside)
            encoded = self._fetch(row)
        decode_block(row.encoding, encoded, base=base, target=target)
        return _Read(row, encoded)

    def _fetch(self, row: BlockRow) -> memoryview:
        """The encoded block, until this thread reads the next one."""
        room = self._buffer(_ENCODED, row.length)
        if isinstance(row, CachedRow) and self._cache is not None:
            return self._cache.read_into(row, room)
        return fetch(self._objects, row, room)

    def _keep(self, read: "_Read", raw: memoryview) -> None:
        """In the cache, if it is what it is called."""
        if self._cache is not None and self._cache.wants(read.row) and blake3(raw).digest() == read.row.id:
            self._cache.put(read.row, read.encoded)

    def base_of(self, row: BlockRow, encoded: memoryview, rows: Rows) -> memoryview | None:
        """What a block of these encoded bytes is decoded onto, which is not in force yet; None if it is whole. It may
        lean on any that are.

        Until this thread reads the next block. Raises BlockDamaged, PackDamaged.
        """
        return self._base(row, encoded, rows, -1, inside=False) if row.base else None

    def _base(self, row: BlockRow, encoded: memoryview, rows: Rows, level: int, *, inside: bool) -> memoryview | None:
        """``inside``: a block is being derived from this one. That one is derived too would multiply the work."""
        if not row.base:
            return None
        is_derived = row.encoding == DERIVED
        if level >= DEEPEST or (is_derived and inside):
            raise BlockDamaged("A chain of differences is deeper than allowed.", block=row.id.hex())
        if is_derived:
            inside = level >= 0

            function = read_function(encoded)
            if function.is_tall:

                def whole(base: BlockId) -> memoryview:
                    return self._whole(rows[base], rows, level, inside=inside)

                return self._turning.numbers(function, row.bases, row.raw_length, whole)

            def source(base: BlockId) -> memoryview:
                return self._source(rows[base], rows, level, inside=inside)

            return gather(encoded, row.bases, source, self._gathering)
        return self._whole(rows[row.base], rows, level, inside=inside)

    def _whole(self, row: BlockRow, rows: Rows, level: int, *, inside: bool) -> memoryview:
        raw = self._buffer(level, row.raw_length)
        self._keep(self._decode(row, rows, raw, level + 1, inside=inside), raw)
        return raw

    def _source(self, row: BlockRow, rows: Rows, level: int, *, inside: bool) -> memoryview:
        """A source, decoded once for neighbours that are made of it, too: a matrix turned over is read by each."""
        held: OrderedDict[BlockId, bytes] = self._sources
        with self._lock:
            if (found := held.get(row.id)) is not None:
                held.move_to_end(row.id)
                return memoryview(found)
        raw = self._whole(row, rows, level, inside=inside)
        with self._lock:
            held[row.id] = bytes(raw)
            while len(held) > DERIVED_SOURCES:
                held.popitem(last=False)
        return raw

    def _gathering(self, length: int) -> Bytes8:
        buffers: list[Bytes8] = self._local.__dict__.setdefault("gathered", [])
        if not buffers or buffers[0].size < length:
            buffers[:] = [np.empty(length, np.uint8)]
        return buffers[0][:length]

    def encoded(self, row: BlockRow) -> memoryview:
        """The block as it lies in its pack, until this thread reads the next one. Raises BlockDamaged, PackDamaged."""
        try:
            return fetch(self._objects, row, self._buffer(_ENCODED, row.length))
        except PackDamaged:
            moved = self._index.find([row.id]).get(row.id)
            if moved is None or moved == row or replace(moved, pack=row.pack, offset=row.offset) != row:
                raise
            return fetch(self._objects, moved, self._buffer(_ENCODED, row.length))

    def read_all(self, blocks: Sequence[BlockId], size: int) -> bytes:
        """A small blob kept as blocks, such as a sketch, whole in memory."""
        return b"".join(bytes(part) for part in self.read_parts(blocks, size))

    def read_parts(self, blocks: Sequence[BlockId], size: int) -> Iterator[memoryview]:
        """A blob kept as blocks, such as a manifest, block by block; each part until the next is asked for."""
        if len(blocks) != -(-size // BLOCK_BYTES):
            raise BlockDamaged("A record has not as many blocks as its size asks for.", size=size, blocks=len(blocks))
        rows = self.rows(blocks)
        buffer = memoryview(bytearray(min(size, BLOCK_BYTES)))
        for number, block in enumerate(blocks):
            part = buffer[: min(BLOCK_BYTES, size - number * BLOCK_BYTES)]
            self.read(block, rows, part)
            yield part

    def _buffer(self, level: int, length: int) -> memoryview:
        """A thread's own buffer, one for each level of a chain and one for encoded bytes: reused, so that no
        block costs fresh pages (page faults cost more than decoding)."""
        if not 0 < length <= BLOCK_BYTES:
            raise BlockDamaged(f"A block of {length} bytes is impossible.")
        buffers: dict[int, memoryview] = self._local.__dict__.setdefault("buffers", {})
        if len(buffers.get(level, b"")) < length:
            # Whoever reads a small thing pays for no large one.
            buffers[level] = memoryview(bytearray(BLOCK_BYTES if length > _SMALL_BYTES else _SMALL_BYTES))
        return buffers[level][:length]


@dataclass(frozen=True, slots=True)
class _Read:
    """A block as it was found: where, and its encoded bytes until the thread reads the next one."""

    row: BlockRow
    encoded: memoryview


def _forgotten(row: BlockRow, rows: Rows) -> bool:
    """Whether any of what it is decoded from came from the cache; that is not there any more."""
    found = list(_cached(row, rows))
    for each in found:
        forget(each)
    return bool(found)


def _cached(row: BlockRow, rows: Rows) -> Iterator[CachedRow]:
    """Those from the cache among what it is decoded from."""
    met, left = {row.id}, [row]
    while left:
        each = left.pop()
        if isinstance(each, CachedRow):
            yield each
        new = [base for base in each.bases if base in rows and base not in met]
        met.update(new)
        left += [rows[base] for base in new]


def read_file(reader: BlockReader, entry: FileEntry) -> bytes:
    """A small file whole in memory. Raises BlockDamaged."""
    places = list(placed_in_file(entry))
    rows = reader.rows(place.id for place in places)
    whole = bytearray(entry.size)
    for place in places:
        reader.read(place.id, rows, memoryview(whole)[place.offset : place.offset + place.length])
    return bytes(whole)
