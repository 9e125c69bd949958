"""Reading parts of a version: a file at any position, a tensor as a NumPy array."""

import io
import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from budwood.domain.limits import MIB, SHAPE_DIMENSIONS
from budwood.domain.manifest import BlockId, FileEntry, Span
from budwood.errors import NotOffered
from budwood.store.read import Placed, grouped, placed_in_file, placed_in_span
from budwood.verbs.workplace import Reads

BLOCKS_HELD: Final = 8
ALONE_BYTES: Final = 4 * MIB

NUMPY_TYPES: Final = {
    "f64": "<f8",
    "f32": "<f4",
    "f16": "<f2",
    "i64": "<i8",
    "i32": "<i4",
    "i16": "<i2",
    "i8": "|i1",
    "u64": "<u8",
    "u32": "<u4",
    "u16": "<u2",
    "u8": "|u1",
    "bool": "|b1",
    "c64": "<c8",
    "c128": "<c16",
    "bf16": "<u2",
}


class VersionFile(io.RawIOBase):
    """One file of a version as a seekable stream; the last few blocks read are kept decoded."""

    def __init__(self, place: Reads, entry: FileEntry) -> None:
        super().__init__()
        self._size = entry.size
        self._at = 0
        self._reader = place.reader()
        self._places = list(placed_in_file(entry))
        self._starts = [place.offset for place in self._places]
        self._held: OrderedDict[BlockId, memoryview] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from one block; short reads are allowed by RawIOBase. Raises BlockDamaged."""
        if self._at >= self._size or len(buffer) == 0:
            return 0
        number = bisect_right(self._starts, self._at) - 1
        place = self._places[number]
        inside = self._at - place.offset
        count = min(len(buffer), place.length - inside)
        memoryview(buffer).cast("B")[:count] = self._block(place.id, place.length)[inside : inside + count]
        self._at += count
        return count

    def _block(self, block: BlockId, length: int) -> memoryview:
        if block in self._held:
            self._held.move_to_end(block)
            return self._held[block]
        full = len(self._held) >= BLOCKS_HELD
        reused = self._held.popitem(last=False)[1].obj if full else None
        room = reused if isinstance(reused, bytearray) and len(reused) == length else bytearray(length)
        view = memoryview(room)
        self._reader.read(block, self._reader.rows([block]), view)
        self._held[block] = view
        return view


def read_array(place: Reads, span: Span) -> np.ndarray:
    """The tensor's values. Raises NotOffered for types NumPy has no name for, BlockDamaged."""
    kind = NUMPY_TYPES.get(span.dtype)
    shape = span.shape
    fits = shape is not None and min(shape, default=0) >= 0 and len(shape) <= SHAPE_DIMENSIONS
    if kind is None or shape is None or not fits or math.prod(shape) * np.dtype(kind).itemsize != span.length:
        raise NotOffered(
            f"Tensor {span.name!r} has the type {span.dtype or 'unknown'!r}, which NumPy cannot hold.",
            hint="Read its bytes with version.open(path).",
        )
    values = np.empty(span.length, np.uint8)
    read_span(place, span, values.data)
    array = values.view(kind)
    if span.dtype == "bf16":
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.reshape(shape)


def read_whole(place: Reads, entry: FileEntry) -> memoryview:
    """A whole file in fresh memory, decoded in parallel. Raises BlockDamaged."""
    whole = np.empty(entry.size, np.uint8).data
    read_placed(place, list(placed_in_file(entry)), whole)
    return whole


def read_span(place: Reads, span: Span, target: memoryview) -> None:
    """Decode a span into ``target``. Raises BlockDamaged."""
    read_placed(place, list(placed_in_span(span)), target)


def read_placed(place: Reads, places: Sequence[Placed], target: memoryview) -> None:
    """Every block at its place in ``target``, by worker threads when there is much to decode."""
    reader = place.reader()
    rows = reader.rows(place.id for place in places)

    def work(group: Sequence[Placed]) -> None:
        for place in group:
            reader.read(place.id, rows, target[place.offset : place.offset + place.length])

    if len(target) <= ALONE_BYTES:
        work(places)
        return
    with ThreadPoolExecutor(place.threads, "budwood-decode") as pool:
        for _ in pool.map(work, grouped(places)):
            pass
