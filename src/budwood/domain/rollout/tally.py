"""What a rollout has counted so far: sums only, never requests, so that it can be saved with the place it was read to.

``fold`` takes requests in the order they were answered. Where the split is sticky a unit is a user and each is counted
at their first event of the whole rollout: an arm is drawn once for each user, and what they meet later is told by it.
"""

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.domain.rollout.drift import Drift
from budwood.domain.rollout.events import Wager, good_enough, worse, worse_at_the_middle
from budwood.domain.rollout.interval import Mean
from budwood.domain.rollout.ratio import SampleRatio
from budwood.domain.rollout.seen import Seen

QUANTILES: Final = (0.5, 0.95, 0.99)
MARK_WINDOW: Final = 2_000
"""So many of the baseline's answers make the marks that the next ones are held against."""

BINS: Final = 416
_PER_OCTAVE: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request of the baseline or the candidate. ``share`` is the candidate's part of what the two had
    together when it was routed; ``user`` is empty where the split is not sticky."""

    at_ms: int
    is_candidate: bool
    failed: bool
    latency_us: int
    share: float
    user: str = ""


@dataclass(frozen=True, slots=True)
class Slowness:
    """Answers slower than the baseline's own earlier quantiles. ``marks`` are bins, none until the first window of the
    baseline is full; ``window`` counts the one that fills. ``best`` is the highest mean of the wagers, a logarithm."""

    wagers: tuple[Wager, ...] = (worse_at_the_middle(), worse(), worse())
    marks: tuple[int, ...] = ()
    window: tuple[int, ...] = (0,) * BINS
    best: float = 0.0

    def reached(self, alpha: float) -> bool:
        """Whether the candidate was ever shown to be slower at this level."""
        return self.best >= -math.log(alpha)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one arm, for people to see."""

    requests: int = 0
    failed: int = 0
    units: int = 0
    bins: tuple[int, ...] = (0,) * BINS

    def quantile_us(self, quantile: float) -> int:
        """The latency that this part of the answers stays below, to 5 %; 0 where there are none."""
        return edge_us(place_of(self.bins, quantile)) if self.requests else 0


@dataclass(frozen=True, slots=True)
class Window:
    """What a fixed limit sees: the candidate's current window, and how many before it were above the limit."""

    since_ms: int = 0
    requests: int = 0
    failed: int = 0
    bins: tuple[int, ...] = (0,) * BINS
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """``newest_ms`` is the time of the newest figure, ``garbled`` how many were unreadable. ``pairs`` are answers of
    both arms to the same request, ``disagreed`` those that differ. ``windows`` are those of fixed limits by name.
    ``copied`` is what a shadow and the baseline did with the same requests, ``exposed`` the units of candidate and
    baseline since the step began; ``lost`` are observations that belong to nobody who came. ``drifts`` are by
    metric."""

    errors: Wager = field(default_factory=worse)
    safe: Wager = field(default_factory=good_enough)
    slowness: Slowness = Slowness()
    ratio: SampleRatio = SampleRatio()
    candidate: Counts = Counts()
    baseline: Counts = Counts()
    metrics: Mapping[str, tuple[Mean, Mean]] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    pairs: int = 0
    disagreed: int = 0
    newest_ms: int = 0
    garbled: int = 0
    copied: tuple[Counts, ...] = ()
    exposed: tuple[int, ...] = ()
    lost: int = 0
    drifts: Mapping[str, Drift] = field(default_factory=dict)


@dataclass(slots=True)
class Users:
    """Who was counted, test by test."""

    units: Seen = field(default_factory=Seen)
    failed: Seen = field(default_factory=Seen)
    slow: tuple[Seen, ...] = field(default_factory=lambda: tuple(Seen() for _ in QUANTILES))
    exposed: Seen = field(default_factory=Seen)
    observed: Seen = field(default_factory=Seen)


def packed(users: Users) -> bytes:
    """For keeping; ``unpacked`` reads it."""
    return zlib.compress(b"".join(seen.bits for seen in _every(users)), 1)


def unpacked(content: bytes) -> Users:
    """The users as they were packed; none where nothing was. Raises ValueError for anything else."""
    users = Users()
    if not content:
        return users
    size = len(users.units.bits)
    try:
        bits = zlib.decompressobj().decompress(content, size * len(_every(users)) + 1)
    except zlib.error as error:
        raise ValueError("not the bits of users") from error
    if len(bits) != size * len(_every(users)):
        raise ValueError("not the bits of users")
    for number, seen in enumerate(_every(users)):
        seen.bits[:] = bits[number * size : (number + 1) * size]
    return users


def fold(tally: Tally, requests: Iterable[Request], users: Users, slack: float = 0.0) -> Tally:
    """The tally with these requests in it; ``users`` learns who was counted. ``slack`` is how much slower than the
    baseline's marks an answer may be before it counts: 0.1 is a tenth."""
    batch = _Batch(tally, users, round(math.log2(1 + slack) * _PER_OCTAVE))
    for request in requests:
        batch.take(request)
    return batch.flushed()


def _every(users: Users) -> tuple[Seen, ...]:
    return (users.units, users.failed, *users.slow, users.exposed, users.observed)


def paired(tally: Tally, pairs: int, disagreed: int) -> Tally:
    """With more pairs of a shadow."""
    assert 0 <= disagreed <= pairs
    return replace(tally, pairs=tally.pairs + pairs, disagreed=tally.disagreed + disagreed)


