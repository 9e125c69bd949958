"""Numbers as bit patterns: unsigned words of a block, rotated, subtracted, and cut into byte planes.

A *plane* holds one byte of every word: plane 0 the lowest. Exponents of neighbouring weights are alike and
mantissas are noise, so planes separate what can be squeezed from what cannot. All words are little-endian.
Each function asks the native library first; what NumPy does instead is the same, tile by tile.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.store import native
from budwood.store.encodings._scratch import Bytes8, scratch
from budwood.store.native import How

Words = npt.NDArray[np.unsignedinteger[Any]]

WORDS: Final[dict[int, np.dtype[np.unsignedinteger[Any]]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}

TILE_BYTES: Final = 256 << 10
"""Words are turned and cut so many bytes at a time, so that all passes over them stay in the second-level cache."""


def as_words(raw: memoryview, width: int) -> Words:
    """The whole words at the start of ``raw``, without copying."""
    return np.frombuffer(raw, WORDS[width], len(raw) // width)


def words(name: str, count: int, width: int) -> Words:
    """Scratch room for that many words."""
    return scratch(name, count * width).view(WORDS[width])


def split(values: Words) -> list[Bytes8]:
    """The byte planes of the words, lowest first."""
    planes = _room(values)
    if _cut_natively(values, None, How.AS_THEY_ARE, planes):
        return planes
    for at in _tiles(values):
        _cut(values[at], planes, at)
    return planes


def split_rotated(values: Words) -> list[Bytes8]:
    """The planes of the words turned left by one bit, so that a float's sign leaves the byte of its exponent."""
    planes = _room(values)
    if _cut_natively(values, None, How.TURNED, planes):
        return planes
    top = _number(values, values.itemsize * 8 - 1)
    first, second = _two_tiles(values)
    for at in _tiles(values):
        tile = values[at]
        turned, sign = first[: tile.size], second[: tile.size]
        np.add(tile, tile, turned)
        np.right_shift(tile, top, sign)
        np.bitwise_or(turned, sign, turned)
        _cut(turned, planes, at)
    return planes


def split_difference(values: Words, base: Words) -> list[Bytes8]:
    """The planes of each word minus the base's, as a zigzag: small differences of either sign become small words.

    A base that is shorter counts as zeros from its end on.
    """
    planes = _room(values)
    if _cut_natively(values, base, How.MINUS_BASE, planes):
        return planes
    first, second = _two_tiles(values)
    for at in _tiles(values):
        tile = values[at]
        zigzag, sign = first[: tile.size], second[: tile.size]
        _combine(np.subtract, tile, base[at], zigzag)
        _zigzag(zigzag, sign)
        _cut(zigzag, planes, at)
    return planes


def join(planes: list[Bytes8], out: Words) -> None:
    """The inverse of ``split``, into ``out``."""
    if _joined_natively(planes, None, How.AS_THEY_ARE, out):
        return
    room = _two_tiles(out)
    for at in _tiles(out):
        out[at] = _tile(planes, at, room)


def join_rotated(planes: list[Bytes8], out: Words) -> None:
    """The inverse of ``split_rotated``, into ``out``."""
    if _joined_natively(planes, None, How.TURNED, out):
        return
    one, top = _number(out, 1), _number(out, out.itemsize * 8 - 1)
    room = _two_tiles(out)
    for at in _tiles(out):
        tile, turned = out[at], _tile(planes, at, room)
        np.left_shift(turned, top, tile)
        np.right_shift(turned, one, turned)
        np.bitwise_or(turned, tile, tile)


def join_difference(planes: list[Bytes8], base: Words, out: Words) -> None:
    """The inverse of ``split_difference``, into ``out``."""
    if _joined_natively(planes, base, How.MINUS_BASE, out):
        return
    room = _two_tiles(out)
    for at in _tiles(out):
        tile = _tile(planes, at, room)
        _add(tile, base[at], out[at], room[1][: tile.size])


def difference(values: Words, base: Words) -> Words:
    """What ``split_difference`` cuts in planes, whole."""
    width = values.itemsize
    out, sign = words("zigzag", values.size, width), words("sign", values.size, width)
    _combine(np.subtract, values, base, out)
    _zigzag(out, sign)
    return out


def add_difference(zigzag: Words, base: Words, out: Words) -> None:
    """The inverse of ``difference``, into ``out``; ``zigzag`` is overwritten."""
    _, room = _two_tiles(out)
    for at in _tiles(out):
        tile = zigzag[at]
        _add(tile, base[at], out[at], room[: tile.size])


