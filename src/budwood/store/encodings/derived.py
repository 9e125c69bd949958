"""DERIVED: a block as a known function of other blocks, its sources. docs/internals/derived.md is the format.

    from:u8 | to:u8 | pieces:u16 | skip:u32 | rows:u32 | columns:u32 | item:u32, if from has its highest bit
    | columns x (start:u32, stride:u32, width:u32), if to has its highest bit
    | pieces x (source:u8, zero:3, offset:u32, length:u32)

The pieces, cut out of the sources and put one behind the other, are the *input*. It is turned over if rows and columns
are not zero (with items, each matrix of rows by columns items), or its rows are put together of *strips*. Its numbers
are turned from one kind into the other, and the block is what follows the first ``skip`` bytes. Whoever decodes gathers
the input first (``gather``) and gives it in place of a base. Nothing is longer than the limits say, whatever a body
claims: an input has at most ``DERIVED_INPUT_BYTES``.

Without pieces the input is all sources one behind the other: a *tall* matrix, too large for that, which is turned over
band by band (``store/turning.py``). What is given in place of a base is turned already, and just the block's numbers.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided

from budwood.domain.limits import (
    BLOCK_BYTES,
    DERIVED_INPUT_BYTES,
    DERIVED_PIECES,
    DERIVED_SOURCES,
    DERIVED_STRIPS,
    TURNED_SOURCES,
)
from budwood.domain.manifest import BlockId
from budwood.errors import BlockDamaged
from budwood.store.api import Buffer
from budwood.store.encodings._kinds import GROUP, Bytes8, Kind, as_bytes, convert, kind_of
from budwood.store.encodings._parts import Written

_HEAD: Final = struct.Struct("<BBHIII")
_ITEM: Final = struct.Struct("<I")
_HAS_ITEM: Final = 0x80
_HAS_STRIPS: Final = 0x80
_STRIP: Final = struct.Struct("<III")
_PIECE: Final = struct.Struct("<BxxxII")


@dataclass(frozen=True, slots=True)
class SourcePiece:
    """``length`` bytes at ``offset`` of the block that is the ``source``-th this one leans on."""

    source: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Strip:
    """What each row has of one matrix in the input: ``width`` numbers, the first row's from number ``start`` on, each
    next row's ``stride`` numbers later."""

    start: int
    stride: int
    width: int


@dataclass(frozen=True, slots=True)
class Function:
    """What a block is made of and how; without pieces, of all its sources. ``rows`` and ``columns`` are of the input
    before it is turned over; 0: it is not. With an ``item`` of several numbers, which stay together, the input may be
    several such matrices. With ``strips`` it is not turned: each of ``rows`` rows is put together of what they have."""

    source: Kind
    target: Kind
    pieces: tuple[SourcePiece, ...]
    skip: int = 0
    rows: int = 0
    columns: int = 0
    item: int = 1
    strips: tuple[Strip, ...] = ()

    @property
    def is_tall(self) -> bool:
        """Whether it is of a matrix that is too large to be gathered."""
        return not self.pieces

    @property
    def input_bytes(self) -> int:
        return sum(piece.length for piece in self.pieces)

    def numbers_of(self, length: int) -> tuple[int, int]:
        """Of a tall matrix that was turned over: the first number of a block of so many bytes, and the one behind it.

        Raises BlockDamaged where it has none.
        """
        first, stop = self.skip // self.target.width, -(-(self.skip + length) // self.target.width)
        if stop > self.rows * self.columns:
            raise BlockDamaged("A derived block ends past the matrix it is turned from.")
        return first, stop


def written_function(function: Function) -> bytes:
    """The body of a block."""
    has_item = function.item > 1
    head = _HEAD.pack(
        function.source.code | (_HAS_ITEM if has_item else 0),
        function.target.code | (_HAS_STRIPS if function.strips else 0),
        len(function.pieces),
        function.skip,
        function.rows,
        len(function.strips) or function.columns,
    )
    head += _ITEM.pack(function.item) if has_item else b""
    head += b"".join(_STRIP.pack(each.start, each.stride, each.width) for each in function.strips)
    return head + b"".join(_PIECE.pack(each.source, each.offset, each.length) for each in function.pieces)


