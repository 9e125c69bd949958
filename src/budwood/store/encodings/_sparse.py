"""Planes that are mostly zero: a map of what is not, and those bytes, in groups where a key is known.

    map length:u32 | groups:u8 | groups x (bytes:u32, frame length:u32) | the map | the frames

The map is a frame of one bit per byte of the plane, lowest bit first, set where the byte is not zero. The
bytes that are not zero follow in the plane's order; with keys, ordered by the key of their word (stably)
and cut between keys into groups, each a frame with a table of its own. A weight with a small exponent
moves by many steps and one with a large exponent by few: knowing the exponent is worth a fifth of the bytes.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings import _zstd
from budwood.store.encodings._derived import order_of, places_of, sort_by
from budwood.store.encodings._scratch import Bytes8, scratch, spread

GROUP_BYTES: Final = 2 << 10
"""A group of fewer bytes is joined with the next: its table would cost more than it saves."""
GROUPS: Final = 255
MAP_SAMPLE_BYTES: Final = 4 << 10

_START = struct.Struct("<IB")
_GROUP = struct.Struct("<II")


def write(plane: Bytes8, keys: Bytes8 | None) -> list[Buffer]:
    """The parts of one plane."""
    # All indices are in range; of the modes of ``take`` that allow ``out``, "wrap" is the fastest by a third.
    bits = np.packbits(plane != 0, bitorder="little")
    places = places_of(bits)
    values = np.take(plane, places, out=scratch("values", places.size), mode="wrap")
    sizes = [values.size] if values.size else []
    if keys is not None and values.size:
        taken = np.take(keys, places, mode="wrap")
        ordered = sort_by(taken)
        values = np.take(values, ordered.order, out=scratch("ordered values", values.size), mode="wrap")
        sizes = _cut(ordered.keys)
    bitmap = _pack(bits)
    frames = _frames(values, sizes)
    heads = [_GROUP.pack(size, len(frame)) for size, frame in zip(sizes, frames, strict=True)]
    return [_START.pack(len(bitmap), len(sizes)), *heads, bitmap, *frames]


def read(piece: memoryview, plane: Bytes8, keys: Bytes8 | None) -> None:
    """Fill the plane. Raises BlockDamaged."""
    if len(piece) < _START.size:
        raise BlockDamaged("A sparse plane ends inside its header.")
    map_length, groups = _START.unpack_from(piece)
    at = _START.size + groups * _GROUP.size
    if at + map_length > len(piece):
        raise BlockDamaged("A sparse plane ends inside its map.")
    bits = np.frombuffer(_zstd.decompress(piece[at : at + map_length], -(-plane.size // 8)), np.uint8)
    places = places_of(bits)
    if places.size and places[-1] >= plane.size:
        raise BlockDamaged("A sparse plane has places after its end.")
    heads = _GROUP.iter_unpack(piece[_START.size : at])
    values = _read_frames(piece[at + map_length :], heads, scratch("values", places.size))
    plane.fill(0)
    if keys is not None and places.size:
        taken = np.take(keys, places, mode="wrap")
        ordered, values = values, scratch("ordered values", places.size)
        values[order_of(taken)] = ordered
    plane[places] = values


@dataclass(frozen=True, slots=True)
class SparseSizes:
    """Bytes a sample of a plane would take, without the fixed cost that a whole plane pays once."""

    alone: float
    grouped: float | None


def estimate(sample: Bytes8, keys: Bytes8 | None) -> SparseSizes:
    """Both sizes of a sample; ``grouped`` when there are keys."""
    mask = sample != 0
    values = sample[mask].astype(np.intp)
    bitmap = len(_pack(np.packbits(mask, bitorder="little")))
    alone = bitmap + _huffman_bytes(np.bincount(values, minlength=256)[np.newaxis])
    if keys is None:
        return SparseSizes(alone, None)
    found = keys[mask]
    rows = (found - found.min(initial=255)).astype(np.intp)
    pairs = np.bincount(rows << 8 | values, minlength=(int(rows.max(initial=0)) + 1) << 8)
    return SparseSizes(alone, bitmap + _huffman_bytes(pairs.reshape(-1, 256)))


def _huffman_bytes(counts: npt.NDArray[np.intp]) -> float:
    """Bytes of Huffman codes for the symbols counted in each row; a symbol takes at least one bit."""
    totals = counts.sum(axis=1, keepdims=True)
    rows, symbols = np.nonzero(counts)
    found = counts[rows, symbols]
    return float((found * np.maximum(np.log2(totals[rows, 0] / found), 1)).sum()) / 8


def _pack(bits: Bytes8) -> bytes:
    """The map as a frame. Whole rows that did not move make runs; without runs a Huffman code is smaller."""
    sample = spread(bits, MAP_SAMPLE_BYTES).data
    coder = _zstd.fast if len(_zstd.fast(sample)) < len(_zstd.huffman(sample)) else _zstd.huffman
    return coder(bits.data)


def _cut(ordered: Bytes8) -> list[int]:
    """The sizes of the groups: every key its own, small neighbours joined."""
    edges = np.searchsorted(ordered, np.arange(1, 256, dtype=np.uint8)).tolist()
    sizes, start = list[int](), 0
    for edge in (*edges, ordered.size):
        if edge - start >= GROUP_BYTES and len(sizes) < GROUPS:
            sizes.append(edge - start)
            start = edge
    if start < ordered.size:
        rest = ordered.size - start
        if sizes:
            sizes[-1] += rest
        else:
            sizes.append(rest)
    return sizes


def _frames(values: Bytes8, sizes: list[int]) -> list[bytes]:
    ends = np.cumsum(sizes).tolist()
    return [_zstd.huffman(values[end - size : end].data) for size, end in zip(sizes, ends, strict=True)]


def _read_frames(frames: memoryview, heads: Iterable[tuple[int, int]], values: Bytes8) -> Bytes8:
    """Fill ``values`` from the frames, which must hold exactly as many bytes. Raises BlockDamaged."""
    done = at = 0
    for size, length in heads:
        if done + size > values.size:
            raise BlockDamaged("A sparse plane has more bytes than its map has places.")
        content = _zstd.decompress(frames[at : at + length], size)
        values[done : done + size] = np.frombuffer(content, np.uint8)
        done, at = done + size, at + length
    if done != values.size or at != len(frames):
        raise BlockDamaged("A sparse plane does not hold as many bytes as its map has places.")
    return values
