"""``python -m benchmarks.gateway.faults [--requests N] [--flips N] [--rate N] [--home sqlite|postgres]``: is any lost?

A gateway is asked at a fixed rate by a process of its own, while traffic goes to the bad version and is called back,
over and over. Meanwhile the control plane is killed and started again, the gateway is replaced by a new process, and
the database is killed where it is a server. Prints how many requests failed or got no answer. By default two million
requests and five hundred roll-backs, which takes nine and a half minutes.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import budwood
from benchmarks.gateway.__main__ import ENDPOINT, free_port, until_answers
from benchmarks.gateway.backend import backend
from benchmarks.gateway.many import until
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import BudwoodError
from tests.servers.postgres import Cluster, server_programs

FLIPS_BETWEEN_FAULTS = 10
GONE_S = 2.0
STOPPED_S = 60.0


@dataclass
class World:
    """Everything that runs. ``faults`` are what was done to it, in turn, and how often."""

    folder: Path
    registry: Registry
    place: Place
    control: int
    cluster: Cluster | None
    faults: "Counter[str]" = field(default_factory=Counter)
    late: int = 0
    _server: "subprocess.Popen[bytes] | None" = None

    @property
    def told(self) -> bytes:
        """What the gateway starts with."""
        home = self.folder / "gateway"
        return written(boot("edge", self.place, Backend("127.0.0.1", self.control), str(home / "admin.sock")))

    def serve(self) -> None:
        """The control plane, as people start it."""
        words = [*("--registry", str(self.folder / "registry"), "serve", "--port", "0")]
        with (self.folder / "serve.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "budwood", *words, "--control-port", str(self.control)], stdout=log, stderr=log
            )

    def listens(self) -> bool:
        """Whether the control plane does."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.control)) == 0

    def kill_control_plane(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        self.serve()

    def replace_gateway(self) -> None:
        process.replace(self.folder / "gateway", self.told, process.program())

    def kill_database(self) -> None:
        assert self.cluster is not None
        with self.cluster.gone():
            time.sleep(GONE_S)

    def move(self, split: dict[str, int] | None) -> None:
        """To the bad version, or back. Asked again while there is no database."""
        until = time.monotonic() + STOPPED_S
        while True:
            try:
                if split:
                    self.registry.endpoints.split("e0", split)
                else:
                    self.registry.endpoints.back("e0", "measured")
                return
            except BudwoodError:
                if time.monotonic() > until:
                    raise
                self.late += 1
                time.sleep(0.05)

    def stop(self) -> None:
        process.stop(self.folder / "gateway")
        if self._server is not None:
            self._server.kill()
            self._server.wait()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000_000)
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument("--rate", type=float, default=3_500)
    parser.add_argument("--home", choices=("sqlite", "postgres"), default="sqlite")
    asked = parser.parse_args()
    # Sockets need short paths.
    with tempfile.TemporaryDirectory(prefix="bw-") as folder, ExitStack() as open_too:
        cluster = open_too.enter_context(database()) if asked.home == "postgres" else None
        world = made(Path(folder), cluster, open_too)
        statuses, versions = flipped(world, asked.requests, asked.flips, asked.rate)
    total, good = sum(statuses.values()), statuses[200]
    lost = asked.requests - total + statuses[0]
    faults = ", ".join(f"{count} × {name}" for name, count in world.faults.items())
    print(f"{asked.home}: {total:,} requests, {asked.flips} roll-backs; {faults}.")
    print(f"{lost} without an answer, {total - good - statuses[0]} with another status than 200: {dict(statuses)}.")
    print(f"Answered by {dict(versions)}. {world.late} calls were made again while there was no database.")
    if lost or total != good:
        raise SystemExit(1)


@contextmanager
def database() -> Iterator[Cluster]:
    """A PostgreSQL of our own."""
    from budwood.catalog.sql.postgres_schema import upgrade

    programs = server_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="bw-pg-") as folder,
        Cluster(Path(folder), programs, ("listen_addresses=",)) as cluster,
    ):
        upgrade(cluster.url("postgres"))
        os.environ["BUDWOOD_DATABASE"] = cluster.url("postgres")
        yield cluster


def made(folder: Path, cluster: Cluster | None, open_too: ExitStack) -> World:
    """A registry with an endpoint, its control plane and a gateway that answers."""
    (one, good), (two, bad) = backend(), backend()
    open_too.callback(one.terminate)
    open_too.callback(two.terminate)
    registry = open_too.enter_context(budwood.connect(folder / "registry", author="mara"))
    for number in (1, 2):
        (folder / "config.json").write_text(f'{{"layers": {number}}}')
        registry.push(folder / "config.json", "fraud")
    registry.endpoints.put(ENDPOINT.format(name="e0", good=good, bad=bad))
    home = folder / "gateway"
    home.mkdir()
    place = Place("127.0.0.1", free_port(), str(home / "access.log"))
    world = World(folder, registry, place, free_port(), cluster)
    open_too.callback(world.stop)
    world.serve()
    until(world.listens)
    process.start(home, world.told, process.program(), workers=1)
    until_answers(place)
    return world


def flipped(world: World, requests: int, flips: int, rate: float) -> tuple["Counter[int]", "Counter[str]"]:
    """Statuses and versions of the answers, while everything else happens."""
    out = world.folder / "rows.jsonl"
    command = [sys.executable, "-m", "benchmarks.gateway.load", world.place.host, str(world.place.port)]
    load = subprocess.Popen([*command, str(rate), str(requests / rate), str(out)])
    began, each_s = time.monotonic(), requests / rate / (flips + 1)
    faults = world_faults(world)
    with ThreadPoolExecutor(1) as hand:  # Traffic is moved all the while.
        suffered = []
        for number in range(flips):
            world.move({"bad": 10_000})
            time.sleep(max(0.0, began + (number + 0.5) * each_s - time.monotonic()))
            world.move(None)
            if number % FLIPS_BETWEEN_FAULTS == FLIPS_BETWEEN_FAULTS // 2:
                name, fault = faults[number // FLIPS_BETWEEN_FAULTS % len(faults)]
                world.faults[name] += 1
                suffered.append(hand.submit(fault))
            time.sleep(max(0.0, began + (number + 1) * each_s - time.monotonic()))
    for each in suffered:
        each.result()
    load.wait()
    statuses: Counter[int] = Counter()
    versions: Counter[str] = Counter()
    with out.open() as rows:
        for line in rows:
            _, _, status, version = json.loads(line)
            statuses[status] += 1
            versions[version] += 1
    return statuses, versions


def world_faults(world: World) -> list[tuple[str, Callable[[], None]]]:
    """What is done in turn."""
    made = [
        ("the control plane killed", world.kill_control_plane),
        ("the gateway replaced", world.replace_gateway),
    ]
    return [*made, ("the database killed", world.kill_database)] if world.cluster else made


if __name__ == "__main__":
    main()
