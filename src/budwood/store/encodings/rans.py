"""DELTA_RANS: differences from a base, entropy coded with the base's exponent as context.

    width:u8 | shift:u8 | top:u8 | log2 of the lanes:u8 | map length:u32 | tables length:u32 | words length:u32
    | raw length:u32 | map | tables | states | words | raw bits | tail

docs/internals/differences.md describes them. The native library writes and reads them; ``_rans_numpy.py`` does the
same, slowly, so that a store can be read where there is no compiler.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from budwood.errors import BlockDamaged
from budwood.store import native
from budwood.store.api import Buffer
from budwood.store.encodings import _groups, _rans_numpy, _zstd
from budwood.store.encodings._parts import Written
from budwood.store.encodings._scratch import SLACK, scratch
from budwood.store.encodings._words import as_words
from budwood.store.native import Differences, Rooms

WIDTHS: Final = (1, 2, 4)
"""Bytes of the words that this encoding knows."""
SHIFTS: Final = {1: 3, 2: 7, 4: 23}
"""The bits of the base's word below the exponent: of 8-bit numbers, bf16 and f32."""
F16_SHIFT: Final = 10
_HEAD: Final = struct.Struct("<BBBBIIII")
_LANES_LOG2: Final = range(3, 11)
_MOST_LANE_WORDS: Final = 32 << 10
"""With fewer lanes a hostile block would keep a reader without the library busy for many seconds."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a sample took: once for a block, however long, and for its words."""

    fixed: int
    words: int


def estimate_rans(sample: memoryview, base: memoryview, width: int, shift: int) -> Sizes:
    """What ``encode_rans`` would make of a sample."""
    head, bitmap, tables, states, *rest = encode_rans(sample, base, width, shift)
    return Sizes(len(head) + len(tables) + len(states), len(bitmap) + sum(map(len, rest)))


def encode_rans(raw: memoryview, base: memoryview, width: int, shift: int) -> tuple[Buffer, ...]:
    """``shift`` is 0 for that of the width. The parts lie in this thread's scratch."""
    whole = len(raw) - len(raw) % width
    words, bitmap = raw[:whole], b""
    bits = _groups.find_changed(words, base[:whole], width) if len(base) >= whole else None
    if bits is not None:
        bitmap = _zstd.fast(bits.data)
        length = _groups.changed_bytes(bits, whole, width)
        words = _groups.take_changed(words, bits, width, scratch("changed", length))
        base = _groups.take_changed(base[:whole], bits, width, scratch("changed base", length))
    parts = _write(words, base, width, shift or SHIFTS[width])
    lengths = len(bitmap), len(parts.tables), len(parts.words), len(parts.raw)
    head = _HEAD.pack(width, parts.shift, parts.top, parts.lanes_log2, *lengths)
    return head, bitmap, parts.tables, parts.states, parts.words, parts.raw, raw[whole:]


def decode_rans(encoded: Written, base: memoryview, target: memoryview) -> None:
    """Raises BlockDamaged."""
    width, bitmap, parts, tail = _take_apart(encoded, len(target))
    whole = len(target) - len(tail)
    if not len(bitmap):
        _read(parts, base, width, target[:whole])
    else:
        if len(base) < whole:
            raise BlockDamaged("A block of differences leaves out groups that its base does not have.")
        content = _zstd.decompress(bitmap, _groups.map_bytes(whole, width))
        bits = np.frombuffer(content, np.uint8)
        length = _groups.changed_bytes(bits, whole, width)
        known = _groups.take_changed(base[:whole], bits, width, scratch("changed base", length))
        changed = scratch("changed", length).data
        _read(parts, known, width, changed)
        _groups.put_changed(changed, base[:whole], bits, width, target[:whole])
    target[whole:] = tail


def _read(parts: Differences, base: memoryview, width: int, out: memoryview) -> None:
    if len(out) // width > _MOST_LANE_WORDS << parts.lanes_log2:
        raise BlockDamaged(f"A block of differences has {1 << parts.lanes_log2} lanes for {len(out) // width} words.")
    if native.library is None:
        _rans_numpy.read(parts, as_words(base, width), as_words(out, width))
    else:
        work = scratch("reading room", native.library.read_room)
        native.library.read_differences(parts, base, width, out, work)


def _write(raw: memoryview, base: memoryview, width: int, shift: int) -> Differences:
    if native.library is None:
        return _rans_numpy.write(as_words(raw, width), as_words(base, width), shift)
    room = 2 * (len(raw) // width) + SLACK
    rooms = Rooms(
        tables=scratch("tables", native.library.tables_room),
        pairs=scratch("pairs", room),
        words=scratch("words", room),
        raw=scratch("raw bits", len(raw) + SLACK),
        work=scratch("writing room", native.library.write_room),
    )
    return native.library.write_differences(raw, base, width, shift, rooms)


class _Apart(NamedTuple):
    width: int
    bitmap: memoryview
    parts: Differences
    tail: memoryview


def _take_apart(encoded: Written, raw_length: int) -> _Apart:
    """Raises BlockDamaged."""
    if len(encoded) < _HEAD.size:
        raise BlockDamaged("A block of differences ends inside its header.")
    width, shift, top, lanes_log2, *lengths = _HEAD.unpack(encoded[: _HEAD.size])
    if width not in WIDTHS or not 8 * width - 9 <= shift < 8 * width:
        raise BlockDamaged(f"Words of {width} bytes, shifted by {shift} bits, are not known.")
    bitmap, tables, words, raw = lengths
    if lanes_log2 not in _LANES_LOG2 or words % 2:
        raise BlockDamaged(f"A block of differences claims 2^{lanes_log2} lanes and {words} bytes of words.")
    places = [_HEAD.size]
    for length in (bitmap, tables, 4 << lanes_log2, words, raw, raw_length % width):
        places.append(places[-1] + length)
    if len(encoded) != places[-1]:
        raise BlockDamaged(f"A block of differences has {len(encoded)} bytes where {places[-1]} belong.")
    frame, *kept, tail = (encoded[start:stop] for start, stop in pairwise(places))
    return _Apart(width, frame, Differences(shift, top, lanes_log2, *kept), tail)
