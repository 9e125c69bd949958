"""How hard background work works: a share of the time, at the lowest priority, until it is told to stop."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

NICENESS: int = 19
LONGEST_REST_S: float = 30.0


@dataclass(slots=True)
class Pace:
    """``share`` of the time is worked; ``wait`` rests so many seconds, or less when told to stop, and says whether it
    was. ``until`` is a moment of ``now`` after which no more is begun; 0 for none."""

    share: float = 1.0
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] = lambda seconds: threading.Event().wait(seconds)
    until: float = 0.0
    _began: float = 0.0
    _stopped: bool = False

    def begin(self) -> None:
        """Work begins, or goes on."""
        self._began = self.now()

    def rest(self) -> bool:
        """Rest as long as the work so far asks for; whether to go on."""
        worked = self.now() - self._began
        if self.share < 1.0 and worked > 0:
            self._stopped = self.wait(min(LONGEST_REST_S, worked * (1 - self.share) / self.share)) or self._stopped
        self.begin()
        return self.goes_on

    @property
    def goes_on(self) -> bool:
        """False once it was told to stop, or its time is over."""
        return not self._stopped and (not self.until or self.now() < self.until)


def step_back() -> None:
    """Let everybody else go first: this thread alone on Linux; elsewhere the share must do."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
