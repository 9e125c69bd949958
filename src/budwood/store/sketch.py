"""Which model is the best base: a small sample of each, compared in milliseconds without reading either model.

A sketch holds runs of 64 neighbouring numbers from every large float tensor, at places that follow from the
tensor's name and length alone; so sketches taken years apart sample the same places. ``score`` subtracts two
sketches as the encoder would subtract blocks and counts the bits that would be left.

    version:u8 | tensors:u32 | tensors x (key:8 bytes, width:u8, elements:u64, runs:u16) | their runs

All numbers are little-endian. The key is of the name and dtype. A longer sketch of a tensor begins with the
runs of a shorter one. Version 2 is followed by prints (``fingerprints.py``).
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from budwood.errors import BlockDamaged, FileChanged

FORMAT: Final = 1
PRINTED: Final = 2
SKETCH_BYTES: Final = 160 << 10
"""About what the runs of one model take at most."""
SKETCH_SHARE: Final = 1024
"""Nor do they take more than one part in this of what is sampled."""
RUN: Final = 64
RUNS_PER_TENSOR: Final = 64
TENSORS: Final = 1024
"""Only the largest are sampled."""
SMALLEST: Final = 4096
"""Elements below which a tensor does not matter."""

SOLO: Final = {1: 0.9, 2: 0.67, 4: 0.82, 8: 0.9}
"""The share of a tensor kept without a base, by the bytes of its numbers (bf16 for two)."""

Tensor = tuple[str, str, int, int]
"""Name, dtype, offset and length in bytes."""

_FLOATS: Final = {"bf16": 2, "f16": 2, "f32": 4, "f64": 8}
_START = struct.Struct("<BI")
_ROW = struct.Struct("<8sBQH")
_Words = npt.NDArray[np.unsignedinteger[Any]]


def structure_of(tensors: Iterable[tuple[str, str, tuple[int, ...] | None]]) -> str:
    """A fingerprint of names, dtypes and shapes, 32 hex digits; the order of the tensors does not matter."""
    hasher = blake3()
    for name, dtype, shape in sorted(tensors, key=lambda tensor: (tensor[0], tensor[1], tensor[2] or ())):
        for word in (name, dtype, "?" if shape is None else "x".join(map(str, shape))):
            written = word.encode("utf-8", "surrogatepass")
            hasher.update(len(written).to_bytes(4, "little") + written)
    return hasher.hexdigest(length=16)


def take_sketch(tensors: Sequence[Tensor], read: Callable[[int, int], bytes]) -> bytes:
    """The sketch of a model; ``read(offset, length)`` gives its bytes. Raises FileChanged when they run short."""
    chosen = _chosen(tensors)
    rows, runs = list[bytes](), list[bytes]()
    whole = sum(length for _, (_, length) in chosen)
    budget = min(SKETCH_BYTES, whole // SKETCH_SHARE) // max(1, len(chosen))
    for (name, dtype), (offset, length) in chosen:
        width = width_of(dtype)
        elements = length // width
        count = max(1, min(RUNS_PER_TENSOR, budget // (RUN * width)))
        rows.append(_ROW.pack(_key(name, dtype), width, elements, count))
        runs += _read_runs(read, offset, width, _places(name, elements, count))
    return b"".join((_START.pack(FORMAT, len(rows)), *rows, *runs))


def with_prints(sketch: bytes, prints: bytes) -> bytes:
    """The sketch, followed by the prints of its tensors."""
    return bytes([PRINTED]) + sketch[1:] + prints if prints else sketch


def without_prints(sketch: bytes) -> bytes:
    """The sketch alone. Raises BlockDamaged."""
    return bytes([FORMAT]) + sketch[1 : _parse(sketch).end]


def prints_in(sketch: bytes) -> bytes:
    """What follows the sketch. Raises BlockDamaged."""
    return sketch[_parse(sketch).end :]


def tensor_digest(name: str, dtype: str) -> bytes:
    """By which a sketch and its prints name a tensor."""
    return _key(name, dtype)


def score(new: bytes, base: bytes) -> float:
    """The share of ``new`` that would be stored if it became a difference from ``base``; 0 is identical.

    Raises BlockDamaged when either is not a sketch.
    """
    known = {row.key: row for row in _parse(base).rows}
    sampled = _parse(new).rows
    kept = total = 0.0
    for width in SOLO:
        rows = [row for row in sampled if row.width == width]
        matched = [(row, known[row.key]) for row in rows if row.matches(known.get(row.key))]
        paired = {row.key for row, _ in matched}
        total += sum(row.size for row in rows)
        kept += SOLO[width] * sum(row.size for row in rows if row.key not in paired)
        if matched:
            shares = np.minimum(_difference_shares(matched, width), SOLO[width])
            kept += float(shares @ np.array([row.size for row, _ in matched], np.float64))
    return kept / total if total else 1.0


def width_of(dtype: str) -> int:
    """Bytes of one number of a float dtype; 0 for others."""
    return 1 if dtype.startswith("f8") else _FLOATS.get(dtype, 0)


@dataclass(frozen=True, slots=True)
class _Sampled:
    key: bytes
    width: int
    elements: int
    values: _Words

    @property
    def size(self) -> int:
        return self.elements * self.width

    def matches(self, other: "_Sampled | None") -> bool:
        return other is not None and (self.width, self.elements) == (other.width, other.elements)


def _chosen(tensors: Sequence[Tensor]) -> list[tuple[tuple[str, str], tuple[int, int]]]:
    """The largest float tensors, one of each name and dtype, in file order."""
    floats = {
        (name, dtype): (offset, length)
        for name, dtype, offset, length in tensors
        if width_of(dtype) and length // width_of(dtype) >= SMALLEST
    }
    largest = sorted(floats.items(), key=lambda item: (-item[1][1], item[0]))[:TENSORS]
    return sorted(largest, key=lambda item: item[1])


def _key(name: str, dtype: str) -> bytes:
    return blake3(f"{dtype}\0{name}".encode("utf-8", "surrogatepass")).digest(length=8)


def _places(name: str, elements: int, count: int) -> list[int]:
    """The first element of each run. More of them begin with the same ones."""
    seed = blake3(f"{elements}\0{name}".encode("utf-8", "surrogatepass")).digest(length=8 * count)
    return [int(place) * RUN for place in np.frombuffer(seed, "<u8") % (elements // RUN)]


def _read_runs(read: Callable[[int, int], bytes], offset: int, width: int, places: list[int]) -> list[bytes]:
    runs = {place: read(offset + place * width, RUN * width) for place in sorted(set(places))}
    if any(len(run) != RUN * width for run in runs.values()):
        raise FileChanged("A file ended before the tensors it announced.")
    return [runs[place] for place in places]


@dataclass(frozen=True, slots=True)
class _Parsed:
    rows: list[_Sampled]
    end: int


def _parse(sketch: bytes) -> _Parsed:
    if len(sketch) < _START.size:
        raise BlockDamaged("A sketch ends inside its header.")
    version, count = _START.unpack_from(sketch)
    at = _START.size + count * _ROW.size
    if version not in (FORMAT, PRINTED) or count > TENSORS or at > len(sketch):
        raise BlockDamaged(f"A sketch of version {version} with {count} tensors cannot be read.")
    rows = []
    for key, width, elements, runs in _ROW.iter_unpack(sketch[_START.size : at]):
        length = runs * RUN * width
        if width not in SOLO or not 0 < runs <= RUNS_PER_TENSOR or at + length > len(sketch):
            raise BlockDamaged("A sketch lies about a tensor.")
        values = np.frombuffer(sketch, np.dtype(f"<u{width}"), runs * RUN, at)
        rows.append(_Sampled(key, width, elements, values))
        at += length
    if (at != len(sketch) and version == FORMAT) or len({row.key for row in rows}) != len(rows):
        raise BlockDamaged("A sketch has bytes left over, or a tensor twice.")
    return _Parsed(rows, at)


def _difference_shares(matched: list[tuple[_Sampled, _Sampled]], width: int) -> npt.NDArray[np.float64]:
    """Bits left of each tensor's difference, over the bits of the tensor.

    A word is coded as a token (its size and highest bits), whose entropy given the base's exponent is
    counted, and the bits below, which are noise and count in full. Runs that did not move cost nothing.
    """
    common = [min(new.values.size, base.values.size) for new, base in matched]
    values = np.concatenate([new.values[:size] for (new, _), size in zip(matched, common, strict=True)])
    bases = np.concatenate([base.values[:size] for (_, base), size in zip(matched, common, strict=True)])
    tensor = np.repeat(np.arange(len(matched)), common)
    zigzag = _zigzag(values, bases)
    moved = np.repeat(zigzag.reshape(-1, RUN).any(axis=1), RUN)
    token, noise = _tokens(zigzag[moved])
    exponent = (bases[moved] >> max(width * 8 - 9, 0)).astype(np.int64) & 0xFF
    tensor = tensor[moved]
    bits = _entropy(tensor << 8 | exponent, token, tensor, len(matched))
    bits += np.bincount(tensor, noise, minlength=len(matched))
    shares: npt.NDArray[np.float64] = bits / (8 * width * np.array(common))
    return shares


def _zigzag(values: _Words, bases: _Words) -> _Words:
    width = values.dtype.itemsize
    step: _Words = values - bases
    sign = step.view(np.dtype(f"<i{width}")) >> (width * 8 - 1)
    np.bitwise_xor(step << 1, sign.view(values.dtype), out=step)
    return step


def _tokens(zigzag: _Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A token below 512 for each word, and how many of its bits the token leaves open."""
    wide = zigzag.astype(np.uint64)
    # frexp rounds words above 2**53 up to the next power at worst: a bit more in an estimate.
    size = np.frexp(wide.astype(np.float64))[1].astype(np.int64)
    noise = np.clip(size - 3, 0, 61)
    return noise << 3 | (wide >> noise.astype(np.uint64)).astype(np.int64) & 7, noise


def _entropy(
    context: npt.NDArray[np.int64], token: npt.NDArray[np.int64], tensor: npt.NDArray[np.int64], tensors: int
) -> npt.NDArray[np.float64]:
    """Bits of the tokens given their context, summed for each tensor, with what small samples hide added."""
    pairs, pair_counts = np.unique(context << 12 | token, return_counts=True)
    contexts, first = np.unique(pairs >> 12, return_index=True)
    totals = np.add.reduceat(pair_counts, first) if first.size else pair_counts
    per_pair = np.repeat(totals, np.diff(np.append(first, pairs.size)))
    bits = pair_counts * np.log2(per_pair / pair_counts)
    # Miller and Madow: a plug-in entropy is low by half a nat for each symbol seen beyond the first.
    hidden = np.bincount(contexts >> 8, np.diff(np.append(first, pairs.size)) - 1, minlength=tensors)
    found: npt.NDArray[np.float64] = np.bincount(pairs >> 20, bits, minlength=tensors) + hidden / (2 * np.log(2))
    return found
