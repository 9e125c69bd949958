"""``python -m benchmarks.gateway [--flips N] [--endpoints N]``: roll-backs of one endpoint among many, under load.

A registry, its control plane, one gateway and two backends run here; another process asks at a fixed rate. Traffic goes
to the bad version, is called back, and goes there again, over and over; in between the gateway is replaced by a new
process. Prints a Markdown table. Everything shares this machine's cores, the backends too.
"""

import argparse
import asyncio
import gc
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import budwood
from benchmarks.gateway.backend import backend
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.traffic.endpoint import Backend
from budwood.server.control import ControlPlane

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  model: fraud
  arms:
    good: {{version: v1, backends: ["http://127.0.0.1:{good}"]}}
    bad: {{version: v2, backends: ["http://127.0.0.1:{bad}"]}}
  sticky: {{header: x-user-id}}
"""
WAIT_S = 0.25
TAKING_S = 0.1


@dataclass(frozen=True)
class Flip:
    """When it was called, when the verb had written it, when the gateway had said that it has it."""

    called: float
    written: float
    taken: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--endpoints", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=2_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="budwood-gateway-") as folder:
        flips, rows = measured(Path(folder), asked.flips, asked.endpoints, asked.rate)
    late, acked = sorted(lateness(flips, rows)), sorted((flip.taken - flip.called) * 1e3 for flip in flips)
    wrote = sorted((flip.written - flip.called) * 1e3 for flip in flips)
    failed = sum(row[2] != 200 for row in rows)
    print("| what | p50 | p99 | worst |\n|---|---|---|---|")
    shown = {"written": wrote, "the last request sent to the bad version": late, "acknowledged": acked}
    for name, values in shown.items():
        print(f"| call to {name} | {at(values, 0.5):.2f} ms | {at(values, 0.99):.2f} ms | {values[-1]:.2f} ms |")
    print(f"\n{len(flips)} roll-backs, {asked.endpoints} endpoints, {len(rows):,} requests, {failed} failed or lost.")


def measured(
    folder: Path, count: int, endpoints: int, rate: float
) -> tuple[list[Flip], list[tuple[float, float, int, str]]]:
    """The roll-backs and the requests."""
    (one, good), (two, bad) = backend(), backend()
    with budwood.connect(folder / "registry", author="mara") as registry:
        for number in (1, 2):
            (folder / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(folder / "config.json", "fraud")
        for number in range(endpoints):
            registry.endpoints.put(ENDPOINT.format(name=f"e{number}", good=good, bad=bad))
        # As a server does: what lives as long as itself is not collected again and again.
        gc.collect()
        gc.freeze()
        control = ControlPlane(registry.house)
        control.start()
        place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
        told = written(boot("edge", place, Backend("127.0.0.1", control.port), str(folder / "admin.sock")))
        process.start(folder, told, process.program(), workers=1)
        try:
            until_answers(place)
            out = folder / "rows.jsonl"
            seconds = (count * 2 + 8) * WAIT_S + count * TAKING_S + 3
            command = [sys.executable, "-m", "benchmarks.gateway.load", place.host, str(place.port)]
            load = subprocess.Popen([*command, str(rate), str(seconds), str(out)])
            time.sleep(1)
            flips = list(flipped(registry, control, count))
            process.replace(folder, told, process.program())
            load.wait()
        finally:
            process.stop(folder)
            control.close()
            one.terminate()
            two.terminate()
        return flips, [tuple(json.loads(line)) for line in out.read_text().splitlines()]


def flipped(registry: Registry, control: ControlPlane, count: int) -> Iterator[Flip]:
    """There and back; only the way back is measured. Nothing else is to keep time with it."""
    waits = random.Random(count)
    for _ in range(count):
        there = registry.endpoints.split("e0", {"bad": 10_000}).generation
        until_taken(control, there)
        time.sleep(WAIT_S * waits.uniform(0.8, 1.2))
        called = time.monotonic()
        generation = registry.endpoints.back("e0", "measured").generation
        wrote = time.monotonic()
        until_taken(control, generation)
        yield Flip(called, wrote, time.monotonic())
        time.sleep(max(0.0, called + WAIT_S * waits.uniform(0.8, 1.2) - time.monotonic()))


def until_taken(control: ControlPlane, generation: int) -> None:
    """Until the gateway said that it has it."""
    while control.generation("default.e0") < generation:
        time.sleep(0.0005)


def lateness(flips: list[Flip], rows: list[tuple[float, float, int, str]]) -> Iterator[float]:
    """Milliseconds from each call to when the last request was sent that the bad version answered; 0 when none was."""
    bad = sorted(sent for sent, _, _, version in rows if version.endswith("v2"))
    for flip in flips:
        last = bisect_right(bad, flip.called + WAIT_S * 0.8)
        yield max(0.0, (bad[last - 1] - flip.called) * 1e3) if last else 0.0


def until_answers(place: Place) -> None:
    """Until the gateway has heard of the endpoint."""
    from benchmarks.gateway.load import Load

    until = time.monotonic() + 60
    while time.monotonic() < until:
        load = Load(place.host, place.port)
        try:
            asyncio.run(load.run(20, 0.1))
        except OSError:
            continue
        if load.rows and load.rows[-1][2] == 200:
            return
        time.sleep(0.2)
    raise SystemExit("the gateway does not answer")


def at(values: list[float], part: float) -> float:
    """A quantile of sorted values."""
    return values[min(len(values) - 1, int(part * len(values)))]


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
