"""Does each arm get the share it should? A sample ratio that is off means that the figures cannot be compared.

The counts are wagered to come from some other share, spread around the one that was meant (a beta mixture): an
e-process, so it may be looked at all the time. A canary so slow that its callers give up shows here first.
"""

import math
from dataclasses import dataclass
from typing import Final

_FIRMNESS: Final = 200.0
"""How near to the intended share the others are looked for; the higher, the nearer."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """``log_before`` is what earlier shares said; ``best`` the highest the whole has been, as a logarithm."""

    share: float = 0.5
    arm: int = 0
    both: int = 0
    log_before: float = 0.0
    best: float = 0.0

    def after(self, *, arm: int, baseline: int, share: float) -> "SampleRatio":
        """Units of each, while the arm's share of the two was this."""
        if share != self.share:
            return SampleRatio(share, arm, arm + baseline, self.log_e, self.best)._weighed()
        return SampleRatio(share, self.arm + arm, self.both + arm + baseline, self.log_before, self.best)._weighed()

    @property
    def log_e(self) -> float:
        """What it stands at now."""
        a, b = _FIRMNESS * self.share, _FIRMNESS * (1 - self.share)
        others = self.both - self.arm
        mixture = _log_beta(a + self.arm, b + others) - _log_beta(a, b)
        return self.log_before + mixture - self.arm * math.log(self.share) - others * math.log(1 - self.share)

    def reached(self, alpha: float) -> bool:
        """Whether the ratio was ever off at this level."""
        return self.best >= -math.log(alpha)

    def _weighed(self) -> "SampleRatio":
        best = max(self.best, self.log_e)
        return SampleRatio(self.share, self.arm, self.both, self.log_before, best)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
