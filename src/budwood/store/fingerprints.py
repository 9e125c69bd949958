"""What tells that one tensor may be a function of another, without reading either: a few numbers of each, hashed.

A *print* of a stored tensor of floats holds hashes of what a cast, a quantised or a turned copy of it would have at
some places. Whoever pushes such a copy hashes what it has there, and looks the hash up. The places follow from the
number of numbers alone (casts and quantising keep the order), for turning over from the shape, of which the middle
stays the middle, and for rows in another order or parts of rows from how they begin. Hashes only propose: the writer
derives each block and compares all of it.

    tensors:u32
    | tensors x (key:8 bytes, kind:u8, zero:3, rows:u64, columns:u64, flat:11 x u32, tile:3 x u32, starts:6 x u32,
                 heads:11 x u32, seconds:11 x u32, sides:7 x u32)

Behind a sketch (``sketch.py``), whose ``key`` names the tensor. A hash of 0 is none. Earlier prints were of eight kinds
in place of eleven, and the first ones ended with the starts.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from budwood.errors import BlockDamaged, FileChanged
from budwood.store.encodings._kinds import BY_NAME, GROUP, KINDS, WIDE_GROUP, Kind, as_bytes, convert
from budwood.store.sketch import prints_in, tensor_digest

FLOATS: Final = tuple(kind for kind in KINDS if kind.read is not None)
COPIES: Final = tuple(kind for kind in KINDS if kind.write is not None)
FRACTIONS: Final = tuple(Fraction(text) for text in ("0", "1/2", "1/3", "2/3", "1/4", "3/4"))
"""Where slices begin, of the first dimension."""
SIDES: Final = tuple(Fraction(text) for text in ("1/2", "1/4", "3/4", "1/8", "3/8", "5/8", "7/8"))
"""Where parts of rows begin."""
SMALLEST: Final = 256
"""Numbers below which a tensor is not looked for."""
TENSORS: Final = 8_192
"""Only the largest are."""
SHARE: Final = 1_024
"""Prints take no more than one part in this of a model, but for a few."""
FEW: Final = 4
PROBED: Final = 4
"""Tensors of a version by whose prints the catalog finds it."""
ASKED: Final = 64
"""Tensors of a push that are looked up in the catalog."""
ALIKE: Final = 8
"""Tensors of one version looked at for one hash."""
_TILE: Final = 8


def _row(kinds: int) -> "np.dtype[np.void]":
    return np.dtype(
        [
            ("key", "V8"),
            ("kind", "u1"),
            ("zero", "V3"),
            ("rows", "<u8"),
            ("columns", "<u8"),
            ("flat", "<u4", (kinds,)),
            ("tile", "<u4", (len(FLOATS),)),
            ("starts", "<u4", (len(FRACTIONS),)),
            ("heads", "<u4", (kinds,)),
            ("seconds", "<u4", (kinds,)),
            ("sides", "<u4", (len(SIDES),)),
        ]
    )


_ROW: Final = _row(len(COPIES))
_EARLIER_ROWS: Final = (_row(8), np.dtype(_row(8).descr[:-3]))
_COUNT: Final = struct.Struct("<I")
Prints = np.ndarray[Any, np.dtype[np.void]]
Hashes = npt.NDArray[np.uint32]
Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor where ``read`` finds it: as many numbers as its shape says."""

    name: str
    dtype: str
    offset: int
    length: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """Groups of a tensor's numbers: two that follow from how many there are, the first two, and the second row's first
    two."""

    flat: bytes = b""
    head: bytes = b""
    second: bytes = b""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some numbers of one tensor, as they are written: groups of 32 and of 256, a square in the middle, the starts of
    rows and of parts of the first row. Of what is quantised, only groups as large as its own."""

    tensor: Tensor
    kind: Kind
    rows: int
    columns: int
    narrow: Taken
    wide: Taken
    tile: bytes
    starts: tuple[bytes, ...]
    sides: tuple[bytes, ...] = ()

    def taken(self, kind: Kind) -> Taken:
        """What a copy of that kind is told by."""
        return self.wide if kind.group > GROUP else self.narrow

    @property
    def numbers(self) -> int:
        return self.rows * self.columns


def take_samples(tensors: Iterable[Tensor], read: Read) -> list[Sample]:
    """Of the largest tensors whose numbers are of a known kind. Raises FileChanged."""
    known = [(tensor, kind) for tensor in tensors if (kind := BY_NAME.get(tensor.dtype)) and _fits(tensor, kind)]
    known.sort(key=lambda pair: -pair[0].length)
    return [_sample(tensor, kind, read) for tensor, kind in known[:TENSORS]]


def written_prints(samples: Sequence[Sample], logical_bytes: int) -> bytes:
    """Those of the largest tensors of floats, for a model of so many bytes; empty when there is none."""
    floats = [sample for sample in samples if sample.kind in FLOATS]
    kept = floats[: max(FEW, logical_bytes // SHARE // _ROW.itemsize)]
    if not kept:
        return b""
    prints = np.zeros(len(kept), _ROW)
    copies = {kind.code: _copies(kept, kind, lambda taken: taken.flat) for kind in COPIES}
    heads = {kind.code: _copies(kept, kind, lambda taken: taken.head) for kind in COPIES}
    seconds = {kind.code: _copies(kept, kind, lambda taken: taken.second or taken.head) for kind in COPIES}
    for row, sample in zip(prints, kept, strict=True):
        row["key"] = tensor_digest(sample.tensor.name, sample.tensor.dtype)
        row["kind"], row["rows"], row["columns"] = sample.kind.code, sample.rows, sample.columns
        row["starts"] = [_start_hash(sample.kind, start) for start in sample.starts]
        row["sides"] = [_start_hash(sample.kind, side) for side in sample.sides]
    for number, sample in enumerate(kept):
        prints["flat"][number] = [_flat_hash(kind, sample.numbers, copies[kind.code][number]) for kind in COPIES]
        prints["tile"][number] = [_tile_of(sample, kind) for kind in FLOATS]
        prints["heads"][number] = [_row_hash(kind, sample, heads[kind.code][number]) for kind in COPIES]
        prints["seconds"][number] = [_row_hash(kind, sample, seconds[kind.code][number]) for kind in COPIES]
    return _COUNT.pack(len(kept)) + prints.tobytes()


def read_prints(written: bytes) -> Prints:
    """Raises BlockDamaged."""
    if not written:
        return np.zeros(0, _ROW)
    if len(written) < _COUNT.size:
        raise BlockDamaged("Prints end inside their header.")
    (count,) = _COUNT.unpack_from(written)
    fitting = (row for row in (_ROW, *_EARLIER_ROWS) if len(written) == _COUNT.size + count * row.itemsize)
    row = next(fitting, None)
    if count > TENSORS or row is None:
        raise BlockDamaged(f"Prints of {count} tensors do not take {len(written)} bytes.")
    held = np.frombuffer(written, row, offset=_COUNT.size)
    return held if row is _ROW else _widened(held)


def are_of_all_kinds(written: bytes) -> bool:
    """Whether prints are there, and foretell copies of every kind that is known now."""
    tensors, rest = divmod(len(written) - _COUNT.size, _ROW.itemsize)
    return tensors > 0 and not rest and written.startswith(_COUNT.pack(tensors))


def _widened(held: Prints) -> Prints:
    """Earlier prints as new ones: the kinds they do not know have no hash."""
    found = np.zeros(held.size, _ROW)
    for name in held.dtype.names or ():
        field = held[name]
        found[name][(slice(None), *map(slice, field.shape[1:]))] = field
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked up for some samples, in their order: hashes of what a source would have foretold."""

    flat: Hashes
    turned: Hashes
    start: Hashes
    head: Hashes
    second: Hashes


