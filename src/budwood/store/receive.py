"""Checking a pack that somebody else wrote: nothing in it is believed, everything is decoded and hashed.

The footer must describe the pack to its last byte. Every block is decoded, onto bases that lie in this pack or that
the sender may see, and its BLAKE3 compared with the name it goes by; only then are its rows fit for an index. What a
sender may not see counts as not there, so that the answer says nothing about it.

Memory is bounded by a few buffers a worker thread, and by ``PARCEL_BLOCKS`` rows.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from budwood.domain.limits import (
    BLOCK_BYTES,
    DERIVED_DEPTH,
    PARCEL_BLOCKS,
    PARCEL_BYTES,
    PARCEL_RAW_BYTES,
    PARCEL_SOURCES,
)
from budwood.domain.manifest import BlockId
from budwood.errors import BadParcel, Damaged, TooNew
from budwood.store.api import BlockIndex, BlockRow, Objects
from budwood.store.checksum import crc32
from budwood.store.encodings import decode_block, needs_base
from budwood.store.encodings.derived import read_function
from budwood.store.encodings.registry import DERIVED
from budwood.store.packs import pack_key, read_footer
from budwood.store.read import BlockReader, Rows

RUN_BYTES: Final = 2 * BLOCK_BYTES
"""Adjacent blocks are read together up to this, so that tiny ones do not cost a read each."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a pack is checked against. A block may be a difference from one that is ``visible`` to its sender; what
    that one leans on is ``all``'s affair. ``threads`` of ``workers`` are used at once.
    ``taste`` is shown each block that was checked, by any of them."""

    objects: Objects
    visible: BlockIndex
    all: BlockIndex
    workers: Executor
    threads: int
    taste: Callable[[BlockId, memoryview], None] = lambda block, raw: None


def check_pack(on: Standing, name: str, size: int) -> tuple[BlockRow, ...]:
    """The rows of the pack ``name``, which must have ``size`` bytes, once every block of it is what it claims.

    Raises BadParcel; Damaged when a block of our own is, StorageFailed.
    """
    rows = _footer(on.objects, name, size)
    own = {row.id: row for row in rows}
    reader = BlockReader(on.objects, _Together(own, on.all))
    checker = _Checker(on, reader, _bases(own, _Together(own, on.visible), reader))
    runs = iter(list(_runs(rows)))
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                run = next(runs, None)
            if run is None:
                return
            checker.check(run)

    pending = [on.workers.submit(work) for _ in range(max(1, on.threads))]
    wait(pending, return_when=FIRST_EXCEPTION)
    stop.set()
    wait(pending)
    # None is left to this frame, which an error remembers: the two would keep each other, and the pack's content.
    while pending:
        pending.pop().result()
    return rows


def _footer(objects: Objects, name: str, size: int) -> tuple[BlockRow, ...]:
    """Raises BadParcel."""
    found = objects.size(pack_key(name))
    if found is None:
        raise BadParcel("The pack was not sent.", hint="Send its bytes, then complete it.", pack=name)
    if found != size or size > PARCEL_BYTES:
        raise BadParcel(f"The pack has {found} bytes and not {size}.", pack=name)
    try:
        rows = read_footer(objects, name, most=PARCEL_BLOCKS)
    except (Damaged, TooNew) as error:
        raise BadParcel(error.message, pack=name) from error
    if len({row.id for row in rows}) < len(rows):
        raise BadParcel("The pack holds a block twice.", pack=name)
    if sum(row.raw_length for row in rows) > PARCEL_RAW_BYTES:
        raise BadParcel("The pack decodes to more than a pack may.", limit="PARCEL_RAW_BYTES", pack=name)
    for row in rows:
        _check_encoding(row)
    return rows


def _check_encoding(row: BlockRow) -> None:
    """Raises BadParcel."""
    try:
        leans = needs_base(row.encoding)
    except TooNew as error:
        raise BadParcel(error.message, pack=row.pack, block=row.id.hex()) from error
    is_derived = row.encoding == DERIVED
    if leans != bool(row.base) or is_derived != (row.depth == DERIVED_DEPTH):
        raise BadParcel("A block's encoding and its base contradict each other.", pack=row.pack, block=row.id.hex())


def _bases(own: Mapping[BlockId, BlockRow], visible: BlockIndex, reader: BlockReader) -> Rows:
    """The rows of all bases, and of theirs. Raises BadParcel for one that the sender cannot see, and within the pack
    for one that is not nearer to the ground; BlockDamaged for one that should be ours."""
    wanted = tuple({base for row in own.values() for base in row.bases})
    if wanted and (missing := set(wanted) - visible.find(wanted).keys()):
        pack = next(iter(own.values())).pack
        raise BadParcel("A block is a difference from one that is not here.", pack=pack, block=min(missing).hex())
    for row in own.values():
        # Of a base outside the pack only its keeper knows how deep it lies (verbs/uploads.py).
        if any(base in own and own[base].depth >= row.depth for base in row.bases):
            raise BadParcel("A chain of differences does not lead to the ground.", pack=row.pack, block=row.id.hex())
    rows = reader.rows(wanted)
    derived = [base for row in own.values() if row.encoding == DERIVED for base in row.bases]
    if sum(_readings(rows[base], rows) for base in derived) > PARCEL_SOURCES:
        pack = next(iter(own.values())).pack
        raise BadParcel("The blocks of the pack are made of too many others.", limit="PARCEL_SOURCES", pack=pack)
    return rows


def _readings(row: BlockRow, rows: Rows) -> int:
    """How many blocks are read for one. That it is itself derived here, of others in turn, its sender cannot know."""
    return sum(_readings(rows[base], rows) for base in row.bases) if row.depth >= DERIVED_DEPTH else 1


def _runs(rows: Sequence[BlockRow]) -> Iterator[list[BlockRow]]:
    """Rows that lie side by side, cut where a run would be too long; the footer was checked to be in order."""
    run: list[BlockRow] = []
    held = 0
    for row in rows:
        if run and held + row.length > RUN_BYTES:
            yield run
            run, held = [], 0
        run.append(row)
        held += row.length
    yield run


class _Checker:
    """Decodes and hashes. Each thread has its own buffers."""

    def __init__(self, on: Standing, reader: BlockReader, bases: Rows) -> None:
        self._objects, self._taste, self._reader, self._bases = on.objects, on.taste, reader, bases
        self._local = threading.local()

    def check(self, run: Sequence[BlockRow]) -> None:
        """Raises BadParcel, Damaged, StorageFailed."""
        first, last = run[0], run[-1]
        encoded = self._buffer("run", RUN_BYTES, last.offset + last.length - first.offset)
        self._objects.read_into(pack_key(first.pack), first.offset, encoded)
        for row in run:
            start = row.offset - first.offset
            self._check_one(row, encoded[start : start + row.length])

    def _check_one(self, row: BlockRow, encoded: memoryview) -> None:
        if crc32(encoded) != row.check:
            raise _wrong(row, "does not match its check sum")
        target = self._buffer("target", BLOCK_BYTES, row.raw_length)
        base = self._base(row, encoded)
        try:
            decode_block(row.encoding, encoded, base=base, target=target)
        except Damaged as error:
            raise _wrong(row, f"cannot be decoded: {error.message}") from error
        if blake3(target).digest() != row.id:
            raise _wrong(row, "does not match its digest")
        self._taste(row.id, target)

    def _base(self, row: BlockRow, encoded: memoryview) -> memoryview | None:
        try:
            if row.encoding == DERIVED:
                # Whoever wrote it is to blame for what is wrong with it before any block of ours is read.
                read_function(encoded)
            return self._reader.base_of(row, encoded, self._bases)
        except Damaged as error:
            if row.encoding == DERIVED or any(self._bases[base].pack == row.pack for base in row.bases):
                raise _wrong(row, f"cannot be decoded: {error.message}") from error
            raise

    def _buffer(self, use: str, most: int, length: int) -> memoryview:
        buffers: dict[str, memoryview] = self._local.__dict__
        if use not in buffers:
            buffers[use] = memoryview(bytearray(most))
        return buffers[use][:length]


@dataclass(frozen=True, slots=True)
class _Together:
    """Others' blocks, then the pack's own: what is in force leads to the ground, and may lean on a block of the pack
    that is in force elsewhere."""

    own: Mapping[BlockId, BlockRow]
    others: BlockIndex

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {**{block: self.own[block] for block in ids if block in self.own}, **self.others.find(ids)}


def _wrong(row: BlockRow, reason: str) -> BadParcel:
    return BadParcel(f"The block at byte {row.offset} {reason}.", pack=row.pack, block=row.id.hex())
