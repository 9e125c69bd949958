"""``python -m benchmarks.gateway.many [--gateways N] [--flips N] [--endpoints N]``: roll-backs told to many gateways.

One control plane here, so many real Envoys with one thread each, and endpoints whose backends nobody asks. Traffic is
called back again and again, by this process and by another one that only has the registry; measured is the time from
the call until every gateway said that it has the kill switch, and until each said that it has the routes. Prints a
Markdown table. Everything shares this machine's cores.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import budwood
from benchmarks.gateway.__main__ import ENDPOINT, at, free_port
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.delivery.xds.snapshot import RUNTIME, Snapshot
from budwood.domain.traffic.endpoint import Backend
from budwood.server.control import ControlPlane
from budwood.verbs.house import House

REST_S = 0.3
ELSEWHERE = """
import sys, time, budwood
with budwood.connect(sys.argv[1], author="jon") as registry:
    for line in sys.stdin:
        began = time.monotonic()
        print(began, registry.endpoints.back("e0", "measured").generation, flush=True)
"""


class Watched(ControlPlane):
    """A control plane that notes when every gateway has the kill switches it was told."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._wanted: dict[str, str] = {}

    async def _publish(self, name: str, wanted: Snapshot) -> bool:
        self._wanted[name] = wanted.version(RUNTIME)
        return await super()._publish(name, wanted)

    def all_have_switches(self, but: str) -> bool:
        """Those that are in force now, and are not ``but``."""
        nodes = self._control.nodes
        wanted = set(self._wanted.values())
        return len(wanted) == 1 and but not in wanted and all(n.has.get(RUNTIME) in wanted for n in nodes.values())

    def switches(self) -> str:
        return next(iter(self._wanted.values()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=20)
    parser.add_argument("--flips", type=int, default=50)
    parser.add_argument("--endpoints", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bw-many-") as folder:
        figures = measured(Path(folder), asked.gateways, asked.flips, asked.endpoints)
    print("| what | p50 | p99 | worst |\n|---|---|---|---|")
    for name, values in figures.items():
        ordered = sorted(values)
        print(f"| {name} | {at(ordered, 0.5):.2f} ms | {at(ordered, 0.99):.2f} ms | {ordered[-1]:.2f} ms |")
    print(f"\n{asked.gateways} gateways, {asked.endpoints} endpoints, {asked.flips} roll-backs each way.")


def measured(folder: Path, gateways: int, flips: int, endpoints: int) -> dict[str, list[float]]:
    """Milliseconds from each call."""
    with budwood.connect(folder / "registry", author="mara") as registry:
        for number in (1, 2):
            (folder / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(folder / "config.json", "fraud")
        for number in range(endpoints):
            registry.endpoints.put(ENDPOINT.format(name=f"e{number}", good=9, bad=9))
        control = Watched(registry.house)
        control.start()
        homes = [folder / f"g{number}" for number in range(gateways)]
        try:
            for number, home in enumerate(homes):
                home.mkdir()
                place = Place("127.0.0.1", free_port(), str(home / "access.log"))
                told = boot(f"edge-{number}", place, Backend("127.0.0.1", control.port), str(home / "admin.sock"))
                process.start(home, written(told), process.program(), workers=1)
            until(lambda: sum(node.is_connected for node in control._control.nodes.values()) == gateways)
            return {
                **called_here(registry, control, flips),
                **called_elsewhere(folder / "registry", registry, control, flips),
            }
        finally:
            for home in homes:
                process.stop(home)
            control.close()


def called_here(registry: Registry, control: Watched, flips: int) -> dict[str, list[float]]:
    """By the process that the control plane is in."""
    written_ms, switched, taken = [], [], []
    for _ in range(flips):
        moved(registry, control)
        before, began = control.switches(), time.monotonic()
        generation = registry.endpoints.back("e0", "measured").generation
        written_ms.append((time.monotonic() - began) * 1e3)
        until(lambda: control.all_have_switches(before))  # noqa: B023  (it is asked at once)
        switched.append((time.monotonic() - began) * 1e3)
        until(lambda: control.generation("default.e0") >= generation)  # noqa: B023
        taken.append((time.monotonic() - began) * 1e3)
    return {
        "call to written": written_ms,
        "call to every kill switch acknowledged": switched,
        "call to all acknowledged": taken,
    }


def called_elsewhere(place: Path, registry: Registry, control: Watched, flips: int) -> dict[str, list[float]]:
    """By a process that knows the registry's folder only."""
    switched = []
    other = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write("now\n")  # It imports and opens what it needs.
    other.stdin.flush()
    other.stdout.readline()
    for _ in range(flips):
        moved(registry, control)
        before = control.switches()
        other.stdin.write("now\n")
        other.stdin.flush()
        until(lambda: control.all_have_switches(before))  # noqa: B023
        ended = time.monotonic()
        switched.append((ended - float(other.stdout.readline().split()[0])) * 1e3)
    other.stdin.close()
    other.wait()
    other.stdout.close()
    return {"call in another process to every kill switch acknowledged": switched}


def moved(registry: Registry, control: ControlPlane) -> None:
    """To the bad version, and all quiet."""
    generation = registry.endpoints.split("e0", {"bad": 10_000}).generation
    until(lambda: control.generation("default.e0") >= generation)
    time.sleep(REST_S)


def until(true: object) -> None:
    """Looked at every half millisecond."""
    assert callable(true)
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
