"""Byte planes on paper: how a list of planes is written and read back, each plane in its own way.

    width:u8 | width x (way:u8, length:u32) | the planes, lowest first | tail

All numbers are little-endian. The tail is the bytes that do not fill a whole word. The ways are in
``Way``; those for planes that are mostly zero are in ``_sparse.py``.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged
from budwood.store import native
from budwood.store.api import Buffer
from budwood.store.encodings import _sparse, _zstd
from budwood.store.encodings._literals import read_literals, write_literals
from budwood.store.encodings._parts import Written
from budwood.store.encodings._scratch import Bytes8, scratch, spread
from budwood.store.encodings._words import WORDS

SAMPLE_BYTES: Final = 16 << 10
NOT_WORTH_IT: Final = 0.98
"""A plane that keeps more of itself than this is stored raw: it decodes at the speed of memory."""
TIE: Final = 0.98
"""A slower way must be this much smaller than a faster one."""
GROUPED_TIE: Final = 0.95
"""Grouping sorts, which halves the speed: it must save this much."""
SMALLEST: Final = 64
"""Planes shorter than this are stored raw: the headers would eat what is won."""

_HEAD = struct.Struct("<BI")


Keys = Callable[[], Bytes8]
"""Makes a byte a word that the reader knows too and that says something about the word's size: the base's
exponent. Called only when a plane is grouped by it."""


class Way(IntEnum):
    """How one plane is written. A number never changes its meaning."""

    RAW = 0
    """The plane itself."""
    FILL = 1
    """One byte, which all bytes of the plane are."""
    FRAME = 2
    """A zstd frame."""
    SPARSE = 3
    """A map of the bytes that are not zero, and those bytes."""
    GROUPED = 4
    """SPARSE, its bytes in groups by the key of their word. Only where the reader has a key."""


class Coder(IntEnum):
    """How the writer makes a plane: several coders can end in the same way. Not written anywhere."""

    RAW = 0
    FILL = 1
    HUFFMAN = 2
    FAST = 3
    SPARSE = 4
    GROUPED = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """The coders that suit the planes, and the bytes they are expected to make of them."""

    coders: tuple[Coder, ...]
    size: float


def estimate_planes(planes: list[Bytes8], keys: Bytes8 | None = None) -> Estimate:
    """The best coder of each plane, by a sample of it."""
    chosen = [_choose(plane, keys) for plane in planes]
    return Estimate(tuple(coder for coder, _ in chosen), sum(size for _, size in chosen))


def write_planes(
    planes: list[Bytes8], tail: Buffer, coders: Sequence[Coder], keys: Keys | None = None
) -> tuple[Buffer, ...]:
    """The parts of the section; they alias the planes."""
    heads = bytearray([len(planes)])
    parts: list[Buffer] = []
    for index, (plane, coder) in enumerate(zip(planes, coders, strict=True)):
        way, written = _write_plane(plane, coder, keys, f"frame{index}")
        heads += _HEAD.pack(way, sum(map(len, written)))
        parts += written
    return (bytes(heads), *parts, tail)


def read_planes(encoded: Written, raw_length: int, keys: Keys | None = None) -> tuple[list[Bytes8], memoryview]:
    """The planes and the tail of a block of ``raw_length`` bytes. Raises BlockDamaged."""
    width = read_width(encoded)
    at = 1 + width * _HEAD.size
    heads = encoded[1:at]
    if len(heads) < width * _HEAD.size:
        raise BlockDamaged("An encoded block ends inside its header.")
    count, tail_length = divmod(raw_length, width)
    planes = []
    for index, (way, length) in enumerate(_HEAD.iter_unpack(heads)):
        piece = encoded[at : at + length]
        if len(piece) != length:
            raise BlockDamaged("An encoded block ends inside a plane.")
        planes.append(_read_plane(way, piece, scratch(f"plane{index}", count), keys))
        at += length
    if len(encoded) - at != tail_length:
        raise BlockDamaged(f"An encoded block has {len(encoded) - at} bytes left where {tail_length} belong.")
    return planes, encoded[at:]


def planes_match(parts: Sequence[Buffer], raw: memoryview, how: native.How) -> bool:
    """Whether these parts of a section give the words of ``raw`` back, turned in this way, and its tail.

    It is seen in one pass, with nothing decoded to memory. False also where it cannot be seen so.
    """
    heads, *written, tail = parts
    width = len(written)
    if native.library is None or width not in (1, 2, 4) or heads[0] != width:
        return False
    entries = list(_HEAD.iter_unpack(heads[1:]))
    whole = len(raw) - len(raw) % width
    if [length for _, length in entries] != list(map(len, written)) or tail != raw[whole:]:
        return False
    ways = [way for way, _ in entries]
    return native.library.planes_match(written, ways, how, raw[:whole], scratch("check", native.library.check_room))


def read_width(encoded: Written) -> int:
    """The bytes of a word, which every section begins with. Raises BlockDamaged."""
    width = encoded[:1][0] if len(encoded) else 0
    if width not in WORDS:
        raise BlockDamaged(f"Words of {width} bytes are not known.")
    return width


def _write_plane(plane: Bytes8, coder: Coder, keys: Keys | None, name: str) -> tuple[Way, list[Buffer]]:
    """The scratch of that name is the plane's."""
    if plane.size < SMALLEST:
        return Way.RAW, [plane.data]
    if coder == Coder.FILL:
        if not np.any(plane != plane[0]):
            return Way.FILL, [plane[:1].tobytes()]
        coder = Coder.FAST
    way, parts = Way.RAW, list[Buffer]()
    match coder:
        case Coder.RAW:
            return Way.RAW, [plane.data]
        case Coder.HUFFMAN:
            way, parts = Way.FRAME, [write_literals(plane, name)]
        case Coder.FAST:
            way, parts = Way.FRAME, [_zstd.fast(plane.data)]
        case Coder.SPARSE:
            way, parts = Way.SPARSE, _sparse.write(plane, None)
        case Coder.GROUPED:
            way, parts = Way.GROUPED, _sparse.write(plane, keys() if keys else None)
    if sum(map(len, parts)) >= plane.size:
        return Way.RAW, [plane.data]
    return way, parts