def keys(base: Words, count: int) -> Bytes8:
    """A byte for each of ``count`` words: the bits of the base's word below its sign, which in a float are
    its exponent. Zero where the base is shorter."""
    bits = base.dtype.itemsize * 8
    common = min(base.size, count)
    out = scratch("keys", count)
    shifted = words("shifted", common, base.dtype.itemsize)
    np.right_shift(base[:common], max(bits - 9, 0), out=shifted)
    np.copyto(out[:common], shifted, casting="unsafe")
    out[common:] = 0
    return out


def _cut_natively(values: Words, base: Words | None, how: How, planes: list[Bytes8]) -> bool:
    if not _suits_native(values, base):
        return False
    assert native.library is not None
    native.library.cut(values, _NO_BASE if base is None else base, how, planes)
    return True


def _joined_natively(planes: list[Bytes8], base: Words | None, how: How, out: Words) -> bool:
    if not _suits_native(out, base):
        return False
    assert native.library is not None
    native.library.join(planes, _NO_BASE if base is None else base, how, out)
    return True


def _suits_native(values: Words, base: Words | None) -> bool:
    """A base that ends early is left to NumPy, and so are the widest words."""
    return native.library is not None and values.itemsize < 8 and (base is None or base.size >= values.size)


def _tiles(values: Words) -> Iterator[slice]:
    step = TILE_BYTES // values.itemsize
    return (slice(start, start + step) for start in range(0, values.size, step))


def _room(values: Words) -> list[Bytes8]:
    return [scratch(f"plane{index}", values.size) for index in range(values.itemsize)]


def _two_tiles(like: Words) -> tuple[Words, Words]:
    size = min(like.size, TILE_BYTES // like.itemsize)
    return words("tile", size, like.itemsize), words("tile 2", size, like.itemsize)


def _cut(tile: Words, planes: list[Bytes8], at: slice) -> None:
    """Put the bytes of the tile's words into the planes. Assigning to bytes keeps the lowest byte of a word."""
    planes[0][at] = tile
    if len(planes) > 1:
        eight, shifted = _number(tile, 8), words("shifted", tile.size, tile.itemsize)
        for plane in planes[1:]:
            tile = np.right_shift(tile, eight, shifted)
            plane[at] = tile


def _tile(planes: list[Bytes8], at: slice, room: tuple[Words, Words]) -> Words:
    """The words that these bytes of the planes make, in the first of the two tiles; the second is used up."""
    top = planes[-1][at]
    tile, wide = room[0][: top.size], room[1][: top.size]
    tile[...] = top
    eight = _number(tile, 8)
    for plane in reversed(planes[:-1]):
        np.left_shift(tile, eight, tile)
        wide[...] = plane[at]
        np.bitwise_or(tile, wide, tile)
    return tile


def _zigzag(step: Words, sign: Words) -> None:
    """In place; ``sign`` is room."""
    np.right_shift(_signed(step), _signed(_number(step, step.itemsize * 8 - 1)), _signed(sign))
    np.add(step, step, step)
    np.bitwise_xor(step, sign, step)


def _add(zigzag: Words, base: Words, out: Words, sign: Words) -> None:
    """Overwrites ``zigzag``; ``sign`` is room."""
    one = _number(zigzag, 1)
    np.bitwise_and(zigzag, one, sign)
    np.negative(_signed(sign), _signed(sign))
    np.right_shift(zigzag, one, zigzag)
    np.bitwise_xor(zigzag, sign, zigzag)
    _combine(np.add, zigzag, base, out)


def _combine(how: np.ufunc, values: Words, base: Words, out: Words) -> None:
    common = min(values.size, base.size)
    how(values[:common], base[:common], out[:common])
    if common < values.size:
        out[common:] = values[common:]


def _number(like: Words, value: int) -> Words:
    """NumPy takes a word of the same type at half the cost of an int, which matters on tiles."""
    return _NUMBERS[like.itemsize, value]


def _signed(values: Words) -> npt.NDArray[np.signedinteger[Any]]:
    return values.view(_SIGNED[values.itemsize])


_NO_BASE: Final = np.empty(0, np.uint8)
_SIGNED: Final = {width: np.dtype(f"<i{width}") for width in WORDS}
_NUMBERS: Final = {
    (width, value): np.array(value, dtype) for width, dtype in WORDS.items() for value in (1, 8, width * 8 - 1)
}