def copied(tally: Tally, requests: Iterable[Request]) -> Tally:
    """With what both did with the same requests: how long it took, and what failed."""
    both = tally.copied or (Counts(), Counts())
    bins = [list(counts.bins) for counts in both]
    asked, failed = [counts.requests for counts in both], [counts.failed for counts in both]
    newest_ms = tally.newest_ms
    for request in requests:
        side = 0 if request.is_candidate else 1
        asked[side] += 1
        failed[side] += request.failed
        bins[side][bin_of(request.latency_us)] += 1
        newest_ms = max(newest_ms, request.at_ms)
    counts = tuple(Counts(asked[side], failed[side], asked[side], tuple(bins[side])) for side in (0, 1))
    return replace(tally, copied=counts, newest_ms=newest_ms)


def bin_of(latency_us: int) -> int:
    """Sixteen bins an octave, so that each is 4 % wide."""
    return min(BINS - 1, int(math.log2(latency_us) * _PER_OCTAVE)) if latency_us > 1 else 0


def edge_us(place: int) -> int:
    """Where a bin ends."""
    return round(2 ** ((place + 1) / _PER_OCTAVE))


def place_of(bins: Iterable[int], quantile: float) -> int:
    """The bin that this part of the counts lies in or below."""
    counts = list(bins)
    wanted, seen = quantile * sum(counts), 0
    for place, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return place
    return BINS - 1


class _Batch:
    """Requests that arrive under one share are summed first: their order changes nothing that is kept."""

    def __init__(self, tally: Tally, users: Users, slack_bins: int) -> None:
        self._tally, self._users, self._slack_bins = tally, users, slack_bins
        self._share = -1.0
        self._newest_ms, self._garbled = tally.newest_ms, 0
        self._window = list(tally.slowness.window)
        self._filled = sum(self._window)
        self._reset()

    def take(self, request: Request) -> None:
        """Count one."""
        if request.latency_us < 0 or not 0 <= request.share <= 1:
            self._garbled += 1
            return
        if request.share != self._share:
            self._flush()
            self._share = request.share
        arm = int(request.is_candidate)
        place = bin_of(request.latency_us)
        self._newest_ms = max(self._newest_ms, request.at_ms)
        self._requests[arm] += 1
        self._bins[arm][place] += 1
        self._units[arm] += self._counts(self._users.units, request)
        if request.failed:
            self._failed[arm] += 1
            self._events[arm] += self._counts(self._users.failed, request)
        for number, mark in enumerate(self._tally.slowness.marks):
            # A candidate that is no slower than that passes its mark no more often than the baseline passes its own.
            if place > mark + (self._slack_bins if arm else 0):
                self._slow[number][arm] += self._counts(self._users.slow[number], request)
        if not arm:
            self._fill(place)

    def flushed(self) -> Tally:
        """Everything taken is in it."""
        self._flush()
        slowness = replace(self._tally.slowness, window=tuple(self._window))
        return replace(
            self._tally,
            slowness=slowness,
            newest_ms=self._newest_ms,
            garbled=self._tally.garbled + self._garbled,
        )

    def _counts(self, seen: Seen, request: Request) -> bool:
        return not request.user or seen.is_new(request.user)

    def _fill(self, place: int) -> None:
        self._window[place] += 1
        self._filled += 1
        if self._filled < MARK_WINDOW:
            return
        self._flush()  # What came before is held against the marks of its time.
        marks = tuple(place_of(self._window, quantile) for quantile in QUANTILES)
        self._tally = replace(self._tally, slowness=replace(self._tally.slowness, marks=marks))
        self._window, self._filled = [0] * BINS, 0

    def _flush(self) -> None:
        tally, share = self._tally, self._share
        if sum(self._requests):
            tally = replace(
                tally, candidate=self._counted(tally.candidate, 1), baseline=self._counted(tally.baseline, 0)
            )
        if 0 < share < 1:
            baseline, arm = self._events
            tally = replace(
                tally,
                errors=tally.errors.after(arm=arm, baseline=baseline, share=share),
                safe=tally.safe.after(arm=arm, baseline=baseline, share=share),
                slowness=self._slower(tally.slowness),
                ratio=tally.ratio.after(arm=self._units[1], baseline=self._units[0], share=share),
            )
        self._tally = tally
        self._reset()

    def _slower(self, slowness: Slowness) -> Slowness:
        wagers = tuple(
            wager.after(arm=arm, baseline=baseline, share=self._share)
            for wager, (baseline, arm) in zip(slowness.wagers, self._slow, strict=True)
        )
        most = max(wager.log_e for wager in wagers)
        mean = most + math.log(sum(math.exp(wager.log_e - most) for wager in wagers) / len(wagers))
        return replace(slowness, wagers=wagers, best=max(slowness.best, mean))

    def _counted(self, counts: Counts, arm: int) -> Counts:
        bins = tuple(map(sum, zip(counts.bins, self._bins[arm], strict=True)))
        return Counts(
            counts.requests + self._requests[arm],
            counts.failed + self._failed[arm],
            counts.units + self._units[arm],
            bins,
        )

    def _reset(self) -> None:
        self._requests, self._failed, self._units, self._events = [0, 0], [0, 0], [0, 0], [0, 0]
        self._slow = [[0, 0] for _ in QUANTILES]
        self._bins = [[0] * BINS, [0] * BINS]
