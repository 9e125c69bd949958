"""An evaluation's process: started, watched, and ended with everything it started.

It is the user's own code and may do what the user may; the limits are for what goes wrong. Time, results and memory are
bounded; of memory each process may have so much, and all of them together are counted where there is ``/proc``.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from budwood.config import handed_on
from budwood.domain.limits import EVALUATION_LOG_BYTES, EVALUATION_RESULTS_BYTES

_ENTRY: Final = Path(__file__).with_name("_entry.py")
_MARK: Final = "BUDWOOD_EVALUATION"
_PIECE: Final = 1 << 16
_LOOK_S: Final = 0.1
_LINGER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What to run: a script's path, or ``module:function``."""

    text: str

    @property
    def is_script(self) -> bool:
        return self.text.endswith(".py")


@dataclass(frozen=True, slots=True)
class Limits:
    """For one run."""

    time_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ran:
    """``stopped`` says which limit ended it: ``time``, ``memory``, ``results``, or "" when it ended by itself."""

    code: int
    stopped: str
    results: bytes
    log: str
    seconds: float


class _Output:
    """What comes from one pipe: all of it up to a limit, or its end."""

    def __init__(self, most: int, *, keeps_end: bool) -> None:
        self._most, self._keeps_end = most, keeps_end
        self.content = bytearray()
        self.too_much = False

    def take(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > self._most:
            self.too_much = not self._keeps_end
            del self.content[: -self._most]


def run(entry: Entry, model: Path, dataset: Path, folder: Path, python: str, limits: Limits, mark: str) -> Ran:
    """Run it to its end, or to a limit. ``folder`` is for its results, ``mark`` a fresh word to know its children by.

    Raises FileNotFoundError or PermissionError when the interpreter cannot be started.
    """
    results = folder / "results.jsonl"
    words = [python or sys.executable, str(_ENTRY), entry.text, str(model), str(dataset), str(results)]
    began = time.monotonic()
    process = subprocess.Popen(
        [*words, str(limits.memory_bytes)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=_environment(results, mark),
        start_new_session=True,
    )
    said = _Output(EVALUATION_RESULTS_BYTES if entry.is_script else EVALUATION_LOG_BYTES, keeps_end=not entry.is_script)
    log = _Output(EVALUATION_LOG_BYTES, keeps_end=True)
    try:
        stopped = _watch(process, said, log, results, began + limits.time_s, limits.memory_bytes)
    finally:
        _end_all(process, mark)
    written = _read(results)
    if written is not None:
        log.content[:0] = said.content[-EVALUATION_LOG_BYTES:]
    elif not entry.is_script:
        log.content[:0] = said.content
    text = bytes(log.content[-EVALUATION_LOG_BYTES:]).decode("utf-8", "replace").replace("\0", "")
    found = written if written is not None else bytes(said.content) if entry.is_script else b""
    return Ran(process.returncode, stopped, found, text, time.monotonic() - began)


def _watch(
    process: subprocess.Popen[bytes], said: _Output, log: _Output, results: Path, until: float, memory_bytes: int
) -> str:
    """Until it has ended, or a limit: which one."""
    assert process.stdout is not None
    assert process.stderr is not None
    ended = looked = 0.0
    with selectors.DefaultSelector() as selector:
        for pipe, output in ((process.stdout, said), (process.stderr, log)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, output)
        while selector.get_map() or process.poll() is None:
            _drain(selector)
            now = time.monotonic()
            if now > until:
                return "time"
            if said.too_much:
                return "results"
            if now - looked > _LOOK_S:
                looked = now
                if _size(results) > EVALUATION_RESULTS_BYTES:
                    return "results"
                if _memory(process.pid) > memory_bytes:
                    return "memory"
            if process.poll() is not None:
                # Whoever it left behind may hold the pipes open for ever.
                ended = ended or now
                if now - ended > _LINGER_S:
                    break
    return ""


def _drain(selector: selectors.BaseSelector) -> None:
    if not selector.get_map():
        time.sleep(_LOOK_S)
        return
    for key, _ in selector.select(_LOOK_S):
        pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
        piece = os.read(pipe.fileno(), _PIECE)
        if piece:
            key.data.take(piece)
        else:
            selector.unregister(pipe)


def _environment(results: Path, mark: str) -> Mapping[str, str]:
    return {"PYTHONHASHSEED": "0", **handed_on(), "BUDWOOD_RESULTS": str(results), _MARK: mark}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path) -> bytes | None:
    """None when nothing was written there: results stand in the output then."""
    try:
        with path.open("rb") as file:
            return file.read(EVALUATION_RESULTS_BYTES + 1)[:EVALUATION_RESULTS_BYTES]
    except OSError:
        return None


# Ending it


def _end_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """Its group, and whoever left the group: they carry the mark in what they were started with."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for number in _marked(mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{_MARK}={mark}".encode()
    for number in _processes():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
                yield number


def _memory(leader: int) -> int:
    """What all processes of its session hold together, in bytes; 0 where there is no ``/proc``."""
    total = 0
    for number in _processes():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # pid (name) state parent group session ...; a name may hold anything.
            fields = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total


def _processes() -> Sequence[int]:
    try:
        return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    except OSError:
        return []
