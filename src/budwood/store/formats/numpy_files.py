"""NumPy's .npy (a header, then one array) and .npz (a zip of those).

The header is a Python literal; it is parsed here as the few shapes NumPy writes, never evaluated. An
array of Python objects is a pickle in disguise and flagged as one. A Fortran-ordered array gets no
shape: a hint's shape always means its bytes read in C order.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import NPY_HEADER_BYTES, SHAPE_DIMENSIONS, TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.bounded import Cursor, Malformed, Memory, Window, elements, malformed
from budwood.store.formats.dtypes import numpy_name
from budwood.store.formats.zipped import STORED, Archive, Member

MAGIC: Final = b"\x93NUMPY"

Literal = str | int | bool | None | list["Literal"] | tuple["Literal", ...] | dict[str, "Literal"]


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """Where an array's bytes begin in its file, and what they are."""

    start: int
    length: int
    dtype: str
    shape: tuple[int, ...] | None
    has_objects: bool


def looks_like_npy(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read_npy(source: Source) -> Reading:
    """Raises Malformed."""
    header = read_header(source)
    if header.has_objects:
        return Reading("npy", (), FileFacts(frameworks={"numpy": ""}, flags=(_objects_flag(source.path),)))
    flags: tuple[Flag, ...] = ()
    if header.start + header.length != source.size:
        flags = (
            malformed(source.path, f"the array ends at {header.start + header.length}, the file at {source.size}"),
        )
    name = source.path.rsplit("/", 1)[-1].removesuffix(".npy")
    hint = Hint(header.start, header.length, name, header.dtype, header.shape)
    inside = header.start + header.length <= source.size
    return Reading("npy", (hint,) if inside else (), FileFacts(frameworks={"numpy": ""}, flags=flags))


def is_npz(archive: Archive) -> bool:
    """All members are arrays."""
    return bool(archive.names) and all(name.endswith(".npy") for name in archive.names)


def read_npz(source: Source, archive: Archive) -> Reading:
    """Stored members become hints; compressed ones are only looked into for Python objects."""
    hints: list[Hint] = []
    flags: list[Flag] = []
    for member in archive.members[:TENSORS_PER_FILE]:
        if not member.name.endswith(".npy"):
            continue
        try:
            hint = _member_hint(source, member)
        except Malformed as error:
            flags.append(malformed(source.path, f"member {member.name[:100]!r}: {error}"))
            continue
        if isinstance(hint, Flag):
            flags.append(hint)
        elif hint is not None:
            hints.append(hint)
    return Reading("npz", tuple(hints), FileFacts(frameworks={"numpy": ""}, flags=tuple(flags)))


def read_header(source: Source) -> ArrayHeader:
    """Raises Malformed."""
    cursor = Cursor(source)
    if cursor.take(6) != MAGIC:
        raise Malformed("no NumPy array")
    major = cursor.byte()
    cursor.skip(1)
    if major not in (1, 2, 3):
        raise Malformed(f"array format {major}")
    length = cursor.u16() if major == 1 else cursor.u32()
    if length > NPY_HEADER_BYTES:
        raise Malformed(f"an array header of {length} bytes, over the limit NPY_HEADER_BYTES")
    header = parse_literal(cursor.take(length).decode("utf-8" if major == 3 else "latin-1", "replace"))
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise Malformed("the array header does not say descr, fortran_order and shape")
    shape, fortran = header["shape"], header["fortran_order"]
    if not isinstance(shape, tuple) or len(shape) > SHAPE_DIMENSIONS or not isinstance(fortran, bool):
        raise Malformed("the array header's shape or order is none")
    sizes = tuple(size for size in shape if type(size) is int)
    if len(sizes) != len(shape):
        raise Malformed("a dimension is not a size")
    descr = header["descr"]
    width, has_objects = _width(descr, 0)
    dtype = numpy_name(descr) if isinstance(descr, str) else ""
    is_c_order = not fortran or len(sizes) <= 1
    return ArrayHeader(cursor.at, elements(sizes) * width, dtype, sizes if is_c_order else None, has_objects)


def parse_literal(text: str) -> Literal:
    """The Python literals NumPy writes: text, ints, True, False, None, lists, tuples and dicts of them."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise Malformed("the array header is no literal")
    tokens = [token for token in tokens if not token.isspace()]
    value, at = _value(tokens, 0, 0)
    if at != len(tokens):
        raise Malformed("the array header goes on after its end")
    return value


def _member_hint(source: Source, member: Member) -> Hint | Flag | None:
    if member.method == STORED:
        header = read_header(Window(source, member.offset, member.size))
        if header.has_objects:
            return _objects_flag(source.path, member.name)
        if header.start + header.length > member.size:
            raise Malformed("the array is longer than the member")
        name = member.name.removesuffix(".npy")
        return Hint(member.offset + header.start, header.length, name, header.dtype, header.shape)
    opened = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        start = opened.decompress(source.read(member.offset, min(member.size, 4096)), NPY_HEADER_BYTES)
    except zlib.error as error:
        raise Malformed(f"its compressed bytes are broken: {error}") from error
    return _objects_flag(source.path, member.name) if read_header(Memory(start)).has_objects else None


def _objects_flag(path: str, member: str = "") -> Flag:
    where = f"member {member[:100]} " if member else ""
    return Flag("unsafe-pickle", path, f"{where}holds Python objects, which are a pickle")


_TOKEN: Final = re.compile(r"'[^'\\]*'|\"[^\"\\]*\"|-?\d{1,19}L?|True|False|None|[\[\](){},:]|\s+")
_WORDS: Final = {"True": True, "False": False, "None": None}
_CLOSES: Final = {"[": "]", "(": ")", "{": "}"}
_DEPTH: Final = 32


def _value(tokens: list[str], at: int, depth: int) -> tuple[Literal, int]:
    if at >= len(tokens) or depth > _DEPTH:
        raise Malformed("the array header stops early or nests too deep")
    token = tokens[at]
    if token in _CLOSES:
        return _sequence(tokens, at + 1, _CLOSES[token], depth + 1)
    if token in _WORDS:
        return _WORDS[token], at + 1
    if token[0] in "'\"":
        return token[1:-1], at + 1
    if token[0] in "-0123456789":
        return int(token.rstrip("L")), at + 1
    raise Malformed(f"{token!r} in an array header")


def _sequence(tokens: list[str], at: int, close: str, depth: int) -> tuple[Literal, int]:
    values: list[Literal] = []
    named: dict[str, Literal] = {}
    commas = 0
    while at < len(tokens) and tokens[at] != close:
        value, at = _value(tokens, at, depth)
        if close == "}":
            if not isinstance(value, str) or value in named or tokens[at : at + 1] != [":"]:
                raise Malformed("an array header's key is no text, is given twice or has no value")
            named[value], at = _value(tokens, at + 1, depth)
        values.append(value)
        if tokens[at : at + 1] == [","]:
            commas += 1
            at += 1
        elif tokens[at : at + 1] != [close]:
            raise Malformed("the array header is no literal")
    if at >= len(tokens):
        raise Malformed("the array header stops early")
    if close == "}":
        return named, at + 1
    if close == ")":
        return (values[0] if len(values) == 1 and not commas else tuple(values)), at + 1
    return values, at + 1


def _width(descr: Literal, depth: int) -> tuple[int, bool]:
    """Bytes per element, and whether Python objects are inside."""
    if isinstance(descr, str):
        return _scalar_width(descr)
    if isinstance(descr, tuple) and len(descr) == 2:
        width, has_objects = _width(descr[0], depth + 1)
        return width * _repeat(descr[1]), has_objects
    if not isinstance(descr, list):
        raise Malformed("an array of an unknown type")
    total, any_objects = 0, False
    for entry in descr:
        if not isinstance(entry, tuple) or len(entry) not in (2, 3):
            raise Malformed("a field of an unknown type")
        width, has_objects = _width(entry[1], depth + 1)
        total += width * (_repeat(entry[2]) if len(entry) == 3 else 1)
        any_objects = any_objects or has_objects
    return total, any_objects


def _scalar_width(code: str) -> tuple[int, bool]:
    found = re.fullmatch(r"[<>|=]?([?biufcmMOSUaV])(\d{0,9})(\[\w{1,20}\])?", code)
    if not found:
        raise Malformed(f"an array of type {code[:50]!r}")
    kind, digits = found.group(1), found.group(2)
    if kind == "O":
        return 8, True
    return (1 if kind == "?" else int(digits or 0) * (4 if kind == "U" else 1)), False


def _repeat(shape: Literal) -> int:
    sizes = (shape,) if type(shape) is int else shape
    if not isinstance(sizes, tuple):
        raise Malformed("a field's shape is none")
    return elements(size if type(size) is int else -1 for size in sizes)
