"""The native library, where the installation has one: the C files of this folder, called through ctypes.

``library`` is None where no compiler was at hand or the build is another than this Budwood's; then the callers do
the same with NumPy, several times slower. A call lets other threads run. Nothing in C is handed a Python object:
buffers go as addresses with lengths, which every function checks.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged

Bytes8 = npt.NDArray[np.uint8]
Buffer = bytes | bytearray | memoryview
Readable = Buffer | npt.NDArray[Any]

INTERFACE: Final = 1
"""The number of the C functions that this file knows (budwood.h)."""

_FINE, _DAMAGED = 0, -1

_PLACE = (ctypes.c_void_p, ctypes.c_uint64)
"""A buffer: where it begins and its bytes."""


class How(IntEnum):
    """How words are turned before they are cut into planes."""

    AS_THEY_ARE = 0
    TURNED = 1
    MINUS_BASE = 2


class Way(IntEnum):
    """Which of the two ways through the same work. The second falls back to the first where the machine lacks it."""

    SCALAR = 0
    VECTOR = 1


class Sums(IntEnum):
    """The ways to a check sum, by how much they multiply at once. One that the machine lacks is the best it has."""

    PLAIN = 0
    NARROW = 1
    WIDE = 2


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where ``write_differences`` puts what it makes; what each must hold is in rans_write.c."""

    tables: Bytes8
    pairs: Bytes8
    words: Bytes8
    raw: Bytes8
    work: Bytes8


@dataclass(frozen=True, slots=True)
class Differences:
    """The parts of a block of differences (docs/internals/differences.md). They may lie in ``Rooms``."""

    shift: int
    top: int
    lanes_log2: int
    tables: Buffer
    states: Buffer
    words: Buffer
    raw: Buffer


