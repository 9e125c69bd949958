"""The fork server: runs one scenario once, from a fresh copy of its folder, with one call made to fail.

Started with the shim in LD_PRELOAD as ``python -m tests.faults.server SCRATCH``. It imports everything once, starts
no threads, and forks a child for each act, so that a point costs milliseconds and the child may die. It reads one
JSON request a line and answers with one JSON line.
"""

import contextlib
import ctypes
import importlib
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.scenario import Scenario
from tests.faults.scenarios import SCENARIOS

HUNG_S = 60.0
REMEMBERED = 16384


class Shim:
    """The functions the preloaded library exports."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self.arm = library.fault_arm
        self.arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
        self.off = library.fault_off
        self.count = library.fault_count
        self.count.restype = ctypes.c_long
        self.names = [library.fault_call, library.fault_path, library.fault_target]
        for function in self.names:
            function.argtypes = [ctypes.c_long]
            function.restype = ctypes.c_char_p
        self.refused = library.fault_refused
        self.refused.argtypes = [ctypes.c_long]

    def calls(self) -> list[list[str | bool]]:
        """[call, path, target, refused] of each call counted since it was armed."""
        last = min(self.count(), REMEMBERED)
        return [
            [*(function(i).decode("utf-8", "replace") for function in self.names), bool(self.refused(i))]
            for i in range(1, last + 1)
        ]


def main(scratch: Path) -> None:
    shim = Shim()
    for line in sys.stdin:
        request = json.loads(line)
        answer = run_point(shim, scratch, request["scenario"], request["at"], request["mode"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def run_point(shim: Shim, scratch: Path, name: str, at: int, mode: int) -> dict[str, Any]:
    """Act with a fault, look, act again without, look. ``at`` 0 disturbs nothing and returns the calls."""
    scenario = SCENARIOS[name]
    folder = fresh_copy(scratch, name, scenario)
    before = in_child(lambda: scenario.state(folder)) if at == 0 else {}
    acted = in_child(lambda: scenario.act(folder), shim=shim, arm=(folder, at, mode))
    after = in_child(lambda: scenario.state(folder))
    import_ahead(acted.pop("modules", []))
    again = in_child(lambda: scenario.act(folder)) if at else {}
    last = in_child(lambda: scenario.state(folder)) if at else {}
    return {"before": before, "acted": acted, "after": after, "again": again, "last": last}


def fresh_copy(scratch: Path, name: str, scenario: Scenario) -> Path:
    """Prepared once in a process of its own, copied for every point."""
    prepared = scratch / f"prepared-{name.replace(':', '-')}"
    if not prepared.exists():
        done = in_child(lambda: scenario.prepare(prepared))
        if done["how"] != "returned":
            raise RuntimeError(f"{name} cannot be prepared: {done['value']}")
    folder = scratch / "point"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder, symlinks=True)
    return folder


def import_ahead(names: list[str]) -> None:
    """What an undisturbed run imported late, import here once, so that no later child has to."""
    for name in names:
        if name not in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def in_child(
    act: Callable[[], object], *, shim: Shim | None = None, arm: tuple[Path, int, int] | None = None
) -> dict[str, Any]:
    """Run it in a fork and say how it ended: returned, raised, killed or hung."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        answer: dict[str, Any] = {}
        try:
            if shim and arm:
                shim.arm(os.fsencode(arm[0]), arm[1], arm[2])
            answer = {"how": "returned", "value": act()}
        except BaseException as error:
            answer = {"how": "raised", "value": "".join(traceback.format_exception(error, limit=-4))[-2000:]}
        finally:
            if shim:
                shim.off()
            if shim and arm and arm[1] == 0:
                answer |= {"calls": shim.calls(), "modules": list(sys.modules)}
            with os.fdopen(writes, "wb") as pipe:
                pipe.write(json.dumps(answer).encode())
            os._exit(0)
    os.close(writes)
    return collect(child, reads)


def collect(child: int, reads: int) -> dict[str, Any]:
    deadline = time.monotonic() + HUNG_S
    parts: list[bytes] = []
    with os.fdopen(reads, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = pipe.read(65536)
            if not part:
                os.waitpid(child, 0)
                written = b"".join(parts)
                return dict(json.loads(written)) if written else {"how": "killed", "value": ""}
            parts.append(part)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {"how": "hung", "value": f"no answer in {HUNG_S:.0f} s"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