def read_function(encoded: Written) -> Function:
    """Raises BlockDamaged unless it is one that may be written."""
    if len(encoded) < _HEAD.size:
        raise BlockDamaged("A derived block ends inside its header.")
    source, target, count, skip, rows, columns = _HEAD.unpack(encoded[: _HEAD.size])
    start = _HEAD.size + (_ITEM.size if source & _HAS_ITEM else 0)
    strips: tuple[Strip, ...] = ()
    if target & _HAS_STRIPS:
        strips, columns = _read_strips(encoded[start:], columns), 0
        start += len(strips) * _STRIP.size
    if not 0 <= count <= DERIVED_PIECES or len(encoded) != start + count * _PIECE.size:
        raise BlockDamaged(f"A derived block of {len(encoded)} bytes claims {count} pieces.")
    body, item = bytes(encoded[start:]), 1
    if source & _HAS_ITEM:
        (item,) = _ITEM.unpack(encoded[_HEAD.size : _HEAD.size + _ITEM.size])
        if item < 2:
            raise BlockDamaged(f"A derived block has items of {item} numbers.")
    pieces = tuple(SourcePiece(*fields) for fields in _PIECE.iter_unpack(body))
    kinds = kind_of(source & ~_HAS_ITEM), kind_of(target & ~_HAS_STRIPS)
    function = Function(*kinds, pieces, skip, rows, columns, item, strips)
    if any(body[at + 1 : at + 4] != bytes(3) for at in range(0, len(body), _PIECE.size)):
        raise BlockDamaged("A piece of a derived block has bytes that must be zero.")
    if any(not 0 < each.length <= BLOCK_BYTES or each.offset + each.length > BLOCK_BYTES for each in pieces):
        raise BlockDamaged("A piece of a derived block is longer than a block.")
    if any(each.length < GROUP * function.source.width for each in pieces[1:-1]):
        # Out of crumbs anything could be made of anything.
        raise BlockDamaged("A piece of a derived block is too short.")
    (_check_tall if function.is_tall else _check)(function)
    return function


def _read_strips(encoded: Written, count: int) -> tuple[Strip, ...]:
    """Raises BlockDamaged."""
    if not 0 < count <= DERIVED_STRIPS or len(encoded) < count * _STRIP.size:
        raise BlockDamaged(f"A derived block claims {count} strips.")
    return tuple(Strip(*fields) for fields in _STRIP.iter_unpack(encoded[: count * _STRIP.size]))


def gather(
    encoded: Written, sources: Sequence[BlockId], raw_of: Callable[[BlockId], Buffer], room: Callable[[int], Bytes8]
) -> memoryview:
    """The input of a block: ``raw_of`` gives a source's bytes, until it is asked again; ``room`` a buffer.

    Raises BlockDamaged for pieces that are not there.
    """
    function = read_function(encoded)
    assert not function.is_tall, "a tall matrix is turned over band by band"
    if max(piece.source for piece in function.pieces) >= len(sources) or len(sources) > DERIVED_SOURCES:
        raise BlockDamaged("A derived block names a source that it does not lean on.")
    gathered, at, held, raw = room(function.input_bytes), 0, -1, memoryview(b"")
    for piece in function.pieces:
        if piece.source != held:
            held, raw = piece.source, memoryview(raw_of(sources[piece.source]))
        if piece.offset + piece.length > len(raw):
            raise BlockDamaged("A piece of a derived block reaches past its source.", block=sources[piece.source].hex())
        gathered[at : at + piece.length] = as_bytes(raw[piece.offset : piece.offset + piece.length])
        at += piece.length
    return gathered.data


def decode_derived(encoded: Written, gathered: memoryview, target: memoryview) -> None:
    """``gathered`` is what ``gather`` gave. Raises BlockDamaged."""
    function = read_function(encoded)
    if function.is_tall:
        _decode_tall(function, as_bytes(gathered), target)
        return
    if len(gathered) != function.input_bytes:
        raise BlockDamaged(f"A derived block has an input of {len(gathered)} bytes, not {function.input_bytes}.")
    start, stop = function.skip, function.skip + len(target)
    raw = as_bytes(gathered)
    if function.strips:
        raw = _woven(function, raw, start, stop)
    elif function.rows:
        raw, start, stop = _turned(function, raw, start, stop)
    elif stop > _output_bytes(function) or start >= function.target.width or _left(function, stop):
        raise BlockDamaged("A derived block is given more, or less, than it is made of.")
    found = convert(raw, function.source, function.target)
    target[:] = found[start:stop].data