def asked_of(samples: Sequence[Sample]) -> Asked:
    """See ``Asked``."""
    told = [(sample, sample.taken(sample.kind)) for sample in samples]
    return Asked(
        np.array([_flat_hash(each.kind, each.numbers, own.flat) for each, own in told], np.uint32),
        np.array([_turned_hash(each) for each in samples], np.uint32),
        np.array([_start_hash(each.kind, each.starts[0]) if each.starts else 0 for each in samples], np.uint32),
        np.array([_row_hash(each.kind, each, own.head) for each, own in told], np.uint32),
        np.array([_row_hash(each.kind, each, own.second or own.head) for each, own in told], np.uint32),
    )


def start_hash(kind: Kind, raw: bytes) -> int:
    """Of the first group of numbers of a tensor, or of where another may begin within it."""
    return _start_hash(kind, raw)


def probes_in(sketch: bytes) -> list[int]:
    """Those of the prints behind a sketch. Raises BlockDamaged."""
    return probes_of(read_prints(prints_in(sketch))) if sketch else []


def probes_of(prints: Prints) -> list[int]:
    """By which the catalog finds a version: all hashes of its largest tensors, as signed numbers of 64 bits."""
    found: dict[int, None] = {}
    for row in prints[:PROBED]:
        own = int(row["kind"])
        for kind, value in zip(COPIES, row["flat"].tolist(), strict=True):
            if kind.code != own:
                found[_probe(1, kind, value)] = None
        for kind, value in zip(FLOATS, row["tile"].tolist(), strict=True):
            found[_probe(2, kind, value)] = None
        for value in row["starts"].tolist():
            found[_probe(3, COPIES[own - 1], value)] = None
    return [probe for probe in found if probe & 0xFFFFFFFF]


