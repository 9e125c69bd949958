"""Waiting for what another thread or process does, with patience: the machine may be busy with other things."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], wait_s: float = 30, told: Callable[[], object] = str) -> None:
    """``told`` says how things are where it never does."""
    until = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < until, told()
        time.sleep(0.02)
