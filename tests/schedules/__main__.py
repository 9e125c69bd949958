"""``python -m tests.schedules --seeds 0:100000 [--workers 1] [--log FILE] [--bug NAME]`` plays schedules.

Seeds are played in chunks. With ``--log`` each chunk that is done leaves a line there, and what stands there is not
played again: a run that was stopped goes on. ``--bug`` plants one, and counts the seeds that see it; ``--leaning 1``
has all of them look for such.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.schedules.bugs import PLANTED
from tests.schedules.play import Played, played
from tests.schedules.world import LEANING

CHUNK: Final = 100
TOLD: Final = 20
"""Seeds that found something, of which the first problem is printed."""


def main() -> int:
    """0 when every seed was clean; with a bug, when at least one saw it."""
    asked = _parser().parse_args()
    first, _, last = asked.seeds.rpartition(":")
    chunks = [(at, min(at + CHUNK, int(last))) for at in range(int(first or 0), int(last), CHUNK)]
    done = _read_log(asked.log, asked.bug)
    left = [chunk for chunk in chunks if chunk not in {(each.first, each.last) for each in done}]
    began = time.monotonic()
    for each in played(left, asked.bug, asked.leaning, asked.workers):
        done.append(each)
        _write_log(asked.log, each)
    _tell(done, asked.bug, time.monotonic() - began)
    found = any(each.found for each in done)
    return 0 if found == bool(asked.bug) else 1


def _read_log(log: Path | None, bug: str) -> list[Played]:
    lines = log.read_text("utf-8").splitlines() if log and log.exists() else []
    return [each for line in lines if (each := Played(**json.loads(line))).bug == bug]


def _write_log(log: Path | None, each: Played) -> None:
    if log:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(each)) + "\n")


def _tell(done: Sequence[Played], bug: str, seconds: float) -> None:
    found = {seed: problem for each in done for seed, problem in each.found.items()}
    count = sum(each.last - each.first for each in done)
    lines = [f"{bug or 'no bug'}: {count} played, {len(found)} found something; {seconds:.0f} s"]
    first = sorted(found.items(), key=lambda pair: int(pair[0]))[:TOLD]
    sys.stdout.write("\n".join([*lines, *(f"  seed {seed}: {problem}" for seed, problem in first)]) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--seeds", default="0:1000", help="from which to which; the last is not played")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--log", type=Path, help="what is done stands there")
    parser.add_argument("--leaning", type=float, default=LEANING, help="the share of them made to look for such bugs")
    parser.add_argument("--bug", default="", choices=["", *PLANTED])
    return parser


if __name__ == "__main__":
    sys.exit(main())
