"""How hard background work works: a share of the time, less while somebody waits, at the lowest priority, until it is
told to stop."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

NICENESS: int = 19
LONGEST_REST_S: float = 30.0
SHARE_LEFT: float = 0.1
"""Of its share, while somebody pushes. Not nothing: some registries are always pushed to, and a push that died seems to
go on for as long as its lease lives."""


@dataclass(slots=True)
class Pace:
    """``share`` of the time is worked; while ``yields`` says so, only ``SHARE_LEFT`` of it, unless it is 1, as somebody
    asked. ``wait`` rests so many seconds, or less when told to stop, and says whether it was. ``until`` is a moment of
    ``now`` after which no more is begun; 0 for none."""

    share: float = 1.0
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] = lambda seconds: threading.Event().wait(seconds)
    until: float = 0.0
    yields: Callable[[], bool] = lambda: False
    _began: float = 0.0
    _stopped: bool = False

    def begin(self) -> None:
        """Work begins, or goes on."""
        self._began = self.now()

    def rest(self) -> bool:
        """Rest as long as the work so far asks for; whether to go on."""
        worked = self.now() - self._began
        if self.share < 1.0 and worked > 0:
            rested = self._rest_for(worked, self.share, 0.0)
            # Asked at the end of it, so that whoever came meanwhile does not meet the next piece.
            if not self._stopped and self.yields():
                self._rest_for(worked, self.share * SHARE_LEFT, rested)
        self.begin()
        return self.goes_on

    @property
    def goes_on(self) -> bool:
        """False once it was told to stop, or its time is over."""
        return not self._stopped and (not self.until or self.now() < self.until)

    def _rest_for(self, worked: float, share: float, rested: float) -> float:
        """Until so long a rest is over that work takes that share; its length."""
        length = min(LONGEST_REST_S, worked * (1 - share) / share)
        self._stopped = self.wait(length - rested) or self._stopped
        return length


def step_back() -> None:
    """Let everybody else go first: this thread alone on Linux; elsewhere the share must do."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
