"""Pickles: what they refer to, and where their large arrays lie, found without loading anything.

Reads plain pickles of every protocol, joblib's (which puts raw arrays between the opcodes), compressed
ones, and torch's format from before it used zip. Whatever a pickle refers to beyond the allowlist is
flagged ``unsafe-pickle``; so is whatever could not be followed to its end, because a scanner that gives
up silently is the hole attackers look for.
"""

import bz2
import lzma
import re
import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import PICKLE_ARRAY_BYTES, PICKLE_BYTES, TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.allowed import frameworks_of, is_allowed
from budwood.store.formats.bounded import Cursor, Malformed, Memory, elements, malformed
from budwood.store.formats.dtypes import numpy_name
from budwood.store.formats.inert import Blob, Machine, Made, Spent, named, pairs_of

EXTENSIONS: Final = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"x\x01": "zlib",
    b"x\x5e": "zlib",
    b"x\x9c": "zlib",
    b"x\xda": "zlib",
    b"\x5d\x00\x00\x80\x00": "lzma",
}
SEALED: Final = {b"7z\xbc\xaf'\x1c": "7z", b"Rar!": "rar", b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}
_PAST_ARRAYS: Final = frozenset({"joblib.numpy_pickle.NumpyArrayWrapper"})


@dataclass(slots=True)
class Look:
    """What following one or more pickles showed."""

    globals: dict[str, None] = field(default_factory=dict)
    hints: list[Hint] = field(default_factory=list)
    problem: str = ""
    calls: int = 0


def looks_like_pickle(head: bytes) -> bool:
    """Protocol 2 and later say so in their first two bytes."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def may_be_old_pickle(head: bytes) -> bool:
    """Protocols 0 and 1 have no mark of their own; this is what their first opcode can be."""
    return head[:1] != b"" and head[:1] in b"(ciIJKMLSTUNVFG])}lPX"


def read_pickle(source: Source) -> Reading:
    """Never Malformed: what cannot be followed is flagged."""
    look = follow(source)
    flags = unsafe_flags(source.path, look)
    return Reading("pickle", tuple(look.hints), FileFacts(frameworks=frameworks_of(look.globals), flags=flags))


def read_old_pickle(source: Source) -> Reading:
    """A file that may be text: claimed when it is a pickle to its end, or would have called something first."""
    look = follow(source)
    is_pickle = bool(look.globals) and (look.calls > 0 or not look.problem)
    if not is_pickle:
        return Reading()
    facts = FileFacts(frameworks=frameworks_of(look.globals), flags=unsafe_flags(source.path, look))
    return Reading("pickle", tuple(look.hints), facts)


def read_compressed(source: Source) -> Reading:
    """A compressed pickle is followed when it unpacks within PICKLE_BYTES; anything else is no pickle."""
    is_named_so = source.path.lower().endswith(EXTENSIONS)
    try:
        start = decompress(source, 4_096, whole=False)
        if not looks_like_pickle(start) and not (is_named_so and start):
            return Reading()
        look = follow(Memory(decompress(source, PICKLE_BYTES), source.path))
    except Malformed as error:
        look = Look(problem=str(error))
    look.hints.clear()
    flags = unsafe_flags(source.path, look)
    return Reading("pickle", (), FileFacts(frameworks=frameworks_of(look.globals), flags=flags))


def read_sealed(source: Source) -> Reading:
    """Under a name that is usually loaded with pickle, what cannot be looked into is unsafe."""
    flag = Flag("unsafe-pickle", source.path, "its content is no format that could be inspected")
    return Reading("", (), FileFacts(flags=(flag,)))


def follow(source: Source) -> Look:
    """Every pickle of a source, one after the other; arrays found on the way become hints."""
    look = Look()
    cursor = Cursor(source)
    spent = Spent()
    arrays = _Arrays(look)
    try:
        while cursor.left:
            machine = Machine(cursor, spent, arrays.after)
            arrays.machine = machine
            try:
                root = machine.run()
            finally:
                look.globals.update(machine.globals)
                look.calls = spent.calls
            arrays.under(root)
            if not _goes_on(cursor):
                break
    except Malformed as error:
        look.problem = str(error)
    return look


def unsafe_flags(path: str, look: Look) -> tuple[Flag, ...]:
    """One flag for each global that is not known to be harmless, and one when the end was not reached."""
    flags = [Flag("unsafe-pickle", path, f"refers to {name}") for name in look.globals if not is_allowed(name)]
    if look.problem:
        flags.append(Flag("unsafe-pickle", path, "could not be followed to its end, so it may do anything"))
        flags.append(malformed(path, look.problem))
    return tuple(flags[-20:] if look.problem else flags[:20])


def decompress(source: Source, limit: int, *, whole: bool = True) -> bytes:
    """What a compressed source unpacks to. Raises Malformed when broken, or longer than ``limit`` and asked whole."""
    kind = next((kind for magic, kind in COMPRESSIONS.items() if source.read(0, 6).startswith(magic)), "")
    machine = _machine(kind)
    parts: list[bytes] = []
    room, at = limit, 0
    try:
        while at < source.size and not machine.eof and room > 0:
            piece = source.read(at, min(1 << 16, source.size - at))
            if not piece:
                break
            at += len(piece)
            parts.append(machine.decompress(piece, room))
            room -= len(parts[-1])
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise Malformed(f"its {kind} bytes are broken: {error}") from error
    if whole and not machine.eof:
        raise Malformed(f"its {kind} bytes stop early or unpack to more than {limit}")
    return b"".join(parts)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, piece: bytes, limit: int, /) -> bytes: ...


def _machine(kind: str) -> _Decompressor:
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind in ("xz", "lzma"):
        return lzma.LZMADecompressor(memlimit=256 << 20)
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


def _goes_on(cursor: Cursor) -> bool:
    """Whether another pickle follows, as in files written by repeated dumps."""
    if cursor.left < 3:
        return False
    at = cursor.at
    mark = cursor.take(2)
    cursor.at = at
    return mark[0] == 0x80 and 2 <= mark[1] <= 5


class _Arrays:
    """Finds the arrays of a pickle: joblib's while it runs, the others in what it built."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.machine: Machine | None = None
        self._joblib: dict[int, Hint] = {}

    def after(self, made: Made) -> None:
        """joblib writes an array's bytes right behind the pickled description of it."""
        if made.name not in _PAST_ARRAYS:
            return
        assert self.machine is not None
        state = pairs_of(made.state)
        dtype, width = _dtype(state.get("dtype"))
        if dtype == "O":
            self._nested()
            return
        shape = _shape(state.get("shape"))
        if width <= 0 or shape is None:
            raise Malformed("a joblib array of unknown type or shape")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.machine.skip(self.machine.cursor.byte())
        blob = self.machine.skip(elements(shape) * width)
        is_c_order = state.get("order") == "C" or len(shape) == 1
        self._joblib[id(made)] = Hint(blob.offset, blob.length, "", numpy_name(dtype), shape if is_c_order else None)

    def under(self, root: object) -> None:
        """Name and keep the arrays under ``root`` that are worth a span of their own."""
        taken: set[int] = set()
        for path, value in named(root):
            hint = self._joblib.get(id(value)) if isinstance(value, Made) else None
            hint = hint or _array(value)
            if hint is None or hint.length < PICKLE_ARRAY_BYTES or hint.offset in taken:
                continue
            if len(self.look.hints) >= TENSORS_PER_FILE:
                break
            taken.add(hint.offset)
            name = str(path) if path else "array"
            self.look.hints.append(Hint(hint.offset, hint.length, name, hint.dtype, hint.shape))
        self._joblib.clear()

    def _nested(self) -> None:
        """An array of objects is a pickle inside the pickle."""
        outer = self.machine
        assert outer is not None
        at = outer.cursor.at
        inner = Machine(outer.cursor, outer.spent)
        try:
            inner.run()
        finally:
            self.look.globals.update(inner.globals)
        length = outer.cursor.at - at
        outer.cursor.at = at
        outer.skip(length)


