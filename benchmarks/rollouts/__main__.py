"""``python -m benchmarks.rollouts [--runs N] [--drift]``: false rollbacks of healthy candidates, and how soon bad ones
stop. ``--drift`` does only what belongs to that guardrail.

Pure arithmetic; 2,000 rollouts of 100,000 requests and more in each of four worlds take some
minutes. Prints a Markdown table.
"""

import argparse
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.rollouts.drift import ALIKE, MOVED, judged
from benchmarks.rollouts.judged import Stopped, limited, tested
from benchmarks.rollouts.traffic import RAMP, World, traffic

ALPHA = 0.01
HEALTHY = {
    "5 %, an hour at 100/s": World(360_000, (0.05,)),
    "ramp 1 to 50 %, drifting": World(100_000, RAMP, errors=0.005, drift=True),
    "5 %, sticky, few users very busy": World(100_000, (0.05,), users=20_000),
    "ramp, drifting, sticky": World(100_000, RAMP, errors=0.005, drift=True, users=20_000),
}
BAD = {
    "crash, 1 to 50 % errors": (World(20_000, (0.05,), ratio=50), 300),
    "errors 1 to 3 %": (World(120_000, (0.05,), ratio=3), 10_000),
    "30 % slower": (World(60_000, (0.05,), slower=1.3), 5_000),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000, help="rollouts in each healthy world")
    parser.add_argument("--drift", action="store_true", help="only where values fall")
    asked = parser.parse_args()
    if not asked.drift:
        _events(asked.runs)
    _drifts(asked.runs)


def _events(runs: int) -> None:
    print("| healthy candidate | rolled back by the tests | by a limit, 5 bad minutes | by a limit, 2 bad minutes |")
    print("|---|---|---|---|", flush=True)
    for name, world in HEALTHY.items():
        began = time.perf_counter()
        ours, five, two = [], [], []
        for seed in range(runs):
            made = traffic(world, seed)
            ours.append(tested(made, ALPHA))
            five.append(limited(made, 0.02, 5))
            two.append(limited(made, 0.02, 2))
        said = " | ".join(_share(each) for each in (ours, five, two))
        print(f"| {name} | {said} |  <!-- {time.perf_counter() - began:.0f} s -->", flush=True)
    print("\n| bad candidate at 5 % | median requests until stopped | goal | found |\n|---|---|---|---|", flush=True)
    for name, (world, goal) in BAD.items():
        stopped = [tested(traffic(world, seed), ALPHA) for seed in range(max(50, runs // 10))]
        after = [each.after for each in stopped if each.after]
        print(f"| {name} | {median(after):,.0f} | ≤ {goal:,} | {len(after)} of {len(stopped)} |", flush=True)


def _drifts(runs: int) -> None:
    print("\n| values that fall alike | ever surely different | rolled back |\n|---|---|---|", flush=True)
    for name, scores in ALIKE.items():
        found = [judged(scores, seed, ALPHA) for seed in range(runs)]
        sure = sum(bool(each.sure) for each in found) / runs
        print(f"| {name} | {sure:.2%} | {sum(bool(each.after) for each in found) / runs:.2%} |", flush=True)
    print("\n| the candidate's are off by | median values until it goes back | found |\n|---|---|---|", flush=True)
    for name, scores in MOVED.items():
        found = [judged(scores, seed, ALPHA) for seed in range(max(50, runs // 10))]
        after = [each.after for each in found if each.after]
        said = f"{median(after):,.0f}" if after else "–"
        print(f"| {name} | {said} | {len(after)} of {len(found)} |", flush=True)


def _share(stopped: Sequence[Stopped]) -> str:
    return f"{sum(bool(each.after) for each in stopped) / len(stopped):.2%}"


if __name__ == "__main__":
    main()
