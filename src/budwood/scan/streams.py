"""Compressed streams, whatever their name: unpacked within limits and looked at again; and what is never unpacked."""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from budwood.domain.limits import SCAN_MEMBER_BYTES
from budwood.scan.notes import Exhausted, Notes, Part
from budwood.store.api import Source
from budwood.store.formats.bounded import Memory

_PIECE_BYTES: Final = 1 << 18
_MAGICS: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma"}
_SURE: Final = frozenset({"gzip", "bzip2", "xz"})
_ENDINGS: Final = (".gz", ".gzip", ".bz2", ".xz", ".lzma", ".z", ".zlib")

_SEALED: Final = {
    b"7z\xbc\xaf'\x1c": "7z",
    b"Rar!": "rar",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x37\xa4\x30\xec": "zstd dictionary",
    b"MSCF": "cabinet",
    b"xar!": "xar",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
    b"\x1f\xa0": "compress",
    b"\x89LZO": "lzop",
    b"ZF0x": "joblib's old zlib",
    b"!<arch>\n": "ar",
    b"070701": "cpio",
    b"070702": "cpio",
    b"070707": "cpio",
    b"\xed\xab\xee\xdb": "rpm",
    b"hsqs": "squashfs",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\xce\xb2\xcf\x81": "brotli",
    b"**ACE**": "ace",
}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, piece: bytes, limit: int, /) -> bytes: ...


def is_sealed(head: bytes, _: Source) -> bool:
    return head.startswith(tuple(_SEALED)) or head[7:14] == b"**ACE**"


def look_sealed(part: Part, notes: Notes) -> None:
    head = part.source.read(0, 14)
    name = next((name for magic, name in _SEALED.items() if head.startswith(magic)), "ace")
    notes.tell("container-unknown", part.inner, f"it is packed with {name}, which is not looked into")


def is_stream(head: bytes, source: Source) -> bool:
    """zlib and old lzma are known by too little, which text may be too: something must come out of them."""
    kind = _kind_of(head)
    if not kind or kind in _SURE:
        return bool(kind)
    try:
        return bool(machine_for(kind).decompress(head, 1)) or source.path.lower().endswith(_ENDINGS)
    except (zlib.error, lzma.LZMAError):
        return False


def look_stream(part: Part, notes: Notes) -> None:
    """What is unpacked before a stream breaks is looked at too: a loader would have run it by then."""
    kind = _kind_of(part.source.read(0, 6))
    pieces = Pieces(part.source, kind)
    content = b"".join(pieces)
    is_meant = kind in _SURE or part.source.path.lower().endswith(_ENDINGS)
    if pieces.problem and (is_meant or content):
        notes.tell("archive-broken", part.inner, f"it is {kind} at its start, then broken: {pieces.problem}")
    notes.unpack(part.source.size, len(content))
    if content:
        name = part.source.path.removesuffix("." + part.source.path.rpartition(".")[2])
        is_packed = part.source.path.lower().endswith(_ENDINGS)
        part.further(Memory(content, name if is_packed else part.source.path), f"({kind})", notes)


class Pieces:
    """A stream's content piece by piece, and that of streams written behind it. Raises Exhausted.

    ``problem`` says afterwards why it ended early, if it did.
    """

    def __init__(self, source: Source, kind: str, limit: int = SCAN_MEMBER_BYTES) -> None:
        self.problem = ""
        self._source = source
        self._kind = kind
        self._room = limit

    def __iter__(self) -> Iterator[bytes]:
        at, rest, machine = 0, b"", machine_for(self._kind)
        began = False
        while at < self._source.size or rest:
            if not rest:
                rest = self._source.read(at, min(_PIECE_BYTES, self._source.size - at))
                at += len(rest)
            if machine.eof:
                if not rest.strip(b"\0"):
                    rest = b""
                    continue
                machine, began = machine_for(self._kind), False
            try:
                unpacked = machine.decompress(rest, self._room + 1)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                self.problem = str(error)
                return
            began = True
            rest = machine.unused_data if machine.eof else b""
            self._room -= len(unpacked)
            if self._room < 0:
                raise Exhausted("SCAN_MEMBER_BYTES")
            yield unpacked
        if began and not machine.eof:
            self.problem = "it stops early"


def machine_for(kind: str) -> _Decompressor:
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind in ("xz", "lzma"):
        return lzma.LZMADecompressor(memlimit=256 << 20)
    return zlib.decompressobj(-zlib.MAX_WBITS if kind == "deflate" else zlib.MAX_WBITS | 32)


def _kind_of(head: bytes) -> str:
    found = next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), "")
    if not found and len(head) > 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0:
        return "zlib"
    return found
