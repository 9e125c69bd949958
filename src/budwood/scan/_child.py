"""The process that looks. It may open nothing: every byte it sees it has to ask for through its own pipe.

Started by guarded.py as a script, isolated from the folder and the environment it is started in. It takes files one
after the other: a header comes in, requests for bytes and at last one report go out (guarded.py has the frames).
"""

import codecs
import contextlib
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[2]))

from budwood.domain.limits import SCAN_CPU_S, SCAN_MEMORY_BYTES, SCAN_READ_BYTES
from budwood.scan.look import look
from budwood.scan.notes import Notes

_ASK: Final = struct.Struct("<cQI")
_SIZE: Final = struct.Struct("<I")
# Python loads these from files when they are first used, and by then no file can be opened.
_CODECS: Final = ("raw-unicode-escape", "latin-1", "ascii", "utf-8", "utf-8-sig", "idna", "unicode-escape", "cp437",
                  "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "iso8859-1")  # fmt: skip


class Asked:
    """The file as a source: what is read is asked for, in pieces no larger than the other side gives."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return b"".join(self._pieces(offset, length))

    def read_into(self, offset: int, target: memoryview) -> None:
        target[:] = self.read(offset, len(target))

    def _pieces(self, offset: int, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = min(length, SCAN_READ_BYTES)
            _write(_ASK.pack(b"R", offset, piece))
            yield _exactly(piece)
            offset, length = offset + piece, length - piece


def main() -> None:
    """Until the pipe is closed."""
    for codec in _CODECS:
        codecs.lookup(codec)
    _confine()
    while header := _read(_SIZE.size):
        asked = json.loads(_exactly(_SIZE.unpack(header)[0]))
        reply = json.dumps(_scan(Asked(asked["path"], asked["size"]))).encode()
        _write(_ASK.pack(b"D", 0, len(reply)) + reply)


def _scan(source: Asked) -> dict[str, object]:
    notes = Notes(source.path)
    _allow_time()
    try:
        look(source, notes)
    except (MemoryError, RecursionError) as error:
        notes.tell("scanner-stopped", "", f"it takes too much to look through ({type(error).__name__})")
    except Exception as error:  # A bug of ours is no reason to pass; the fuzzers call without this.
        notes.tell("scanner-stopped", "", f"the scanner failed at it ({type(error).__name__})")
    report = notes.report()
    return {
        "format": report.format,
        "findings": [[each.inner, each.offset, each.rule, each.what] for each in report.findings],
    }


def _confine() -> None:
    """No more memory than the limit, no new files, sockets, processes or cores. What a system lacks is left out."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_AS": SCAN_MEMORY_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        # The pipe and the error stream are open; a limit below any new number refuses every open and connect.
        "RLIMIT_NOFILE": 3,
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def _allow_time() -> None:
    """SCAN_CPU_S seconds from now; the system ends the process when they are over."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soon = int(used.ru_utime + used.ru_stime) + SCAN_CPU_S + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soon, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, ValueError, OSError):
        return


def _exactly(length: int) -> bytes:
    found = _read(length)
    if len(found) < length:
        raise SystemExit(0)
    return found


def _read(length: int) -> bytes:
    pieces: list[bytes] = []
    while length > 0:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            break
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _write(frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
