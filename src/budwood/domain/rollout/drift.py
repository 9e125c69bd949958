"""Do the two versions' values fall alike? An exact test on where they fall, which may be looked at all the time.

Values are sorted into bins whose edges are told beforehand, or are the deciles of the baseline's first ``LEARNT`` and
fixed from then on. If both versions' values fall alike, it tells nothing of a value's version to know its bin. So each
value is foretold twice, before it is counted: by what its own bin has seen, and, with hindsight, by the one share that
fits all bins best. How much better the first does is an e-process: if the values fall alike, the chance that it *ever*
reaches 1/alpha is at most alpha, whatever the share is, however many of either version's values are heard of, and
however the values that both have in common drift (universal inference; see design/accepted/0018-delivery.md).

How far apart they are is told by the population stability index, ``psi``, which is an estimate and no test.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

LEARNT: Final = 500
"""So many of the baseline's values make the bins, where none are told. Before that nothing is counted."""

LEAST: Final = 300
"""Below this many values of either version nothing is said in favour of the candidate."""

LIMIT: Final = 0.2
"""What the index may be where nobody says: by custom 0.1 is little, and 0.25 much."""

_PARTS: Final = 10
_SPREADS: Final = (1.0, 4.0, 16.0, 64.0)
"""How near to the common share that of a bin is looked for; the higher, the nearer."""


@dataclass(frozen=True, slots=True)
class Drift:
    """``candidate`` and ``baseline`` count values by bin: up to the first edge, up to the next, and above the last.
    ``learnt`` are values of the baseline until they make the edges. ``logs`` are the logarithms of what was foretold,
    by spread; ``best`` is the highest that the test has been. ``is_over``: nothing is counted any more."""

    edges: tuple[float, ...] = ()
    learnt: tuple[float, ...] = ()
    candidate: tuple[int, ...] = ()
    baseline: tuple[int, ...] = ()
    logs: tuple[float, ...] = ()
    best: float = 0.0
    is_over: bool = False

    @property
    def values(self) -> tuple[int, int]:
        """How many of the candidate and of the baseline were counted."""
        return sum(self.candidate), sum(self.baseline)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough of both to say anything in the candidate's favour."""
        return min(self.values) >= LEAST

    @property
    def psi(self) -> float | None:
        """How far apart the two are, less what chance alone makes of so few values; None where one has none."""
        if not min(self.values):
            return None
        arms = (_parts(self.candidate), _parts(self.baseline))
        raw = math.fsum((mine - other) * math.log(mine / other) for mine, other in zip(*arms, strict=True))
        chance = (len(self.candidate) - 1) * math.fsum(1 / count for count in self.values)
        return max(0.0, raw - chance)

    def after(self, values: Iterable[tuple[bool, float]]) -> "Drift":
        """With more of them, in order, each with whether it is the candidate's. What is no number is not counted."""
        drift = self
        rest = iter(values)
        while not drift.edges or drift.is_over:
            if (found := next(rest, None)) is None or drift.is_over:
                return drift
            drift = drift._learning(*found)
        return _Counting(drift).taken(rest)

    def begun_anew(self, *, alone: bool) -> "Drift":
        """For a new step of a rollout. Where the candidate answers ``alone`` there is nothing to hold it against: what
        was said before stays said."""
        return replace(self, is_over=True) if alone else Drift(self.edges, self.learnt)

    def reached(self, alpha: float) -> bool:
        """Whether the two were ever shown to fall differently at this level."""
        return self.best >= -math.log(alpha)

    def _learning(self, is_candidate: bool, value: float) -> "Drift":
        if is_candidate or not math.isfinite(value):
            return self
        learnt = (*self.learnt, value)
        return replace(self, learnt=learnt) if len(learnt) < LEARNT else Drift(edges_of(learnt))


def edges_of(values: Sequence[float]) -> tuple[float, ...]:
    """Where ten equal parts of them end. A value that fills a part alone gets a bin of its own: what is less than it
    must not count as the same."""
    ordered = sorted(values)
    ends = [ordered[max(0, len(ordered) * part // _PARTS - 1)] for part in range(1, _PARTS)]
    alone = {end for end, following in pairwise([ordered[0], *ends, ordered[-1]]) if end == following}
    return tuple(sorted({*ends, *alone, *(math.nextafter(end, -math.inf) for end in alone)}))


class _Counting:
    """Values, one by one."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift
        nothing = (0,) * (len(drift.edges) + 1)
        self._bins = [list(drift.baseline or nothing), list(drift.candidate or nothing)]
        self._sums = [sum(bins) for bins in self._bins]
        self._logs = list(drift.logs or (0.0,) * len(_SPREADS))
        self._best = drift.best

    def taken(self, values: Iterable[tuple[bool, float]]) -> Drift:
        for is_candidate, value in values:
            if math.isfinite(value):
                self._take(int(is_candidate), bisect_left(self._drift.edges, value))
        baseline, candidate = map(tuple, self._bins)
        return replace(self._drift, candidate=candidate, baseline=baseline, logs=tuple(self._logs), best=self._best)

    def _take(self, arm: int, place: int) -> None:
        """Foretell, and only then count."""
        share = (self._sums[1] + 0.5) / (sum(self._sums) + 1)
        mine, others = self._bins[1][place], self._bins[0][place]
        for number, spread in enumerate(_SPREADS):
            firmness = spread / (share * (1 - share))
            chance = (mine + firmness * share) / (mine + others + firmness)
            self._logs[number] += math.log(chance if arm else 1 - chance)
        self._bins[arm][place] += 1
        self._sums[arm] += 1
        self._best = max(self._best, _log_mean(self._logs) - _with_hindsight(*self._sums))


def _with_hindsight(baseline: int, candidate: int) -> float:
    """The logarithm of the most that any one share would have given to what came."""
    both = baseline + candidate
    return math.fsum(count * math.log(count / both) for count in (baseline, candidate) if count)


def _parts(bins: Sequence[int]) -> list[float]:
    """Half a value more in each, so that none is empty."""
    whole = sum(bins) + len(bins) / 2
    return [(count + 0.5) / whole for count in bins]


def _log_mean(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs))