def _check(function: Function) -> None:
    """Raises BlockDamaged."""
    source, target, length = function.source, function.target, function.input_bytes
    numbers = length // source.width
    if length > DERIVED_INPUT_BYTES or source.group != 1 or length % source.width or numbers % target.group:
        raise BlockDamaged(f"A derived block has an impossible input of {length} bytes.")
    if function.strips:
        _check_strips(function, numbers)
        return
    if bool(function.rows) != bool(function.columns) or (function.item > 1 and not function.rows):
        raise BlockDamaged("A derived block is turned over by half.")
    matrix = function.rows * function.columns * function.item
    if matrix and (numbers % matrix or (function.item == 1 and numbers != matrix) or function.item % target.group):
        raise BlockDamaged("A derived block is turned over by another shape than it has.")


def _check_strips(function: Function, numbers: int) -> None:
    """Raises BlockDamaged."""
    row = sum(strip.width for strip in function.strips)
    if function.item > 1 or not function.rows or function.rows * row > numbers or row % function.target.group:
        raise BlockDamaged("A derived block is put together of impossible rows.")
    for strip in function.strips:
        end = strip.start + (function.rows - 1) * strip.stride + strip.width
        if strip.width < GROUP or strip.stride < strip.width or end > numbers:
            raise BlockDamaged("A strip of a derived block is impossible.")


def _check_tall(function: Function) -> None:
    """Raises BlockDamaged."""
    width = max(function.source.width, function.target.width)
    if function.source.group != 1 or function.target.group != 1 or function.item != 1 or function.strips:
        raise BlockDamaged("A matrix of a derived block is too large for its kind.")
    if not function.rows or function.rows * width > BLOCK_BYTES:
        raise BlockDamaged("A derived block is turned over from a matrix of impossible columns.")
    if not 0 < function.columns * function.rows * function.source.width <= TURNED_SOURCES * BLOCK_BYTES:
        raise BlockDamaged("A derived block is turned over from an impossible matrix.")


def _decode_tall(function: Function, raw: Bytes8, target: memoryview) -> None:
    first, stop = function.numbers_of(len(target))
    if raw.size != (stop - first) * function.source.width:
        raise BlockDamaged("A derived block is given more, or less, than it is made of.")
    start = function.skip - first * function.target.width
    target[:] = convert(raw, function.source, function.target)[start : start + len(target)].data


def _output_bytes(function: Function) -> int:
    return function.target.bytes_of(function.input_bytes // function.source.width)


def _left(function: Function, stop: int) -> bool:
    """Whether the input goes on behind the group that the block ends in."""
    return _output_bytes(function) - stop >= function.target.width


def _woven(function: Function, raw: Bytes8, start: int, stop: int) -> Bytes8:
    """The rows that the block lies in. Raises BlockDamaged unless it is in the first and in the last of them."""
    wide = sum(strip.width for strip in function.strips)
    row = function.target.bytes_of(wide)
    if start >= row or not (function.rows - 1) * row < stop <= function.rows * row:
        raise BlockDamaged("A derived block is given more, or fewer, rows than it is made of.")
    words = raw.view(f"V{function.source.width}")
    woven, at = np.empty((function.rows, wide), words.dtype), 0
    for strip in function.strips:
        # As many numbers as rows need at this stride, which may end before the last row does.
        held = words[strip.start : strip.start + (function.rows - 1) * strip.stride + strip.width]
        steps = (strip.stride * words.itemsize, words.itemsize)
        woven[:, at : at + strip.width] = as_strided(held, (function.rows, strip.width), steps, writeable=False)
        at += strip.width
    return woven.reshape(-1).view(np.uint8)


def _turned(function: Function, raw: Bytes8, start: int, stop: int) -> "tuple[Bytes8, int, int]":
    """The rows, after turning over, that the block lies in, and where in them. Raises BlockDamaged."""
    rows, columns = function.rows, function.columns
    row = function.target.bytes_of(rows * function.item)
    items = raw.view(f"V{function.source.width * function.item}").reshape(-1, rows, columns)
    if stop > len(items) * columns * row:
        raise BlockDamaged("A derived block ends past the matrix it is turned from.")
    first, last = start // row, -(-stop // row)
    # Of one matrix only what is needed is turned; of several, those that are needed.
    low, high = first // columns, -(-last // columns)
    if high - low == 1:
        turned = items[low][:, first - low * columns : last - low * columns].T
    else:
        turned = items[low:high].transpose(0, 2, 1).reshape(-1, rows)[first - low * columns : last - low * columns]
    return np.ascontiguousarray(turned).reshape(-1).view(np.uint8), start - first * row, stop - first * row
