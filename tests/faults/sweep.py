"""Fails one call after the other and judges what is left.

The rules, for every call that changes files and every way it can fail: a reader finds the old state or the new one,
whole; what was acknowledged is there; nothing hangs; doing it again works and leaves the new state. A write that the
system cut short is no failure at all. Kill points cannot show a missing sync, because the page cache outlives the
process; ``order_faults`` looks for those in the recorded calls instead.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from tests.faults.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]


class Mode(IntEnum):
    """The shim's modes, in its order."""

    KILL = 1
    KILL_AFTER = 2
    TORN = 3
    SHORT = 4
    EIO_ONCE = 5
    NOSPC_ONCE = 6
    FULL = 7
    BROKEN = 8


BYTE_CALLS = frozenset({"write", "pwrite", "writev", "pwritev", "copy_file_range", "sendfile"})
SYNC_CALLS = frozenset({"fsync", "fdatasync", "syncfs"})
OF_BYTES_ONLY = frozenset({Mode.TORN, Mode.SHORT})


@dataclass(frozen=True, slots=True)
class Call:
    """One call that changes files, as the shim saw it; ``refused`` when the system itself said no."""

    name: str
    path: str
    target: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Calm:
    """An undisturbed run: what a reader finds before and after, and the calls between."""

    before: str
    after: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A point at which a rule was broken."""

    scenario: str
    mode: Mode
    at: int
    call: Call
    why: str

    def __str__(self) -> str:
        call = f"{self.call.name} {PurePosixPath(self.call.target or self.call.path).name}"
        return f"{self.scenario}, {self.mode.name} at call {self.at} ({call}): {self.why}"


class Sweep:
    """A running fork server. ``scratch`` is emptied of nothing but what it makes there itself."""

    def __init__(self, shim: Path, scratch: Path) -> None:
        self._scratch = scratch.resolve()
        one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", str(self._scratch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **one_thread, "LD_PRELOAD": str(shim), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()
        self._server.communicate()

    def calm(self, scenario: str) -> Calm:
        """Run it undisturbed. Raises AssertionError when even that does not work."""
        answer = self._ask(scenario, 0, Mode.KILL)
        for part in ("before", "acted", "after"):
            assert answer[part]["how"] == "returned", f"{scenario} {part}: {answer[part]['value']}"
        calls = tuple(Call(*words) for words in answer["acted"]["calls"])
        return Calm(answer["before"]["value"], answer["after"]["value"], calls)

    def unordered(self, scenario: str) -> list[str]:
        """What power loss could take, by the order of an undisturbed run's calls."""
        rules = SCENARIOS[scenario]
        return order_faults(self.calm(scenario).calls, rules.databases, rules.careless)

    def broken(self, scenario: str, *, points: int | None = None, modes: Sequence[Mode] = tuple(Mode)) -> list[Broken]:
        """Every broken rule. ``points`` bounds the calls tried in each mode, spread over all; None tries every one."""
        calm = self.calm(scenario)
        assert calm.calls, f"{scenario} changes no files"
        found = []
        for mode in modes:
            useful = [i for i, call in enumerate(calm.calls, 1) if mode not in OF_BYTES_ONLY or call.name in BYTE_CALLS]
            for at in spread(useful, points, int(mode)):
                for why in judge(calm, mode, self._ask(scenario, at, mode)):
                    found.append(Broken(scenario, mode, at, calm.calls[at - 1], why))
        return found

    def _ask(self, scenario: str, at: int, mode: Mode) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps({"scenario": scenario, "at": at, "mode": int(mode)}) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, f"the fork server ended with {self._server.wait()}"
        return dict(json.loads(answer))


def spread(useful: Sequence[int], points: int | None, shift: int) -> Sequence[int]:
    """At most ``points`` of them, evenly, the last always; another ``shift`` chooses others."""
    if points is None or len(useful) <= points:
        return useful
    step = len(useful) / points
    chosen = {useful[int(i * step + shift % step)] for i in range(points - 1)} | {useful[-1]}
    return sorted(chosen)


def judge(calm: Calm, mode: Mode, answer: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the outcome of one point."""
    acted, after, again, last = (answer[part] for part in ("acted", "after", "again", "last"))
    if acted["how"] == "hung":
        yield "it hung"
    if mode is Mode.SHORT and acted["how"] != "returned":
        yield f"a short write was taken for a failure: {acted['value']}"
    if after["how"] != "returned":
        yield f"it left a broken state: {after['value']}"
    elif after["value"] not in (calm.before, calm.after):
        yield f"it left neither the old state nor the new: {after['value']}"
    elif acted["how"] == "returned" and after["value"] != calm.after:
        yield f"it was acknowledged and is not there: {after['value']}"
    if again["how"] != "returned":
        yield f"doing it again failed: {again['value']}"
    elif last["how"] != "returned":
        yield f"doing it again left a broken state: {last['value']}"
    elif last["value"] != calm.after:
        yield f"doing it again left another state: {last['value']}"


def order_faults(calls: Sequence[Call], databases: Sequence[str], careless: Sequence[str] = ()) -> list[str]:
    """What power loss could take although it was acknowledged. Three rules:

    a file is synced between its last write and the rename or link that makes it visible; the folder it becomes
    visible in is synced, and the folders made for it are, before the database is written next.
    """
    found: list[str] = []
    dirty: set[str] = set()
    unsure: dict[str, str] = {}
    for call in calls:
        is_database = call.path.endswith(tuple(databases))
        if call.refused:
            continue
        if call.name in SYNC_CALLS:
            everything = call.name == "syncfs"
            dirty = set() if everything else dirty - {call.path}
            unsure = {} if everything else {name: folder for name, folder in unsure.items() if folder != call.path}
        elif call.name in BYTE_CALLS and is_database:
            found += [f"{name} was made visible, its folder not synced before the database" for name in unsure]
            unsure = {}
        elif call.name in BYTE_CALLS or call.name == "ftruncate":
            dirty.add(call.path)
        elif call.name in ("rename", "link"):
            if call.path in dirty:
                found.append(f"{call.target} was made visible before it was synced")
                dirty.discard(call.path)
            unsure[call.target] = str(PurePosixPath(call.target).parent)
        elif call.name == "mkdir" and not call.path.endswith(tuple(careless)):
            unsure[call.path] = str(PurePosixPath(call.path).parent)
        elif call.name in ("unlink", "rmdir"):
            dirty.discard(call.path)
            unsure.pop(call.path, None)
    return found
