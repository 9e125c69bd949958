"""What a stretch of this process takes: seconds, processor time and the most memory, on the machine and its cards.

The operating system and PyTorch remember the most memory there ever was in this process. Where that grew while we
looked, it is exact; where it did not, an earlier part of the program needed more, and what a thread saw every
``EVERY_S`` seconds stands for it.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

EVERY_S: Final = 0.5
_STATUS: Final = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Measured:
    """``resources`` holds what could be measured, by name; what could not is not there."""

    seconds: float
    resources: dict[str, float]


class Measuring:
    """Begins when it is made. ``now`` may be asked often; ``end`` is the last time."""

    def __init__(self) -> None:
        self._gauges = [_Gauge("peak_memory_bytes", _memory, _memory_ever)]
        self._gauges.append(_Gauge("peak_accelerator_bytes", _accelerator, _accelerator_ever))
        self._ended = Event()
        self._began = time.perf_counter()
        self._cpu_began = _cpu_seconds()
        self._watching = Thread(target=self._watch, name="budwood-measuring", daemon=True)
        self._watching.start()

    def now(self) -> Measured:
        """What it took until now."""
        seconds = time.perf_counter() - self._began
        resources = {"cpu_seconds": round(_cpu_seconds() - self._cpu_began, 3)}
        for gauge in self._gauges:
            gauge.look()
            if peak := gauge.peak():
                resources[gauge.name] = float(peak)
        return Measured(round(seconds, 3), resources)

    def end(self) -> Measured:
        """What it took, and no more looking."""
        measured = self.now()
        self._ended.set()
        self._watching.join()
        return measured

    @property
    def ended(self) -> bool:
        """Whether ``end`` was asked."""
        return self._ended.is_set()

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_S):
            for gauge in self._gauges:
                gauge.look()


class _Gauge:
    """The most there was of something, from what there is now and what there ever was (0: nobody knows)."""

    def __init__(self, name: str, now: Callable[[], int], ever: Callable[[], int]) -> None:
        self.name = name
        self._now, self._ever = now, ever
        self._before = ever()
        self._seen = now()

    def look(self) -> None:
        self._seen = max(self._seen, self._now())

    def peak(self) -> int:
        ever = self._ever()
        return ever if ever > self._before else self._seen


def _cpu_seconds() -> float:
    """Of this process and of those it waited for."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def _memory() -> int:
    try:
        return int(_STATUS.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0  # No Linux: what there ever was has to do.


def _memory_ever() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _accelerator() -> int:
    return _of_cards("memory_allocated")


def _accelerator_ever() -> int:
    return _of_cards("max_memory_allocated")


def _of_cards(question: str) -> int:
    """Over all NVIDIA cards, by the PyTorch that is loaded here; asking wakes no card that sleeps."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    try:
        if cuda is None or not cuda.is_initialized():
            return 0
        return sum(int(getattr(cuda, question)(card)) for card in range(cuda.device_count()))
    except Exception:
        # Whatever a driver does, training goes on.
        return 0
