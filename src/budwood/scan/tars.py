"""tar archives: every regular member is looked at; links, devices and names that leave the folder block."""

import io
import tarfile
from typing import Final

from budwood.domain.limits import SCAN_ENTRIES
from budwood.scan.notes import Exhausted, Notes, Part
from budwood.store.api import Source
from budwood.store.formats.bounded import Window

_BLOCK: Final = 512
_BROKEN: Final = (tarfile.TarError, ValueError, OverflowError, EOFError, UnicodeError, IndexError, KeyError)


def is_tar(head: bytes, source: Source) -> bool:
    """By the checksum of its first header, as loaders do: the word ``ustar`` may be missing."""
    if source.size < _BLOCK or not head[:1].strip(b"\0"):
        return False
    stated = head[148:156].strip(b" \0")
    try:
        checksum = int(stated, 8)
    except ValueError:
        return False
    return checksum in (_sum(head), _signed_sum(head))


def look_tar(part: Part, notes: Notes) -> None:
    """Never raises Malformed; what breaks is told."""
    end = 0
    try:
        with tarfile.TarFile(fileobj=_Stream(part.source), mode="r", errorlevel=2) as archive:
            for number, member in enumerate(archive):
                if number > SCAN_ENTRIES:
                    raise Exhausted("SCAN_ENTRIES")
                _member(part, member, notes)
            end = archive.offset
    except _BROKEN as error:
        notes.tell("archive-broken", part.inner, f"the tar cannot be read to its end: {str(error)[:100]}")
        return
    if not _is_zero(part.source, end):
        notes.tell("archive-ambiguous", part.inner, "something lies behind the end of the tar", end)


def _member(part: Part, member: tarfile.TarInfo, notes: Notes) -> None:
    inner = f"{part.inner}/{member.name}" if part.inner else member.name
    if member.name.startswith("/") or "\\" in member.name or ".." in member.name.split("/"):
        notes.tell("archive-path", inner, f"its name {member.name[:100]!r} leaves the archive", member.offset)
    if member.isdir():
        return
    if not member.isreg() or member.issparse():
        notes.tell("archive-link", inner, "it is a link, a device or a file with holes", member.offset)
        return
    if member.offset_data + member.size > part.source.size:
        notes.tell("archive-broken", inner, "it is longer than the tar", member.offset)
        return
    part.further(Window(part.source, member.offset_data, member.size, member.name), member.name, notes)


def _is_zero(source: Source, start: int) -> bool:
    return all(
        not source.read(at, min(1 << 20, source.size - at)).strip(b"\0") for at in range(start, source.size, 1 << 20)
    )


def _sum(head: bytes) -> int:
    return 256 + sum(head[:148]) + sum(head[156:_BLOCK])


def _signed_sum(head: bytes) -> int:
    high = sum(byte > 127 for byte in head[:148]) + sum(byte > 127 for byte in head[156:_BLOCK])
    return _sum(head) - 256 * high


class _Stream(io.RawIOBase):
    """A source as the file that tarfile reads."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence])
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        content = self._source.read(self._at, min(len(buffer), max(0, self._source.size - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