def _read_plane(way: int, piece: memoryview, plane: Bytes8, keys: Keys | None) -> Bytes8:
    if way == Way.RAW and len(piece) == plane.size:
        return np.frombuffer(piece, np.uint8)
    if way == Way.FILL and len(piece) == 1:
        plane.fill(piece[0])
        return plane
    if way == Way.FRAME:
        return read_literals(piece, plane)
    if way == Way.SPARSE:
        _sparse.read(piece, plane, None)
        return plane
    if way == Way.GROUPED and keys is not None:
        _sparse.read(piece, plane, keys())
        return plane
    raise BlockDamaged(f"A plane of {plane.size} bytes is written in {len(piece)} bytes in way {way}.")


def _choose(plane: Bytes8, keys: Bytes8 | None) -> tuple[Coder, float]:
    """The coder for a plane and the bytes it is expected to make of it."""
    if plane.size < SMALLEST:
        return Coder.RAW, plane.size
    sample = spread(plane, SAMPLE_BYTES)
    counts = np.bincount(sample, minlength=256)
    if counts[sample[0]] == sample.size:
        return Coder.FILL, 1
    best, size, limit = Coder.RAW, float(sample.size), NOT_WORTH_IT * sample.size
    for coder, estimate in _estimates(sample, counts, None if keys is None else spread(keys, SAMPLE_BYTES)):
        if estimate < (limit if coder != Coder.GROUPED else GROUPED_TIE / TIE * limit):
            best, size, limit = coder, estimate, TIE * estimate
    return best, size / sample.size * plane.size


def _estimates(sample: Bytes8, counts: npt.NDArray[np.intp], keys: Bytes8 | None) -> Iterator[tuple[Coder, float]]:
    """Bytes that the sample would take with each coder, the fastest coder first."""
    share = counts[counts > 0] / sample.size
    # A Huffman code spends at least one bit on a symbol.
    huffman = float((share * np.maximum(-np.log2(share), 1)).sum()) / 8 * sample.size
    yield Coder.HUFFMAN, huffman
    if huffman < 0.9 * sample.size:
        yield Coder.FAST, float(len(_zstd.fast(sample.data)))
    if keys is not None or counts[0] > sample.size / 4:
        sizes = _sparse.estimate(sample, keys)
        yield Coder.SPARSE, sizes.alone
        if sizes.grouped is not None:
            yield Coder.GROUPED, sizes.grouped
