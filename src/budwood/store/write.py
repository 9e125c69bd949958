"""From files to blocks in packs: read once, hash, keep what is new, encoded as small as it gets.

For each file the coordinating thread asks the format readers where tensors lie, tiles the file with spans and
hands batches to worker threads; a worker reads its bytes into its own buffer, hashes them, and encodes and
appends only the blocks that neither the store nor this push has. The whole-file SHA-256 that other tools want
is computed beside it, and only when something in the file is new: a file whose blocks are all known takes its
SHA-256 from the version that had it before.

Nothing here is visible until the packs are published and the verb's transaction names them.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Final, Self

from blake3 import blake3

from budwood.domain.limits import BLOCK_BYTES, DERIVED_DEPTH, MIB
from budwood.domain.manifest import BlockId, FileEntry, Span
from budwood.errors import Archived, Damaged
from budwood.store._memory import keep_freed_memory
from budwood.store.api import BlockIndex, BlockRow, ForeseeingIndex, Hint, Objects, Progress, Reading
from budwood.store.bases import Bases, anchored
from budwood.store.cache import BlockCache
from budwood.store.copies import OwnBlocks
from budwood.store.deriving import DerivedBlock, Deriving, Recipes
from budwood.store.encodings import Plan, encode_block, needs_base
from budwood.store.encodings.registry import DERIVED, RAW
from budwood.store.gather import DiskFile, DiskSource
from budwood.store.in_order import Buffers, InOrder
from budwood.store.packs import NewBlock, PackSet
from budwood.store.plan import Batch, Piece, batches, span_hints
from budwood.store.read import BlockReader

FILES_AT_ONCE: Final = 8
BATCHES_AHEAD: Final = 8
FORESEEN_BATCHES: Final = 16
SHA_STEP_BYTES: Final = 1 * MIB
BATCHES_HELD: Final = 2
"""By a thread, one of them perhaps for whoever hashes."""

KnownFile = tuple[int, tuple[BlockId, ...]]
"""A file by its content: its size and all its blocks in order."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a push of some files came to. ``shared`` holds the ids of blocks that were there before."""

    rows: Sequence[BlockRow]
    shared: frozenset[BlockId]
    new_raw_bytes: int

    @property
    def stored_bytes(self) -> int:
        """Encoded bytes added to the store."""
        return sum(row.length for row in self.rows)


