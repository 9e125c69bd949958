"""Resamples for the bootstrap, by a seed: the same numbers on every machine."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

_AT_ONCE: Final = 1 << 22


class Chance:
    """``evaluation.measure.Resample``. The raw stream of Philox is fixed for ever, unlike what NumPy makes of it."""

    def __init__(self, seed: str) -> None:
        self._key = np.frombuffer(hashlib.sha256(seed.encode()).digest()[:16], dtype="<u8")

    def __call__(self, values: Sequence[float], times: int) -> Sequence[float]:
        """The means of so many resamples. Asked again for as many values it draws the same places."""
        given, count = np.asarray(values, dtype=np.float64), len(values)
        drawn = np.random.Philox(key=self._key)
        means = np.empty(times)
        step = max(1, _AT_ONCE // count)
        for first in range(0, times, step):
            rows = min(step, times - first)
            places = drawn.random_raw(rows * count) % np.uint64(count)
            means[first : first + rows] = given[places.astype(np.intp)].reshape(rows, count).mean(axis=1)
        return [float(each) for each in means]
