"""Numbers as bit patterns: unsigned words of a block, rotated, subtracted, and cut into byte planes.

A *plane* holds one byte of every word: plane 0 the lowest. Exponents of neighbouring weights are alike and
mantissas are noise, so planes separate what can be squeezed from what cannot. All words are little-endian.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.store.encodings._scratch import Bytes8, scratch

Words = npt.NDArray[np.unsignedinteger[Any]]

WORDS: Final[dict[int, np.dtype[np.unsignedinteger[Any]]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}


def as_words(raw: memoryview, width: int) -> Words:
    """The whole words at the start of ``raw``, without copying."""
    return np.frombuffer(raw, WORDS[width], len(raw) // width)


def words(name: str, count: int, width: int) -> Words:
    """Scratch room for that many words."""
    return scratch(name, count * width).view(WORDS[width])


def rotate_left(values: Words) -> Words:
    """Each word turned left by one bit, so that a float's sign leaves the byte of its exponent."""
    bits = values.dtype.itemsize * 8
    out = words("rotated", values.size, values.dtype.itemsize)
    high = words("high", values.size, values.dtype.itemsize)
    np.left_shift(values, 1, out=out)
    np.right_shift(values, bits - 1, out=high)
    return np.bitwise_or(out, high, out=out)


def rotate_right(values: Words, out: Words) -> None:
    """The inverse of ``rotate_left``, into ``out``; ``values`` is overwritten."""
    bits = values.dtype.itemsize * 8
    np.left_shift(values, bits - 1, out=out)
    np.right_shift(values, 1, out=values)
    np.bitwise_or(out, values, out=out)


def difference(values: Words, base: Words) -> Words:
    """Each word minus the base's, as a zigzag: small differences of either sign become small words.

    A base that is shorter counts as zeros from its end on.
    """
    width = values.dtype.itemsize
    common = min(values.size, base.size)
    out = words("rotated", values.size, width)
    sign = words("high", values.size, width)
    np.subtract(values[:common], base[:common], out=out[:common])
    np.copyto(out[common:], values[common:])
    np.right_shift(_signed(out), width * 8 - 1, out=_signed(sign))
    np.left_shift(out, 1, out=out)
    return np.bitwise_xor(out, sign, out=out)


def add_difference(zigzag: Words, base: Words, out: Words) -> None:
    """The inverse of ``difference``, into ``out``; ``zigzag`` is overwritten."""
    width = zigzag.dtype.itemsize
    common = min(zigzag.size, base.size)
    sign = words("high", zigzag.size, width)
    np.bitwise_and(zigzag, 1, out=sign)
    np.negative(_signed(sign), out=_signed(sign))
    np.right_shift(zigzag, 1, out=zigzag)
    np.bitwise_xor(zigzag, sign, out=zigzag)
    np.add(zigzag[:common], base[:common], out=out[:common])
    np.copyto(out[common:], zigzag[common:])


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


def split(values: Words) -> list[Bytes8]:
    """The byte planes of the words, lowest first."""
    width = values.dtype.itemsize
    planes = [scratch(f"plane{index}", values.size) for index in range(width)]
    shifted = words("shifted", values.size, width)
    np.copyto(planes[0], values, casting="unsafe")
    for index in range(1, width):
        np.right_shift(values, 8 * index, out=shifted)
        np.copyto(planes[index], shifted, casting="unsafe")
    return planes


def join(planes: list[Bytes8], width: int) -> Words:
    """The words of these planes, in scratch room."""
    count = planes[0].size
    out = words("joined", count, width)
    shifted = words("shifted", count, width)
    np.copyto(out, planes[-1])
    for plane in reversed(planes[:-1]):
        np.left_shift(out, 8, out=out)
        np.copyto(shifted, plane)
        np.bitwise_or(out, shifted, out=out)
    return out


def _signed(values: Words) -> npt.NDArray[np.signedinteger[Any]]:
    return values.view(np.dtype(f"<i{values.dtype.itemsize}"))
