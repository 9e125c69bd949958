"""Buffers that a thread keeps: fresh megabytes from the system cost more in page faults than the coding itself."""

import threading

import numpy as np
import numpy.typing as npt

from budwood.domain.limits import BLOCK_BYTES

Bytes8 = npt.NDArray[np.uint8]

SLACK = 64
"""Bytes past the end that native code may write over."""


class _Kept(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[str, Bytes8] = {}


_kept = _Kept()


def scratch(name: str, length: int) -> Bytes8:
    """``length`` bytes under this name, at most two blocks and some slack. Its content lasts until the name is asked
    for again on the same thread."""
    assert length <= 2 * BLOCK_BYTES + SLACK, length
    buffer = _kept.buffers.get(name)
    if buffer is None or buffer.size < length:
        buffer = _kept.buffers[name] = np.empty(max(length, BLOCK_BYTES), np.uint8)
    return buffer[:length]


def spread(plane: Bytes8, length: int, runs: int = 8) -> Bytes8:
    """At most ``length`` bytes of a plane in runs, the first from its start and the last from its end."""
    if plane.size <= length:
        return plane
    run = length // runs
    step = (plane.size - run) // (runs - 1)
    return np.concatenate([plane[index * step : index * step + run] for index in range(runs)])
