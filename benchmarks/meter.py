"""What a command costs: wall seconds, CPU seconds, and the memory nobody else can have.

Memory is the peak of anonymous resident bytes over the command's whole process tree, polled. The kernel's own peak
(``ru_maxrss``) counts mapped files too, which the machine can take back at any time, and would blame a tool for
reading its input by ``mmap``.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took, and what it printed."""

    wall_s: float
    cpu_s: float
    anonymous_bytes: int
    output: str = ""

    def then(self, later: "Cost") -> "Cost":
        """Two commands, one after the other."""
        return Cost(
            self.wall_s + later.wall_s,
            self.cpu_s + later.cpu_s,
            max(self.anonymous_bytes, later.anonymous_bytes),
            self.output + later.output,
        )


NOTHING = Cost(0.0, 0.0, 0)


class CommandFailed(Exception):
    """A measured command did not end well; carries the end of what it said."""


def measure(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Cost:
    """Run the command to its end. Raises CommandFailed unless it exits with 0."""
    before = os.times()
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        peak = PeakWatch(process.pid)
        output, _ = process.communicate()
        wall_s = time.perf_counter() - began
        peak.stop()
    after = os.times()
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command[:4])} … exited with {process.returncode}: {output[-600:].strip()}")
    # Children's times are added when a child is reaped, descendants included: one command runs at a time.
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(wall_s, cpu_s, peak.anonymous_bytes, output)


class PeakWatch:
    """A thread that polls a process tree until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.anonymous_bytes = 0
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch; the peak is final afterwards."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_S):
            self.anonymous_bytes = max(self.anonymous_bytes, sum(map(anonymous_bytes, process_tree(self._pid))))


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants that are alive now."""
    tree = [pid]
    for parent in tree:
        for task in _listed(PROC / str(parent) / "task"):
            tree.extend(int(child) for child in _text(task / "children").split())
    return tree


def anonymous_bytes(pid: int) -> int:
    """The process's anonymous resident bytes; 0 when it has ended."""
    return parse_anonymous_bytes(_text(PROC / str(pid) / "status"))


def parse_anonymous_bytes(status: str) -> int:
    """The ``RssAnon`` line of a ``/proc/PID/status``, in bytes."""
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def folder_bytes(folder: Path) -> int:
    """The bytes of every file below the folder."""
    if not folder.exists():
        return 0
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
