"""Zip archives, read from the central directory outwards, believing nothing twice.

The standard library's reader is meant for archives one trusts. Here every member is checked against
the file, its own local header and its neighbours before a byte of it is used; a member that fails is
left out and named in ``problems``. Checksums and the "encrypted" bit are ignored on purpose: loaders
ignore them too, and a scanner that stops at them sees less than the loader does (CVE-2025-1945).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import ZIP_DIRECTORY_BYTES, ZIP_ENTRIES
from budwood.store.api import Source
from budwood.store.formats.bounded import Cursor, Malformed, Memory, Window

STORED: Final = 0
DEFLATED: Final = 8

_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")
_CENTRAL: Final = struct.Struct("<4s4B4H3L5H2L")
_LOCAL: Final = struct.Struct("<4s2B4H3L2H")
_COMMENT_BYTES: Final = 65_535


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: ``size`` bytes at ``offset``, ``raw_size`` when unpacked.

    ``is_encrypted`` and ``crc`` are what its headers claim; nothing here believes them.
    """

    name: str
    offset: int
    size: int
    raw_size: int
    method: int
    is_encrypted: bool = False
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Archive:
    """The members that can be believed, in file order, and what was wrong with the rest."""

    members: tuple[Member, ...]
    problems: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Listed:
    name: bytes
    header: int
    size: int
    raw_size: int
    method: int
    flags: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Directory:
    offset: int
    size: int
    entries: int


def read_archive(source: Source) -> Archive:
    """The members of a zip. Raises Malformed when it has no usable directory."""
    directory = _find_directory(source)
    problems: list[str] = []
    members: list[Member] = []
    names: set[str] = set()
    at = 0
    for listed in sorted(_listing(source, directory), key=lambda entry: entry.header):
        name = listed.name.decode("utf-8", "replace")
        problem = _name_problem(name) or ("it is listed twice" if name in names else "")
        names.add(name)
        try:
            member = _locate(source, listed, name, directory.offset)
            if member.offset + member.size > directory.offset or listed.header < at:
                raise Malformed("it overlaps another part of the archive")
        except Malformed as error:
            problems.append(f"member {name[:100]!r}: {error}")
            continue
        at = member.offset + member.size
        members.append(member)
        if problem:
            problems.append(f"member {name[:100]!r}: {problem}")
    return Archive(tuple(members), tuple(problems), frozenset(names))


def member_source(source: Source, member: Member, limit: int) -> Source:
    """A member as a source. Raises Malformed when unpacking it would take more than ``limit`` bytes."""
    if member.method == STORED:
        return Window(source, member.offset, member.size, f"{source.path}/{member.name}")
    return Memory(unpack(source, member, limit), f"{source.path}/{member.name}")


def unpack(source: Source, member: Member, limit: int) -> bytes:
    """The member's content. Raises Malformed past ``limit`` bytes or for a method other than deflate."""
    if member.method == STORED:
        if member.size > limit:
            raise Malformed(f"{member.size} bytes, {limit} allowed")
        return source.read(member.offset, member.size)
    if member.method != DEFLATED:
        raise Malformed(f"compression method {member.method} is not read")
    return inflate(source, member.offset, member.size, -zlib.MAX_WBITS, limit)


def inflate(source: Source, offset: int, size: int, window_bits: int, limit: int) -> bytes:
    """A zlib stream's content. Raises Malformed when it is broken or longer than ``limit``."""
    machine = zlib.decompressobj(window_bits)
    parts: list[bytes] = []
    room = limit
    at, end = offset, offset + size
    try:
        while at < end and not machine.eof:
            piece = source.read(at, min(1 << 20, end - at))
            if not piece:
                break
            at += len(piece)
            parts.append(machine.decompress(piece, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise Malformed(f"it unpacks to more than {limit} bytes")
    except zlib.error as error:
        raise Malformed(f"its compressed bytes are broken: {error}") from error
    return b"".join(parts)


def _find_directory(source: Source) -> _Directory:
    start = max(0, source.size - _END.size - _COMMENT_BYTES)
    tail = source.read(start, source.size - start)
    found = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size + 4))
    if found < 0:
        raise Malformed("the zip has no end of central directory")
    _, disk, first_disk, here, entries, size, offset, comment = _END.unpack_from(tail, found)
    if found + _END.size + comment != len(tail):
        raise Malformed("bytes follow the end of the zip")
    end = start + found
    if disk or first_disk or here != entries:
        raise Malformed("the zip spans several disks")
    # Loaders prefer the zip64 record whenever there is one, so what it says is what counts.
    end, directory = _find_directory64(source, end) or (end, _Directory(offset, size, entries))
    if directory.entries > ZIP_ENTRIES or directory.size > ZIP_DIRECTORY_BYTES:
        raise Malformed(f"{directory.entries} members, over the limit ZIP_ENTRIES or ZIP_DIRECTORY_BYTES")
    if directory.offset + directory.size != end:
        raise Malformed("the central directory is not where the zip ends")
    return directory