def probes_asked(samples: Sequence[Sample]) -> list[int]:
    """Those under which a source of the largest of these tensors would be found."""
    few = samples[:ASKED]
    asked = asked_of(few)
    found: dict[int, None] = {}
    for number, sample in enumerate(few):
        found[_probe(1, sample.kind, int(asked.flat[number]))] = None
        found[_probe(2, sample.kind, int(asked.turned[number]))] = None
        found[_probe(3, sample.kind, int(asked.start[number]))] = None
    return [probe for probe in found if probe & 0xFFFFFFFF]


def _probe(sort: int, kind: Kind, value: int) -> int:
    return sort << 40 | kind.code << 32 | value


def _fits(tensor: Tensor, kind: Kind) -> bool:
    numbers = 1
    for dimension in tensor.shape:
        numbers *= dimension
    return numbers >= SMALLEST and numbers % kind.group == 0 and kind.bytes_of(numbers) == tensor.length


def _sample(tensor: Tensor, kind: Kind, read: Read) -> Sample:
    numbers = tensor.length // kind.width * kind.group
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    columns = numbers // rows

    def at(number: int, count: int) -> bytes:
        length = count // kind.group * kind.width
        found = read(tensor.offset + number // kind.group * kind.width, length)
        if len(found) != length:
            raise FileChanged("A file ended before the tensors it announced.")
        return found

    def taken(group: int) -> Taken:
        if numbers % group or kind.group not in (1, group):
            return Taken()
        first, second = numbers // group // 3 * group, 2 * (numbers // group) // 3 * group
        head = at(0, min(2 * group, numbers))
        follows = rows > 1 and columns % group == 0 and columns >= 2 * group
        return Taken(at(first, group) + at(second, group), head, at(columns, 2 * group) if follows else b"")

    tile, starts, sides = b"", list[bytes](), list[bytes]()
    if kind in FLOATS:
        if len(tensor.shape) == 2 and min(rows, columns) >= _TILE:
            top, left = (rows - _TILE) // 2, (columns - _TILE) // 2
            tile = b"".join(at((top + row) * columns + left, _TILE) for row in range(_TILE))
        for fraction in FRACTIONS:
            place = rows * fraction * columns
            inside = place.denominator == 1 and (rows * fraction).denominator == 1 and place + GROUP <= numbers
            starts.append(at(int(place), GROUP) if inside else b"")
        for fraction in SIDES:
            place = columns * fraction
            inside = rows > 1 and place.denominator == 1 and place + GROUP <= columns
            sides.append(at(int(place), GROUP) if inside else b"")
    return Sample(tensor, kind, rows, columns, taken(GROUP), taken(WIDE_GROUP), tile, tuple(starts), tuple(sides))


def _copies(samples: Sequence[Sample], kind: Kind, part: Callable[[Taken], bytes]) -> list[bytes]:
    """What copies of this kind would have where a part of the samples was taken; empty where there can be none."""
    found: list[bytes] = [b""] * len(samples)
    parts = [part(sample.taken(kind)) for sample in samples]
    for source, length in {(sample.kind, len(each)) for sample, each in zip(samples, parts, strict=True) if each}:
        alike = [at for at, each in enumerate(parts) if samples[at].kind == source and len(each) == length]
        try:
            whole = convert(as_bytes(b"".join(parts[at] for at in alike)), source, kind)
            for at, made in zip(alike, whole.reshape(len(alike), -1), strict=True):
                found[at] = made.tobytes()
        except BlockDamaged:
            # One of them has numbers that cannot be quantised.
            for at in alike:
                found[at] = _copy(parts[at], source, kind)
    return found


def _copy(raw: bytes, source: Kind, kind: Kind) -> bytes:
    try:
        return convert(as_bytes(raw), source, kind).tobytes()
    except BlockDamaged:
        return b""


def _tile_of(sample: Sample, kind: Kind) -> int:
    if not sample.tile:
        return 0
    tile = convert(as_bytes(sample.tile), sample.kind, kind).tobytes()
    return _tile_hash(kind, sample.rows, sample.columns, tile)


def _turned_hash(sample: Sample) -> int:
    if not sample.tile:
        return 0
    words = as_bytes(sample.tile).view(f"V{sample.kind.width}").reshape(_TILE, _TILE)
    return _tile_hash(sample.kind, sample.columns, sample.rows, np.ascontiguousarray(words.T).tobytes())


def _flat_hash(kind: Kind, numbers: int, raw: bytes) -> int:
    return _hash(b"flat", kind, struct.pack("<Q", numbers), raw)


def _tile_hash(kind: Kind, rows: int, columns: int, raw: bytes) -> int:
    return _hash(b"tile", kind, struct.pack("<QQ", rows, columns), raw)


def _row_hash(kind: Kind, sample: Sample, raw: bytes) -> int:
    return _hash(b"row", kind, struct.pack("<QQ", sample.rows, sample.columns), raw)


def _start_hash(kind: Kind, raw: bytes) -> int:
    return _hash(b"start", kind, b"", raw)


def _hash(what: bytes, kind: Kind, shape: bytes, raw: bytes) -> int:
    """0 for nothing, and for numbers that are all the same: too many tensors begin so."""
    if raw.count(raw[: kind.width]) * kind.width >= len(raw):
        return 0
    return int.from_bytes(blake3(what + bytes([kind.code]) + shape + raw).digest(length=4), "little")


def matches(asked: Hashes, held: Hashes) -> Iterator[tuple[int, int]]:
    """The places of equal hashes, of those asked for and of those held."""
    if not asked.size or not held.size:
        return
    order = np.argsort(held, kind="stable")
    ranked = held[order]
    first = np.searchsorted(ranked, asked, "left")
    last = np.searchsorted(ranked, asked, "right")
    for number in np.flatnonzero((last > first) & (asked != 0)).tolist():
        # Whoever wrote them may have written one hash many times.
        for place in order[first[number] : min(last[number], first[number] + ALIKE)].tolist():
            yield number, place


def by_key(prints: Prints) -> Mapping[bytes, int]:
    """The place of each tensor's print by its key."""
    return {bytes(row["key"]): number for number, row in enumerate(prints)}
