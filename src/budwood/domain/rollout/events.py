"""Is one arm worse than another? An exact test on events that may be looked at as often as one likes.

When something bad happens (an error, an answer slower than a mark) it happens in the arm or in the baseline. If the arm
is no worse, it is the arm's with the share of traffic the arm has. So each event multiplies a wager: on the arm being
``r`` times as bad, for a few ``r``. The mean of the wagers is an e-process: if the arm is no worse, the chance that it
*ever* reaches 1/alpha is at most alpha, however often it is looked at, whatever the share was when, and however the
rate that both have in common drifts (Ville's inequality; see design/accepted/0018-delivery.md for the measured rates).

The same wager against "at least ``TOLERATED`` times as bad" proves that an arm is good enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

WORSE: Final = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
"""How many times as bad an arm is wagered to be."""

WORSE_AT_THE_MIDDLE: Final = (1.02, 1.05, 1.1, 1.2, 1.4, 1.9)
"""The same for a mark that half of all requests pass: none can pass it more than twice as often."""

SAFE: Final = (0.5, 0.8, 1.0, 1.2)
TOLERATED: Final = 1.5


@dataclass(frozen=True, slots=True)
class Wager:
    """``against`` is how many times as bad the arm is if what we doubt holds; ``logs`` the logarithm of each wager;
    ``best`` the highest the mean of them has been, as a logarithm."""

    ratios: tuple[float, ...]
    against: float = 1.0
    logs: tuple[float, ...] = ()
    best: float = 0.0

    @classmethod
    def on(cls, ratios: Sequence[float], against: float = 1.0) -> Self:
        """Before the first event."""
        return cls(tuple(ratios), against, (0.0,) * len(ratios))

    def after(self, *, arm: int, baseline: int, share: float) -> "Wager":
        """Events of each, while the arm had ``share`` of what the two have together: more than 0, less than 1."""
        if not arm and not baseline:
            return self
        doubted = _chance(share, self.against)
        logs = tuple(
            log + arm * math.log(chance / doubted) + baseline * math.log((1 - chance) / (1 - doubted))
            for log, chance in ((log, _chance(share, ratio)) for log, ratio in zip(self.logs, self.ratios, strict=True))
        )
        return replace(self, logs=logs, best=max(self.best, _log_mean(logs)))

    @property
    def log_e(self) -> float:
        """What it stands at now."""
        return _log_mean(self.logs)

    def reached(self, alpha: float) -> bool:
        """Whether it ever said so at this level."""
        return self.best >= -math.log(alpha)


def worse() -> Wager:
    """That the arm has more events than the baseline."""
    return Wager.on(WORSE)


def worse_at_the_middle() -> Wager:
    """The same, for events that half of the baseline's requests are."""
    return Wager.on(WORSE_AT_THE_MIDDLE)


def good_enough(tolerated: float = TOLERATED) -> Wager:
    """That it has fewer than ``tolerated`` times as many."""
    return Wager.on(tuple(ratio for ratio in SAFE if ratio < tolerated), tolerated)


def _chance(share: float, ratio: float) -> float:
    """That an event is the arm's, if the arm is ``ratio`` times as bad."""
    return share * ratio / (share * ratio + 1 - share)


def _log_mean(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs) / len(logs))
