"""One process that evaluates, seen from the outside: started, asked within a time, ended.

Its answers are believed only in their form: a boolean, or one of the known problems with a short text.
"""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import EXPRESSION_MS, EXPRESSION_START_S, EXPRESSIONS_MS
from budwood.govern.source import Source

COMMAND: Final = (sys.executable, "-I", str(Path(__file__).with_name("cel_worker.py")))
_ANSWER_BYTES: Final = 4_096
_PUT_OFF: Final = 50
_PUT_OFF_S: Final = 0.02
_PIPE_BYTES: Final = 1 << 16
_SIZE: Final = struct.Struct("<I")
_PROBLEMS: Final = frozenset(("parse", "unknown", "field", "types", "number", "items", "boolean", "memory", "other"))


class Stopped(Exception):
    """The process had to be ended, or ended itself; the message says why, for the one who wrote the expression."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A truth value; or None, what sort of problem there is, and a word about it."""

    value: bool | None
    problem: str = ""
    what: str = ""


class _Until:
    """A moment to wait for; later, while a busy machine gives the process less than half of the time it should have:
    an expression is not to blame for that."""

    def __init__(self, at: float, pid: int = 0) -> None:
        self.at = at
        self._pid = pid
        self._used_s = _used_s(pid) if pid else None
        self._times = 0

    def later(self) -> bool:
        """Whether the moment was put off."""
        used_s = _used_s(self._pid) if self._used_s is not None else None
        if used_s is None or self._used_s is None or self._times == _PUT_OFF:
            return False
        if used_s - self._used_s >= EXPRESSION_MS / 2_000:
            return False
        self._times += 1
        self.at = time.monotonic() + _PUT_OFF_S
        return True


class Worker:
    """Starting returns at once; the process gets ready meanwhile. Not for several threads at once."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._has_library: bool | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def has_library(self) -> bool:
        """Waits until it is ready. Raises Stopped."""
        if self._has_library is None:
            until = _Until(time.monotonic() + EXPRESSION_START_S)
            said = self._frame(until, f"The process that evaluates did not start in {EXPRESSION_START_S} s.")
            self._has_library = said.get("ready") is True
        return self._has_library

    def ask(self, source: Source, variables: Mapping[str, Json] | None, most_s: float) -> Answer:
        """What an expression comes to; without variables, whether it can be read. Raises Stopped."""
        frame = {"text": source.text, "guarded": source.guarded, "variables": variables}
        body = json.dumps(frame).encode()
        until = _Until(time.monotonic() + min(EXPRESSION_MS / 1_000, most_s), self._process.pid)
        late = f"It took longer than {EXPRESSION_MS} ms (EXPRESSION_MS)."
        if most_s < EXPRESSION_MS / 1_000:
            late = f"The expressions took longer than {EXPRESSIONS_MS} ms together (EXPRESSIONS_MS)."
        self._write(_SIZE.pack(len(body)) + body, until, late)
        return _believed(self._frame(until, late))

    def close(self) -> None:
        """Ends the process. Harmless twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _frame(self, until: _Until, late: str) -> dict[str, object]:
        length = _SIZE.unpack(self._read(_SIZE.size, until, late))[0]
        if length > _ANSWER_BYTES:
            raise Stopped("The process that evaluates gave an answer that is none.")
        try:
            said = json.loads(self._read(length, until, late))
        except ValueError as error:
            raise Stopped("The process that evaluates gave an answer that is none.") from error
        return said if isinstance(said, dict) else {}

    def _write(self, frame: bytes, until: _Until, late: str) -> None:
        view = memoryview(frame)
        while view:
            _wait(self._to, select.POLLOUT, until, late)
            try:
                view = view[os.write(self._to, view[:_PIPE_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Stopped(self._how_it_ended()) from error

    def _read(self, length: int, until: _Until, late: str) -> bytes:
        content = bytearray()
        while len(content) < length:
            _wait(self._from, select.POLLIN, until, late)
            try:
                piece = os.read(self._from, length - len(content))
            except BlockingIOError:
                continue
            if not piece:
                raise Stopped(self._how_it_ended())
            content += piece
        return bytes(content)

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return f"The process that evaluates ended by itself ({self._process.returncode}): it used too much."


def _wait(number: int, event: int, until: _Until, late: str) -> None:
    # select() knows no descriptor above 1,023, and a server has more.
    poll = select.poll()
    poll.register(number, event)
    while not poll.poll(max(0.0, until.at - time.monotonic()) * 1_000):
        if not until.later():
            raise Stopped(late)


def _used_s(pid: int) -> float | None:
    """The processor's time a process has used; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _believed(said: dict[str, object]) -> Answer:
    value, problem, what = said.get("value"), said.get("problem"), said.get("what")
    if isinstance(value, bool):
        return Answer(value)
    if isinstance(problem, str) and problem in _PROBLEMS and isinstance(what, str):
        return Answer(None, problem, what)
    raise Stopped("The process that evaluates gave an answer that is none.")
