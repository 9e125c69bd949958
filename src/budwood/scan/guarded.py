"""Asks the process that looks, and believes nothing it says beyond a strict form.

    with Guard() as guard:
        report = guard.scan(source)

Frames to the process: a length and a JSON header for each file, then the bytes it asks for. Frames from it:
``R offset length`` for bytes, ``D 0 length`` and a JSON report at the end. A process that breaks a frame, asks
for what is not there, or takes longer than SCAN_TIME_S is killed; the file it was at gets an error, and the next
file a fresh process. Not for several threads at once.
"""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self

import msgspec

from budwood.domain.limits import SCAN_FINDINGS, SCAN_READ_BYTES, SCAN_REPLY_BYTES, SCAN_TEXT_CHARS, SCAN_TIME_S
from budwood.scan.report import RULES, FileReport, Finding
from budwood.store.api import Source

_CHILD: Final = Path(__file__).with_name("_child.py")
_ASK: Final = struct.Struct("<cQI")
_SIZE: Final = struct.Struct("<I")
_PIPE_BYTES: Final = 1 << 16

_Text = Annotated[str, msgspec.Meta(max_length=SCAN_TEXT_CHARS)]
_Offset = Annotated[int, msgspec.Meta(ge=-1, le=(1 << 62))]


class _Found(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    inner: _Text
    offset: _Offset
    rule: _Text
    what: _Text


class _Reply(msgspec.Struct, forbid_unknown_fields=True):
    format: Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[a-z0-9-]*$")]
    findings: Annotated[list[_Found], msgspec.Meta(max_length=SCAN_FINDINGS)]


class _Broken(Exception):
    """The process ended, took too long or said something else than the frames allow."""


class Guard:
    """Holds one process and starts another when it had to be ended."""

    def __init__(self, *, time_s: float = SCAN_TIME_S) -> None:
        self._time_s = time_s
        self._process: subprocess.Popen[bytes] | None = None

    def scan(self, source: Source) -> FileReport:
        """What the process says of a file. Raises only what reading the source raises."""
        process = self._process = self._process or _start()
        try:
            return _ask(process, source, time.monotonic() + self._time_s)
        except _Broken as error:
            self.close()
            finding = Finding(source.path[:SCAN_TEXT_CHARS], "", -1, "scanner-stopped", str(error))
            return FileReport(source.path[:SCAN_TEXT_CHARS], "", (finding,))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start() -> subprocess.Popen[bytes]:
    # -I: neither the folder we are in nor the environment may choose what it imports.
    words = [sys.executable, "-I", str(_CHILD)]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        close_fds=True,
        env={},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    os.set_blocking(process.stdin.fileno(), False)
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _ask(process: subprocess.Popen[bytes], source: Source, until: float) -> FileReport:
    header = json.dumps({"path": source.path, "size": source.size}).encode()
    _write(process, _SIZE.pack(len(header)) + header, until)
    while True:
        word, offset, length = _ASK.unpack(_read(process, _ASK.size, until))
        if word == b"R" and 0 < length <= SCAN_READ_BYTES and offset + length <= source.size:
            _write(process, source.read(offset, length), until)
        elif word == b"D" and length <= SCAN_REPLY_BYTES:
            return _believed(_read(process, length, until), source.path[:SCAN_TEXT_CHARS])
        else:
            raise _Broken("the scanning process asked for something that is not there")


def _believed(reply: bytes, path: str) -> FileReport:
    try:
        said = msgspec.json.decode(reply, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Broken("the scanning process gave an answer that is none") from error
    if any(found.rule not in RULES for found in said.findings):
        raise _Broken("the scanning process named a rule that there is not")
    findings = (Finding(path, found.inner, found.offset, found.rule, found.what) for found in said.findings)
    return FileReport(path, said.format, tuple(findings))


def _write(process: subprocess.Popen[bytes], content: bytes, until: float) -> None:
    assert process.stdin is not None
    number, view = process.stdin.fileno(), memoryview(content)
    while view:
        _wait(number, until, reading=False)
        try:
            view = view[os.write(number, view[:_PIPE_BYTES]) :]
        except BlockingIOError:
            continue
        except OSError as error:
            raise _Broken(_how_it_ended(process)) from error


def _read(process: subprocess.Popen[bytes], length: int, until: float) -> bytes:
    assert process.stdout is not None
    number, content = process.stdout.fileno(), bytearray()
    while len(content) < length:
        _wait(number, until, reading=True)
        try:
            piece = os.read(number, length - len(content))
        except BlockingIOError:
            continue
        if not piece:
            raise _Broken(_how_it_ended(process))
        content += piece
    return bytes(content)


def _wait(number: int, until: float, *, reading: bool) -> None:
    left = until - time.monotonic()
    readers, writers = ([number], []) if reading else ([], [number])
    if left <= 0 or not any(select.select(readers, writers, [], left)):
        raise _Broken("it took longer than the limit SCAN_TIME_S")


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return f"the scanning process ended by itself ({process.returncode})"