class Native:
    """The functions of the library."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._cut, self._join, self._equal = loaded.bw_cut, loaded.bw_join, loaded.bw_equal
        self._read, self._write = loaded.bw_delta_read, loaded.bw_delta_write
        self._find, self._take, self._put = loaded.bw_find_changed, loaded.bw_take_changed, loaded.bw_put_changed
        whole, pointer = ctypes.c_uint32, ctypes.c_void_p
        self._cut.argtypes = (pointer, ctypes.c_uint64, *_PLACE, whole, ctypes.c_int, pointer, ctypes.c_int)
        self._join.argtypes = (pointer, ctypes.c_uint64, *_PLACE, whole, ctypes.c_int, pointer, ctypes.c_int)
        self._equal.argtypes = (pointer, pointer, ctypes.c_uint64)
        self._read.argtypes = (*_PLACE * 5, whole, whole, whole, whole, *_PLACE * 2, ctypes.c_int)
        self._write.argtypes = (*_PLACE * 2, whole, whole, *_PLACE * 5, pointer, ctypes.c_int)
        self._crc32 = loaded.bw_crc32
        self._crc32.restype, self._crc32.argtypes = whole, (whole, *_PLACE, ctypes.c_int)
        long = ctypes.c_uint64
        self._find.argtypes = (pointer, pointer, long, long, *_PLACE)
        self._take.argtypes = (pointer, long, long, *_PLACE * 2)
        self._put.argtypes = (*_PLACE, pointer, long, long, *_PLACE, pointer)
        self._write_literals, self._read_literals = loaded.bw_huffman_write, loaded.bw_huffman_read
        self._write_literals.restype, self._write_literals.argtypes = ctypes.c_int64, (*_PLACE * 3, ctypes.c_int)
        self._read_literals.argtypes = _PLACE * 3
        self._planes_match = loaded.bw_planes_match
        self._planes_match.argtypes = (*(pointer,) * 3, whole, ctypes.c_int, *_PLACE * 2, ctypes.c_int)
        rooms = (loaded.bw_huffman_room, loaded.bw_code_room, loaded.bw_check_room)
        for function in (loaded.bw_read_room, loaded.bw_write_room, loaded.bw_tables_room, *rooms):
            function.restype, function.argtypes = ctypes.c_uint64, ()
        self.literals_room: int = loaded.bw_huffman_room()
        self.code_room: int = loaded.bw_code_room()
        self.check_room: int = loaded.bw_check_room()
        loaded.bw_source.restype = ctypes.c_char_p
        self.read_room: int = loaded.bw_read_room()
        self.write_room: int = loaded.bw_write_room()
        self.tables_room: int = loaded.bw_tables_room()
        self.source: str = loaded.bw_source().decode()
        """Names the sources it was built from."""
        self.path = Way.VECTOR if loaded.bw_has_vectors() else Way.SCALAR
        self.sums = Sums(loaded.bw_crc32_path())

    def crc32(self, summed: Readable, before: int = 0) -> int:
        """What ``zlib.crc32`` gives; slower than that one when ``sums`` is PLAIN."""
        return int(self._crc32(before, *_place(summed), self.sums))

    def cut(self, words: Readable, base: Readable, how: How, planes: Sequence[Bytes8]) -> None:
        """Fill the planes, one for each byte of a word, lowest first."""
        count, width = planes[0].size, len(planes)
        assert _bytes(words) >= count * width
        to = _pointers(planes)
        answer = self._cut(_address(words), count, _address(base), _bytes(base), width, how, to, self.path)
        assert answer == _FINE, answer

    def join(self, planes: Sequence[Bytes8], base: Readable, how: How, out: Readable) -> None:
        """The inverse, into ``out``."""
        count, width = planes[0].size, len(planes)
        assert _bytes(out) >= count * width
        of = _pointers(planes)
        answer = self._join(of, count, _address(base), _bytes(base), width, how, _address(out), self.path)
        assert answer == _FINE, answer

    def write_literals(self, plane: Bytes8, out: Bytes8, work: Bytes8) -> int:
        """The length of the frame at the start of ``out``; 0 where the plane is to be written by others.

        ``out`` has half as many bytes more than the plane, and 1024.
        """
        answer = self._write_literals(*_place(plane), *_place(out), *_place(work), self.path)
        assert answer >= 0, answer
        return int(answer)

    def read_literals(self, frame: Readable, out: Readable, work: Bytes8) -> bool:
        """Fill ``out`` with the frame's content; False where others must say what is wrong with it, if anything."""
        answer = self._read_literals(*_place(frame), *_place(out), *_place(work))
        assert answer in (_FINE, _DAMAGED), answer
        return bool(answer == _FINE)

    def planes_match(
        self, written: Sequence[Readable], ways: Sequence[int], how: How, words: Readable, work: Bytes8
    ) -> bool:
        """Whether planes, as they are written, give these words back; False also where this cannot be seen here."""
        width = len(written)
        places = (ctypes.c_void_p * width)(*map(_address, written))
        lengths = (ctypes.c_uint64 * width)(*map(_bytes, written))
        numbers = (ctypes.c_uint32 * width)(*ways)
        answer = self._planes_match(places, lengths, numbers, width, how, *_place(words), *_place(work), self.path)
        assert answer in (0, 1), answer
        return bool(answer)

    def equal(self, one: Readable, other: Readable) -> bool:
        """Whether two buffers hold the same bytes."""
        length = _bytes(one)
        return length == _bytes(other) and self._equal(_address(one), _address(other), length) == 1

    def find_changed(self, raw: Readable, base: Readable, group_bytes: int, bits: Bytes8) -> None:
        """Set a bit for each group that differs; both buffers are of one length."""
        length = _bytes(raw)
        assert _bytes(base) == length
        answer = self._find(_address(raw), _address(base), length, group_bytes, *_place(bits))
        assert answer == _FINE, answer

    def take_changed(self, whole: Readable, group_bytes: int, bits: Bytes8, out: Bytes8) -> None:
        """The groups whose bits are set, which fill ``out``."""
        answer = self._take(*_place(whole), group_bytes, *_place(bits), *_place(out))
        assert answer == _FINE, answer

    def put_changed(self, changed: Readable, base: Readable, group_bytes: int, bits: Bytes8, out: Readable) -> None:
        """The inverse: the other groups are the base's, which is as long as ``out``."""
        length = _bytes(out)
        assert _bytes(base) == length
        answer = self._put(*_place(changed), _address(base), length, group_bytes, *_place(bits), _address(out))
        assert answer == _FINE, answer

    def write_differences(self, raw: Readable, base: Readable, width: int, shift: int, rooms: Rooms) -> Differences:
        """The differences of whole words from a base."""
        facts = (ctypes.c_uint32 * 5)()
        places = [place for buffer in (raw, base) for place in _place(buffer)]
        into = (rooms.tables, rooms.pairs, rooms.words, rooms.raw, rooms.work)
        room = [place for buffer in into for place in _place(buffer)]
        answer = self._write(*places, width, shift, *room, facts, self.path)
        assert answer == _FINE, answer
        top, lanes_log2, tables, words, raw_bits = facts
        states = tables + (4 << lanes_log2)
        taken = rooms.words[rooms.words.size - words :].data, rooms.raw[:raw_bits].data
        return Differences(
            shift, top, lanes_log2, rooms.tables[:tables].tobytes(), rooms.tables[tables:states].tobytes(), *taken
        )

    def read_differences(self, parts: Differences, base: Readable, width: int, out: Readable, work: Bytes8) -> None:
        """Fill ``out``, which has whole words. Raises BlockDamaged."""
        kept = (parts.tables, parts.states, parts.words, parts.raw, base)
        places = [place for buffer in kept for place in _place(buffer)]
        key = (width, parts.shift, parts.top, 1 << parts.lanes_log2)
        answer = self._read(*places, *key, *_place(out), *_place(work), self.path)
        if answer == _DAMAGED:
            raise BlockDamaged("A block of differences does not add up.")
        assert answer == _FINE, answer


def load(path: Path) -> Native | None:
    """The library at a path; None where there is none, or one of another interface."""
    try:
        loaded = ctypes.CDLL(str(path))
        return Native(loaded) if loaded.bw_interface() == INTERFACE else None
    except (OSError, AttributeError):
        return None


def _bytes(buffer: Readable) -> int:
    return buffer.nbytes if isinstance(buffer, np.ndarray | memoryview) else len(buffer)


def _address(buffer: Readable) -> int:
    if isinstance(buffer, np.ndarray):
        assert buffer.flags.c_contiguous
        return buffer.ctypes.data
    return np.frombuffer(buffer, np.uint8).ctypes.data if len(buffer) else 0


def _place(buffer: Readable) -> tuple[int, int]:
    return _address(buffer), _bytes(buffer)


def _pointers(planes: Sequence[Bytes8]) -> Any:
    assert all(plane.size == planes[0].size for plane in planes)
    return (ctypes.c_void_p * len(planes))(*map(_address, planes))


library = load(Path(__file__).with_name("budwood.so"))
