"""How a whole tensor is made of others, and which of their bytes each of its blocks takes.

A recipe lays cuts of tensors one behind the other, turns that over if it says so, and writes the numbers in another
kind. What is turned are *items*, some neighbouring numbers each: with items of one number, a matrix; with rows as
items, their order; with parts of rows as items, a matrix is split into its columns, or put together from them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from budwood.domain.limits import BLOCK_BYTES, DERIVED_INPUT_BYTES, DERIVED_PIECES, DERIVED_SOURCES, TURNED_SOURCES
from budwood.domain.manifest import BlockId, Span
from budwood.store.encodings._kinds import GROUP, Kind
from budwood.store.encodings.derived import Function, SourcePiece, Strip


@dataclass(frozen=True, slots=True)
class Cut:
    """``length`` bytes of a source's tensor, from ``start``."""

    span: Span
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class BlockRecipe:
    """The blocks that one is made of, and how."""

    sources: tuple[BlockId, ...]
    function: Function


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a whole tensor is made of cuts that lie one behind the other.

    If rows and columns are not 0, they are matrices of rows by columns items, each of ``item`` numbers, and turned
    over; the tensor begins at item number ``first`` of the outcome. With ``strips`` they are not turned: each of the
    tensor's rows is put together of them.
    """

    source: Kind
    target: Kind
    cuts: tuple[Cut, ...]
    rows: int = 0
    columns: int = 0
    item: int = 1
    first: int = 0
    strips: tuple[Strip, ...] = ()

    def of_block(self, start: int, length: int) -> BlockRecipe | None:
        """For ``length`` bytes of the tensor from ``start``; None where that would take more than a block may."""
        if self._is_tall:
            function = Function(self.source, self.target, (), start, self.rows, self.columns)
            return BlockRecipe(self.cuts[0].span.blocks, function)
        if self.strips:
            taken: _Taken | None = self._woven(start, length)
        else:
            taken = self._turned(start, length) if self.rows else self._straight(start, length)
        if taken is None or sum(last - first for first, last in taken.ranges) > DERIVED_INPUT_BYTES:
            return None
        sources: dict[BlockId, int] = {}
        pieces = []
        for first, last in taken.ranges:
            for block, offset, size in self._between(first, last):
                pieces.append(SourcePiece(sources.setdefault(block, len(sources)), offset, size))
        if sum(piece.length for piece in pieces) != sum(last - first for first, last in taken.ranges):
            return None
        if len(sources) > DERIVED_SOURCES or not 0 < len(pieces) <= DERIVED_PIECES:
            return None
        if any(piece.length < GROUP * self.source.width for piece in pieces[1:-1]):
            return None
        shape = (taken.rows, taken.columns, self.item if self.rows else 1, taken.strips)
        function = Function(self.source, self.target, tuple(pieces), taken.skip, *shape)
        return BlockRecipe(tuple(sources), function)

    @property
    def _is_tall(self) -> bool:
        """Whether it is one tensor that is turned over as a whole and too large to be gathered."""
        whole = self.rows * self.columns * self.source.width
        width = max(self.source.width, self.target.width)
        fits = whole <= TURNED_SOURCES * BLOCK_BYTES and self.rows * width <= BLOCK_BYTES and self.target.group == 1
        is_whole = len(self.cuts) == 1 and self.cuts[0].start == 0 and self.cuts[0].length == whole
        return self.item == 1 and whole > DERIVED_INPUT_BYTES and fits and is_whole and self.first == 0

    def _straight(self, start: int, length: int) -> "_Taken":
        group, end = start // self.target.width, -(-(start + length) // self.target.width)
        wide = self.target.group * self.source.width
        return _Taken(((group * wide, end * wide),), start - group * self.target.width)

    def _woven(self, start: int, length: int) -> "_Taken":
        """Of each strip what the rows need that the block lies in."""
        row = self.target.bytes_of(sum(strip.width for strip in self.strips))
        first, last = start // row, -(-(start + length) // row)
        ranges, strips, at = list[tuple[int, int]](), list[Strip](), 0
        for strip in self.strips:
            low, size = strip.start + first * strip.stride, (last - first - 1) * strip.stride + strip.width
            ranges.append((low * self.source.width, (low + size) * self.source.width))
            strips.append(Strip(at, strip.stride, strip.width))
            at += size
        return _Taken(tuple(ranges), start - first * row, last - first, 0, tuple(strips))

    def _turned(self, start: int, length: int) -> "_Taken | None":
        """As little as makes these bytes: whole matrices, or of one the rows or the columns that they come from."""
        wide, matrix = self.target.bytes_of(self.item), self.rows * self.columns
        if not wide or (self.item == 1 and self.rows * self.target.width > BLOCK_BYTES):
            return None
        start += self.first * wide
        low, high = start // wide, -(-(start + length) // wide)
        at, stop = low // matrix * matrix, -(-high // matrix) * matrix
        column, last_column = (low - at) // self.rows, -(-(high - at) // self.rows)
        if self.item == 1 or stop - at > matrix:
            return self._taken(((at, stop),), start - at * wide, self.rows, self.columns)
        if last_column - column == 1:
            row, last_row = low - at - column * self.rows, high - at - column * self.rows
            skip = start - low * wide + column * (last_row - row) * wide
            whole = ((at + row * self.columns, at + last_row * self.columns),)
            return self._taken(whole, skip, last_row - row, self.columns)
        each = tuple(
            (at + row * self.columns + column, at + row * self.columns + last_column) for row in range(self.rows)
        )
        return self._taken(each, start - (at + column * self.rows) * wide, self.rows, last_column - column)

    def _taken(self, items: "tuple[tuple[int, int], ...]", skip: int, rows: int, columns: int) -> "_Taken":
        wide = self.item * self.source.width
        return _Taken(tuple((first * wide, last * wide) for first, last in items), skip, rows, columns)

    def _between(self, first: int, last: int) -> Iterator[tuple[BlockId, int, int]]:
        """Block, offset and length of what lies there in the cuts."""
        at = 0
        for cut in self.cuts:
            low, high = max(first, at), min(last, at + cut.length)
            place, stop = cut.start + low - at, cut.start + high - at
            while low < high and place < stop:
                index, offset = divmod(place, BLOCK_BYTES)
                size = min(BLOCK_BYTES - offset, stop - place)
                yield cut.span.blocks[index], offset, size
                place += size
            at += cut.length


@dataclass(frozen=True, slots=True)
class _Taken:
    """The ranges of the cuts' bytes that make a block, and how they are turned over."""

    ranges: tuple[tuple[int, int], ...]
    skip: int
    rows: int = 0
    columns: int = 0
    strips: tuple[Strip, ...] = ()