@dataclass(slots=True)
class _Job:
    """One file on its way. ``ids`` is filled by workers, piece by piece; ``plans`` holds how the last block of
    a span was encoded, with a base and without, which nearly always suits the next one."""

    file: DiskFile
    source: DiskSource
    reading: Reading
    spans: list[Hint]
    ids: dict[tuple[int, int], BlockId] = field(default_factory=dict)
    plans: dict[tuple[int, bool], Plan] = field(default_factory=dict)
    pending: list[Future[None]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    decided: threading.Event = field(default_factory=threading.Event)
    in_order: InOrder | None = None
    sha: Future[str] | None = None

    def wake(self) -> None:
        """Let waiting threads see that the push has stopped."""
        self.begun.set()
        self.decided.set()
        if self.in_order is not None:
            self.in_order.wake()


class _Own(threading.local):
    """Buffers of each thread: for batches, and for what it reads beside them by its use."""

    def __init__(self) -> None:
        # One that went back from hashing is not filled anew before its batch is kept: its thread does both.
        self.batches = Buffers(BATCHES_HELD)
        self.rooms: dict[str, memoryview] = {}


class BlockWriter:
    """Writes files and small blobs as blocks; ``finish`` makes them durable. Leaving without it discards.

    ``recipes`` say of tensors, by file and offset, what they may be functions of. ``known`` maps the content of files
    already kept to their SHA-256. ``pack_bytes`` is for ``PackSet``, ``checks`` for ``encode_block``, ``cache`` for
    reading what is leant on. ``derives``: files may be made of others among them (``lean_on``).
    """

    def __init__(
        self,
        objects: Objects,
        index: BlockIndex,
        names: Callable[[], str],
        *,
        threads: int,
        bases: Bases | None = None,
        recipes: Recipes | None = None,
        known: Mapping[KnownFile, str] | None = None,
        progress: Progress = lambda _: None,
        pack_bytes: int = 0,
        checks: bool = True,
        as_is: bool = False,
        derives: bool = False,
        cache: BlockCache | None = None,
    ) -> None:
        keep_freed_memory()
        # Whether what files are made of is written as it is, as fast as the disk takes it.
        self._as_is = as_is
        self._index = index
        self._packs = PackSet(objects, names, pack_bytes=pack_bytes, derives=derives or bool(recipes))
        self._checks = checks
        self._reader = BlockReader(objects, index, cache)
        self._deriving = Deriving(recipes or {}, self._reader, index)
        self.bases = bases or Bases({})
        self.known = known or {}
        self._progress = progress
        self._claims = _Claims(index)
        self._own = _Own()
        self._slots = threading.BoundedSemaphore(threads + BATCHES_AHEAD)
        self._workers = ThreadPoolExecutor(threads, "budwood-encode")
        self._hasher = ThreadPoolExecutor(1, "budwood-sha256")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._foresees = isinstance(index, ForeseeingIndex)

    def foresee(self, files: Iterable[tuple[DiskFile, Reading]], blob: bytes = b"") -> None:
        """Ask a far index about everything in one question, which is for files that are small together: all are read
        once more. Raises FileChanged, StorageFailed, UnsafeEntry."""
        if not isinstance(self._index, ForeseeingIndex):
            return
        blocks, bases = [blake3(blob).digest()] if blob else [], list[BlockId]()
        for file, reading in files:
            job = _Job(file, file.open(), reading, [])
            with closing(job.source):
                self._look_ahead(job, batches(self._numbered(job)), blocks, bases)
        self._index.foresee("", blocks, bases)
        self._foresees = False

    def write_files(self, files: Iterable[tuple[DiskFile, Reading]]) -> list[FileEntry]:
        """The entries of the files, in their order. Raises FileChanged, StorageFull, StorageFailed, UnsafeEntry."""
        entries: list[FileEntry] = []
        running: deque[_Job] = deque()
        try:
            for file, reading in files:
                running.append(self._begin(file, reading))
                if len(running) >= FILES_AT_ONCE:
                    entries.append(self._end(running.popleft()))
            while running:
                entries.append(self._end(running.popleft()))
        finally:
            for job in running:
                self._abandon(job)
        return entries

    def lean_on(self, own: OwnBlocks, recipes: Recipes) -> None:
        """What is written from here on may be made of these files, which were written before, by these recipes.

        ``own`` stays open until it is written. Raises StorageFull, StorageFailed.
        """
        depths = {row.id: row.depth for row in self._packs.in_order()}
        self._deriving.add(recipes, own, depths)

    def write_blob(self, content: bytes, *, is_manifest: bool = False) -> tuple[BlockId, ...]:
        """A small record as blocks of its own (a sketch)."""
        return self.write_parts([content], is_manifest=is_manifest)

    def write_parts(self, parts: Iterable[bytes], *, is_manifest: bool = False) -> tuple[BlockId, ...]:
        """A record that comes in parts (a manifest) as blocks of its own."""
        ids = []
        for raw in _in_blocks(parts):
            block = blake3(raw).digest()
            # A manifest tells when it was made: no far index need be asked whether it has it.
            is_new = is_manifest and isinstance(self._index, ForeseeingIndex)
            if block in self._claims.take([block], is_new=is_new):
                self._keep(block, raw, dtype="", is_manifest=is_manifest)
            ids.append(block)
        return tuple(ids)

    def finish(self) -> Kept:
        """Everything written is durable when this returns. Raises StorageFull, StorageFailed."""
        rows = self._packs.finish()
        return Kept(rows, self._claims.shared(), sum(row.raw_length for row in rows))

    def __enter__(self) -> Self:
        self._packs.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._workers.shutdown(cancel_futures=True)
        self._hasher.shutdown(cancel_futures=True)
        self._packs.__exit__(kind, error, trace)

    # One file

    def _begin(self, file: DiskFile, reading: Reading) -> _Job:
        job = _Job(file, file.open(), reading, [])
        try:
            for batch in self._foreseen(job, batches(self._numbered(job))):
                self._slots.acquire()
                job.pending.append(self._workers.submit(self._work, job, batch, len(job.pending)))
                self._raise_failure()
        except BaseException:
            self._abandon(job)
            raise
        return job

    def _numbered(self, job: _Job) -> Iterable[tuple[int, Hint]]:
        for number, span in enumerate(span_hints(job.source, job.reading.hints)):
            job.spans.append(span)
            yield number, span

    def _foreseen(self, job: _Job, found: Iterable[Batch]) -> Iterable[Batch]:
        """The batches; an index that is far away is asked about some together first, for which they are read once
        more. Should a file change between, whoever receives the block sees that it is not what it is called."""
        index = self._index
        if not self._foresees or not isinstance(index, ForeseeingIndex):
            yield from found
            return
        while window := list(islice(found, FORESEEN_BATCHES)):
            blocks, bases = list[BlockId](), list[BlockId]()
            self._look_ahead(job, window, blocks, bases)
            index.foresee(job.file.path, blocks, bases)
            yield from window

    def _look_ahead(self, job: _Job, found: Iterable[Batch], blocks: list[BlockId], bases: list[BlockId]) -> None:
        """Add the blocks of these batches, and those they may be stored as differences from."""
        for batch in found:
            raw = self._buffer("raw", batch.length)
            job.source.read_into(batch.offset, raw)
            for piece in batch.pieces:
                start, span = piece.offset - batch.offset, job.spans[piece.span]
                blocks.append(blake3(raw[start : start + piece.length]).digest())
                job.ids[piece.span, piece.index] = blocks[-1]
                if sources := self._deriving.sources(job.file.path, span.offset, piece):
                    bases += sources
                elif base := self.bases.block(span.name, span.dtype, piece.index, piece.length):
                    bases.append(base)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _end(self, job: _Job) -> FileEntry:
        try:
            wait(job.pending)
            self._raise_failure()
            spans = _spans(job.spans, job.ids)
            sha256 = self._sha256(job, spans)
            job.source.check_unchanged()
        except BaseException:
            self._abandon(job)
            raise
        job.source.close()
        return FileEntry(job.file.path, job.file.size, sha256, spans, job.reading.format, job.file.executable)

    def _abandon(self, job: _Job) -> None:
        self._stop.set()
        wait(job.pending)
        if job.sha is not None:
            wait([job.sha])
        job.source.close()

    def _sha256(self, job: _Job, spans: Sequence[Span]) -> str:
        if job.in_order is not None:
            return job.in_order.hexdigest()
        if job.sha is None:
            content = (job.file.size, tuple(block for span in spans for block in span.blocks))
            if (sha256 := self.known.get(content)) is not None:
                return sha256
            self._start_sha(job)
        assert job.sha is not None
        return job.sha.result()

    def _start_sha(self, job: _Job) -> None:
        with self._lock:
            if job.sha is None:
                job.sha = self._hasher.submit(self._hash_whole, job.source)

    def _hash_whole(self, source: DiskSource) -> str:
        sha, step = hashlib.sha256(), self._buffer("sha", SHA_STEP_BYTES)
        for offset in range(0, source.size, SHA_STEP_BYTES):
            if self._stop.is_set():
                break
            part = step[: min(SHA_STEP_BYTES, source.size - offset)]
            source.read_into(offset, part)
            sha.update(part)
        return sha.hexdigest()

    # One batch, on a worker thread

    def _work(self, job: _Job, batch: Batch, number: int) -> None:
        try:
            if not self._stop.is_set():
                self._keep_batch(job, batch, number)
        except BaseException as error:
            # The first failure stops the push; the coordinating thread raises it from where it stands.
            self._failure = self._failure or error
            self._stop.set()
        finally:
            if self._stop.is_set():
                job.wake()
            self._slots.release()

    def _keep_batch(self, job: _Job, batch: Batch, number: int) -> None:
        whole = self._own.batches.take()
        raw = whole[: batch.length]
        job.source.read_into(batch.offset, raw)
        views = [(p, raw[p.offset - batch.offset : p.offset - batch.offset + p.length]) for p in batch.pieces]
        named = [(p, view, job.ids.get((p.span, p.index)) or blake3(view).digest()) for p, view in views]
        mine = self._claims.take([block for _, _, block in named])
        self._hash_beside(job, number, batch, whole, is_new=bool(mine))
        for piece, view, block in named:
            job.ids[piece.span, piece.index] = block
            if block in mine:
                mine.discard(block)
                self._keep_piece(job, piece, view, block)
        self._progress(batch.length)

    def _hash_beside(self, job: _Job, number: int, batch: Batch, whole: memoryview, *, is_new: bool) -> None:
        """Feed the whole-file SHA-256; then the batch's buffer goes back. The first two batches decide, since a
        fine-tune's first may be its base's header: when one is new, so is the file, and each batch is hashed here; when
        both are known, the file may be known whole, and hashing waits for the first new block, to read all again."""
        if number == 0:
            job.in_order = InOrder(self._stop) if is_new else None
            job.begun.set()
        elif number == 1:
            job.begun.wait()
            if job.in_order is None and is_new and not self._stop.is_set():
                before = self._buffer("before", batch.offset)
                job.source.read_into(0, before)
                job.in_order = InOrder(self._stop, first=1, before=before)
            job.decided.set()
        else:
            job.decided.wait()
        give_back = partial(self._own.batches.give, whole)
        if job.in_order is not None:
            job.in_order.update(number, whole[: batch.length], give_back)
            return
        give_back()
        if is_new:
            self._start_sha(job)

    def _keep_piece(self, job: _Job, piece: Piece, raw: memoryview, block: BlockId) -> None:
        if self._as_is:
            self._packs.add(NewBlock(block, len(raw), RAW), (raw,), len(raw))
            return
        span = job.spans[piece.span]
        if (derived := self._deriving.encoded(job.file.path, span.offset, piece, raw)) is not None:
            self._keep_derived(block, len(raw), derived)
            return
        base = self._base_row(span, piece, block)
        kind = (piece.span, base is not None)
        job.plans[kind] = self._keep(block, raw, dtype=span.dtype, base=base, hint=job.plans.get(kind))

    def _keep_derived(self, block: BlockId, length: int, derived: DerivedBlock) -> None:
        new = NewBlock(block, length, DERIVED, b"".join(derived.sources), DERIVED_DEPTH)
        self._packs.add(new, [derived.body], len(derived.body))
        for source in derived.sources:
            self._claims.lean_on(source)

    def _base_row(self, span: Hint, piece: Piece, block: BlockId) -> BlockRow | None:
        candidate = self.bases.block(span.name, span.dtype, piece.index, piece.length)
        row = self._index.find([candidate]).get(candidate) if candidate else None
        base = anchored(row, self._index) if row else None
        # Another push may have put this very block in force since it was claimed here.
        return base if base is not None and base.id != block else None

    def _keep(
        self,
        block: BlockId,
        raw: memoryview,
        *,
        dtype: str,
        base: BlockRow | None = None,
        hint: Plan | None = None,
        is_manifest: bool = False,
    ) -> Plan:
        base_raw = self._base_bytes(base) if base is not None else None
        encoded = encode_block(raw, dtype=dtype, base=base_raw, hint=hint, checks=self._checks)
        differs = base is not None and needs_base(encoded.tag)
        new = NewBlock(
            block,
            len(raw),
            encoded.tag,
            base=base.id if base and differs else b"",
            depth=base.depth + 1 if base and differs else 0,
            is_manifest=is_manifest,
        )
        self._packs.add(new, encoded.parts, encoded.length)
        if base is not None and differs:
            self._claims.lean_on(base.id)
        return encoded.plan

    def _base_bytes(self, base: BlockRow) -> memoryview | None:
        """None when it was swept meanwhile, is damaged or lies in an archive: the block is then kept without a base."""
        target = self._buffer("base", base.raw_length)
        try:
            rows = self._reader.rows([base.id])
            self._reader.decode(rows[base.id], rows, target)
        except (Damaged, Archived):
            return None
        return target

    def _buffer(self, use: str, length: int) -> memoryview:
        rooms = self._own.rooms
        if use not in rooms:
            rooms[use] = memoryview(bytearray(BLOCK_BYTES))
        return rooms[use][:length]


class _Claims:
    """Who writes a block: the first thread of this push to meet one the store does not have."""

    def __init__(self, index: BlockIndex) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._mine: set[BlockId] = set()
        self._shared: set[BlockId] = set()

    def take(self, blocks: Sequence[BlockId], *, is_new: bool = False) -> set[BlockId]:
        """Those of the blocks that the caller must now write. ``is_new``: the index is not asked."""
        with self._lock:
            unknown = [block for block in blocks if block not in self._mine and block not in self._shared]
        found = self._index.find(unknown) if unknown and not is_new else {}
        with self._lock:
            self._shared.update(found)
            mine = {block for block in unknown if block not in found and block not in self._mine}
            self._mine |= mine
        return mine

    def lean_on(self, base: BlockId) -> None:
        """A base must still be there when the push is published."""
        with self._lock:
            self._shared.add(base)

    def shared(self) -> frozenset[BlockId]:
        with self._lock:
            return frozenset(self._shared)


def _in_blocks(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """The parts one after the other, cut in blocks; each until the next is asked for."""
    held = bytearray()
    for part in parts:
        held += part
        while len(held) >= BLOCK_BYTES:
            yield memoryview(bytes(held[:BLOCK_BYTES]))
            del held[:BLOCK_BYTES]
    if held:
        yield memoryview(bytes(held))


def _spans(hints: Sequence[Hint], ids: Mapping[tuple[int, int], BlockId]) -> tuple[Span, ...]:
    spans = []
    for number, hint in enumerate(hints):
        count = -(-hint.length // BLOCK_BYTES)
        blocks = tuple(ids[number, index] for index in range(count))
        spans.append(Span(hint.offset, hint.length, blocks, hint.name, hint.dtype, hint.shape))
    return tuple(spans)