def _find_directory64(source: Source, end: int) -> tuple[int, _Directory] | None:
    if end < _LOCATOR64.size + _END64.size:
        return None
    signature, _, record, _ = _LOCATOR64.unpack(source.read(end - _LOCATOR64.size, _LOCATOR64.size))
    if signature != b"PK\x06\x07":
        return None
    if record + _END64.size > end - _LOCATOR64.size:
        raise Malformed("the zip64 record lies outside the zip")
    signature, *_, entries, size, offset = _END64.unpack(source.read(record, _END64.size))
    if signature != b"PK\x06\x06":
        raise Malformed("the zip64 record is none")
    return record, _Directory(offset, size, entries)


def _listing(source: Source, directory: _Directory) -> Iterator[_Listed]:
    cursor = Cursor(source, directory.offset, directory.offset + directory.size)
    for _ in range(directory.entries):
        fields = _CENTRAL.unpack(cursor.take(_CENTRAL.size))
        signature, method, size, raw_size = fields[0], fields[6], fields[10], fields[11]
        name_length, extra_length, comment_length, header = fields[12], fields[13], fields[14], fields[18]
        if signature != b"PK\x01\x02":
            raise Malformed("the central directory is broken")
        name = cursor.take(name_length)
        extra = cursor.take(extra_length)
        cursor.skip(comment_length)
        if 0xFFFFFFFF in (size, raw_size, header):
            raw_size, size, header = _widen(extra, raw_size, size, header)
        yield _Listed(name, header, size, raw_size, method, fields[5], fields[9])
    if cursor.left:
        raise Malformed("the central directory holds more than it counts")


def _widen(extra: bytes, *narrow: int) -> list[int]:
    """The zip64 values of those fields that say 0xFFFFFFFF, in the order the format gives them."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if tag == 1:
            words = iter(struct.unpack_from(f"<{len(body) // 8}Q", body))
            return [next(words, value) if value == 0xFFFFFFFF else value for value in narrow]
    return list(narrow)


def _locate(source: Source, listed: _Listed, name: str, end: int) -> Member:
    if listed.header + _LOCAL.size > end:
        raise Malformed("its header lies outside the archive")
    fields = _LOCAL.unpack(source.read(listed.header, _LOCAL.size))
    signature, method, name_length, extra_length = fields[0], fields[4], fields[10], fields[11]
    if signature != b"PK\x03\x04":
        raise Malformed("it has no local header")
    if name_length != len(listed.name) or source.read(listed.header + _LOCAL.size, name_length) != listed.name:
        raise Malformed("its two headers disagree about its name")
    if method != listed.method:
        raise Malformed("its two headers disagree about its compression")
    if method == STORED and listed.size != listed.raw_size:
        raise Malformed("it is stored, yet its two sizes differ")
    offset = listed.header + _LOCAL.size + name_length + extra_length
    if offset + listed.size > end:
        raise Malformed("it reaches out of the archive")
    is_encrypted = bool((listed.flags | fields[3]) & 1)
    return Member(name, offset, listed.size, listed.raw_size, method, is_encrypted, listed.crc)


def _name_problem(name: str) -> str:
    if name.startswith("/") or "\\" in name or "\0" in name or name[1:2] == ":":
        return "its name leaves the archive"
    return "its name leaves the archive" if ".." in name.split("/") else ""