def _array(value: Made | Blob) -> Hint | None:
    if isinstance(value, Blob):
        return Hint(value.offset, value.length, "")
    described = _by_state(value) or _by_buffer(value)
    if described is None:
        return None
    blob, dtype, shape, is_c_order = described.blob, described.dtype, described.shape, described.is_c_order
    code, width = _dtype(dtype)
    sizes = _shape(shape)
    if not isinstance(blob, Blob) or width <= 0 or sizes is None or elements(sizes) * width != blob.length:
        return None
    return Hint(blob.offset, blob.length, "", numpy_name(code), sizes if is_c_order or len(sizes) == 1 else None)


@dataclass(frozen=True, slots=True)
class _Described:
    blob: object
    dtype: object
    shape: object
    is_c_order: bool


def _by_state(made: Made) -> _Described | None:
    """Up to protocol 4: an empty array is made, then given (version, shape, dtype, is_fortran, bytes)."""
    if made.name.endswith("multiarray._reconstruct") and isinstance(made.state, tuple) and len(made.state) == 5:
        _, shape, dtype, is_fortran, blob = made.state
        return _Described(blob, dtype, shape, is_fortran is False)
    return None


def _by_buffer(made: Made) -> _Described | None:
    """Protocol 5: _frombuffer(bytes, dtype, shape, order)."""
    if made.name.endswith("numeric._frombuffer") and isinstance(made.args, tuple) and len(made.args) == 4:
        blob, dtype, shape, order = made.args
        return _Described(blob, dtype, shape, order == "C")
    return None


def _dtype(value: object) -> tuple[str, int]:
    """A pickled numpy.dtype as its code with byte order, and its width; width 0 when it is not plain."""
    if (
        not isinstance(value, Made)
        or value.name != "numpy.dtype"
        or not isinstance(value.args, tuple)
        or not value.args
    ):
        return "", 0
    code = value.args[0]
    state = value.state if isinstance(value.state, tuple) else ()
    if not isinstance(code, str):
        return "", 0
    if code.startswith("O"):
        return "O", 0
    if code.startswith("V"):
        return code, int(code[1:]) if code[1:].isdecimal() and len(code) < 10 and not _has_objects(state) else 0
    order = state[1] if len(state) > 1 and state[1] in ("<", ">", "|") else "<"
    found = re.fullmatch(r"([biufcSU])(\d{1,9})", code)
    width = int(found.group(2)) * (4 if code[0] == "U" else 1) if found else 0
    return f"{order}{code}", width


def _has_objects(state: tuple[object, ...]) -> bool:
    """A record's flags carry NPY_ITEM_HASOBJECT (1) when Python objects are among its fields."""
    return len(state) < 8 or not isinstance(state[7], int) or bool(state[7] & 1)


def _shape(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, tuple) or len(value) > 64 or not all(type(size) is int for size in value):
        return None
    return tuple(size for size in value if isinstance(size, int))
