"""Byte planes on paper: how a list of planes is written and read back, each plane in its own way.

    width:u8 | width x (way:u8, length:u32) | the planes, lowest first | tail

All numbers are little-endian. The tail is the bytes that do not fill a whole word. Ways: RAW the plane
itself; FILL one byte that all are; FRAME a zstd frame; SPARSE for planes that are mostly zero:

    length:u32 of the map | the map: a frame of one bit per byte, set where it is not zero | a frame of those bytes
"""

import struct
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings import _zstd
from budwood.store.encodings._scratch import Bytes8, scratch
from budwood.store.encodings._words import WORDS

SAMPLE_BYTES: Final = 16 << 10
NOT_WORTH_IT: Final = 0.98
"""A plane that keeps more of itself than this is stored raw: it decodes at the speed of memory."""
TIE: Final = 0.98
"""A slower way must be this much smaller than a faster one."""

_HEAD = struct.Struct("<BI")
_U32 = struct.Struct("<I")


class Way(IntEnum):
    """The byte in the file. A number never changes its meaning."""

    RAW = 0
    FILL = 1
    FRAME = 2
    SPARSE = 3


class Coder(IntEnum):
    """How the encoder makes a plane; several coders can end in the same way."""

    RAW = 0
    FILL = 1
    HUFFMAN = 2
    FAST = 3
    SPARSE = 4


def write_planes(planes: list[Bytes8], tail: Buffer) -> tuple[Buffer, ...]:
    """The parts of the section. They alias the planes."""
    heads = bytearray([len(planes)])
    parts: list[Buffer] = []
    for plane in planes:
        way, written = _write_plane(plane)
        heads += _HEAD.pack(way, sum(map(len, written)))
        parts += written
    return (bytes(heads), *parts, tail)


def read_planes(encoded: memoryview, raw_length: int) -> tuple[list[Bytes8], memoryview]:
    """The planes and the tail of a block of ``raw_length`` bytes. Raises BlockDamaged."""
    width = encoded[0] if len(encoded) else 0
    if width not in WORDS:
        raise BlockDamaged(f"Words of {width} bytes are not known.")
    at = 1 + width * _HEAD.size
    if len(encoded) < at:
        raise BlockDamaged("An encoded block ends inside its header.")
    count, tail_length = divmod(raw_length, width)
    planes = []
    for index in range(width):
        way, length = _HEAD.unpack_from(encoded, 1 + index * _HEAD.size)
        piece = encoded[at : at + length]
        if len(piece) != length:
            raise BlockDamaged("An encoded block ends inside a plane.")
        planes.append(_read_plane(way, piece, count, f"plane{index}"))
        at += length
    if len(encoded) - at != tail_length:
        raise BlockDamaged(f"An encoded block has {len(encoded) - at} bytes left where {tail_length} belong.")
    return planes, encoded[at:]


def _write_plane(plane: Bytes8) -> tuple[Way, list[Buffer]]:
    way, parts = Way.RAW, list[Buffer]()
    match _choose(plane):
        case Coder.FILL:
            return Way.FILL, [plane[:1].tobytes()]
        case Coder.HUFFMAN:
            way, parts = Way.FRAME, [_zstd.huffman(plane.data)]
        case Coder.FAST:
            way, parts = Way.FRAME, [_zstd.fast(plane.data)]
        case Coder.SPARSE:
            way, parts = Way.SPARSE, _write_sparse(plane)
        case Coder.RAW:
            return Way.RAW, [plane.data]
    if sum(map(len, parts)) >= plane.size:
        return Way.RAW, [plane.data]
    return way, parts


def _read_plane(way: int, piece: memoryview, count: int, name: str) -> Bytes8:
    if way == Way.RAW and len(piece) == count:
        return np.frombuffer(piece, np.uint8)
    if way == Way.FILL and len(piece) == 1:
        plane = scratch(name, count)
        plane.fill(piece[0])
        return plane
    if way == Way.FRAME:
        return np.frombuffer(_zstd.decompress(piece, count), np.uint8)
    if way == Way.SPARSE:
        return _read_sparse(piece, count, name)
    raise BlockDamaged(f"A plane of {count} bytes is written in {len(piece)} bytes in way {way}.")


def _choose(plane: Bytes8) -> Coder:
    """The coder for a plane, by a sample of it. Constant planes are recognised whole."""
    if plane.size < 64:
        return Coder.RAW
    sample = _sample(plane)
    first = int(sample[0])
    counts = np.bincount(sample, minlength=256)
    if counts[first] == sample.size and not np.any(plane != first):
        return Coder.FILL
    best, size = Coder.RAW, NOT_WORTH_IT * sample.size
    for coder, estimate in _estimates(sample, counts):
        if estimate < size:
            best, size = coder, TIE * estimate
    return best


def _estimates(sample: Bytes8, counts: npt.NDArray[np.intp]) -> list[tuple[Coder, float]]:
    """Sizes of the sample in each way, the fastest way first."""
    share = counts[counts > 0] / sample.size
    bits = -np.log2(share)
    huffman = float((share * np.maximum(bits, 1)).sum()) / 8 * sample.size
    estimates = [(Coder.HUFFMAN, huffman)]
    zeros = int(counts[0]) / sample.size
    if huffman < 0.9 * sample.size:
        estimates.append((Coder.FAST, float(len(_zstd.fast(sample.data)))))
    if zeros > 0.5:
        estimates.append((Coder.SPARSE, float(sum(map(len, _write_sparse(sample))))))
    return estimates


def _sample(plane: Bytes8) -> Bytes8:
    if plane.size <= SAMPLE_BYTES:
        return plane
    runs, run = 8, SAMPLE_BYTES // 8
    step = (plane.size - run) // (runs - 1)
    return np.concatenate([plane[index * step : index * step + run] for index in range(runs)])


def _write_sparse(plane: Bytes8) -> list[Buffer]:
    mask = plane != 0
    bitmap = _zstd.fast(np.packbits(mask, bitorder="little").data)
    values = _zstd.huffman(plane[mask].data)
    return [_U32.pack(len(bitmap)), bitmap, values]


def _read_sparse(piece: memoryview, count: int, name: str) -> Bytes8:
    if len(piece) < _U32.size:
        raise BlockDamaged("A sparse plane ends inside its header.")
    (length,) = _U32.unpack_from(piece)
    at = _U32.size + length
    if at > len(piece):
        raise BlockDamaged("A sparse plane ends inside its map.")
    bitmap = np.frombuffer(_zstd.decompress(piece[_U32.size : at], -(-count // 8)), np.uint8)
    mask = np.unpackbits(bitmap, count=count, bitorder="little").view(np.bool_)
    values = np.frombuffer(_zstd.decompress(piece[at:], int(np.count_nonzero(mask))), np.uint8)
    plane = scratch(name, count)
    plane.fill(0)
    plane[mask] = values
    return plane
