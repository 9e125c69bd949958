"""Made-up traffic: for each request its arm, whether it failed and how long it took. Numbers only, from a seed.

A *ramp* goes from 1 to 50 % in five steps; *drift* lets the error rate that both arms have in common rise fourfold on
the way and latency swing by half with the time of day. Sticky traffic comes from users of whom few are very busy (Zipf)
and some fail far more often than others (gamma).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RAMP = (0.01, 0.05, 0.10, 0.25, 0.50)
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """``errors`` is the baseline's rate, ``ratio`` how many times as often the candidate fails, ``slower`` how many
    times as long it takes. ``users`` 0: an arm is drawn for each request."""

    requests: int
    shares: tuple[float, ...]
    errors: float = 0.01
    ratio: float = 1.0
    slower: float = 1.0
    drift: bool = False
    users: int = 0


@dataclass(frozen=True)
class Traffic:
    """By request, in order. ``user`` is empty where the split is not sticky."""

    share: Floats
    arm: Bools
    failed: Bools
    latency_us: Floats
    user: Ints


def traffic(world: World, seed: int) -> Traffic:
    """One rollout's."""
    chance = np.random.default_rng(seed)
    count = world.requests
    at = np.arange(count) / count
    share = np.array(world.shares)[np.minimum((at * len(world.shares)).astype(int), len(world.shares) - 1)]
    rate = world.errors * (1 + 3 * at if world.drift else 1.0) * np.ones(count)
    if world.users:
        weights = 1 / np.arange(1, world.users + 1)
        user = chance.choice(world.users, size=count, p=weights / weights.sum())
        arm = chance.random(world.users)[user] < share
        rate = np.minimum(rate * (chance.gamma(0.3, 1 / 0.3, world.users))[user], 0.9)
    else:
        user = np.empty(0, np.int64)
        arm = chance.random(count) < share
    failed = chance.random(count) < np.minimum(rate * np.where(arm, world.ratio, 1.0), 1.0)
    day = 1 + 0.5 * np.sin(2 * np.pi * np.arange(count) / 90_000) if world.drift else 1.0
    latency = 20_000 * day * np.exp(0.5 * chance.standard_normal(count)) * np.where(arm, world.slower, 1.0)
    return Traffic(share, arm, failed, latency, user)
