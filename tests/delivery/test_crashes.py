"""The control plane is killed, then the database, in mid-rollout: no request fails, and the rollout ends right."""

import http.client
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.limits import ENGINE_S
from budwood.domain.rollout.records import RolloutState
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import BudwoodError
from tests.servers.postgres import Cluster, server_programs

from .conftest import Client, Says, free_port

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: fraud}}
spec:
  model: fraud
  arms:
    stable: {{version: v1, backends: ["http://127.0.0.1:{stable}"]}}
"""
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {{name: slow}}
spec:
  steps:
    - {{canary: 10%, hold: {first}s, samples: 50}}
    - {{canary: 50%, hold: 2s, samples: 100}}
  guardrails:
    - {{watch: errors}}
    - {{watch: sample-ratio}}
  proof: false
  silence: 60s
"""
CLIENTS = 3
WAIT_S = 40


@dataclass
class Load:
    """Clients that ask all the while. ``failed`` is what no version answered; ``wrong`` what one answered with 500."""

    place: Place
    answered: "Counter[str]" = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    wrong: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in threads:
                each.join()

    def _ask(self) -> None:
        client = Client(self.place)
        while not self._stop.is_set():
            try:
                answer = client.ask("/predict/fraud")
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                client = Client(self.place)
                continue
            if not answer.arm:
                self.failed.append(str(answer.status))
            self.wrong += bool(answer.arm) and answer.status != 200
            self.answered[answer.arm] += 1
            time.sleep(0.002)
        client.close()

    @property
    def count(self) -> int:
        return self.answered.total()


@dataclass
class World:
    folder: Path
    registry: Registry
    place: Place
    control: int
    backends: dict[str, Says]
    servers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def serve(self) -> "subprocess.Popen[bytes]":
        """``budwood serve`` as people run it."""
        words = [
            "--registry",
            str(self.folder / "registry"),
            "serve",
            "--port",
            "0",
            "--control-port",
            str(self.control),
        ]
        with (self.folder / "serve.log").open("ab") as log:
            server = subprocess.Popen([sys.executable, "-m", "budwood", *words], stdout=log, stderr=log)
        self.servers.append(server)
        return server

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.control)) == 0

    def begin(self, first_s: int) -> Load:
        """The first control plane leads, the rollout takes its first step."""
        self.registry.endpoints.put(ENDPOINT.format(stable=self.backends["stable"].backend.port))
        client = Client(self.place)
        self.until(lambda: client.ask("/predict/fraud").status == 200, WAIT_S)
        client.close()
        canary = f"http://127.0.0.1:{self.backends['canary'].backend.port}"
        plan = PLAN.format(first=first_s)
        self.registry.rollouts.start("fraud", "fraud@v2", plan, backends=[canary], alias="champion")
        return Load(self.place)

    def counted(self) -> int:
        """How many requests to the candidate the engine knows of."""
        return self.registry.rollouts.show("fraud").candidate.requests

    def state(self) -> RolloutState:
        return self.registry.rollouts.show("fraud").rollout.state

    def until(self, true: Callable[[], bool], wait_s: float) -> None:
        end = time.monotonic() + wait_s
        for _ in itertools.count():
            try:
                if true():
                    return
            except BudwoodError:
                pass  # The database comes back.
            assert time.monotonic() < end, (self.folder / "serve.log").read_text()[-3000:]
            time.sleep(0.05)


@contextmanager
def made(folder: Path, backends: dict[str, Says]) -> Iterator[World]:
    with budwood.connect(folder / "registry", author="mara") as registry:
        for number in (1, 2):
            (folder / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(folder / "config.json", "fraud")
        home = folder / "gateway"
        home.mkdir()
        place, control = Place("127.0.0.1", free_port(), str(home / "access.log")), free_port()
        told = written(boot("edge-1", place, Backend("127.0.0.1", control), str(home / "admin.sock")))
        world = World(folder, registry, place, control, backends)
        try:
            world.serve()
            world.until(world.listens, 30)
            process.start(home, told, process.program())
            yield world
        finally:
            process.stop(home)
            for each in world.servers:
                each.kill()
                each.wait()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    programs = server_programs()
    if programs is None or os.environ.get("BUDWOOD_TEST_POSTGRES"):
        pytest.skip("no PostgreSQL of our own to stop")
    folder = Path(tempfile.mkdtemp(prefix="budwood-pg-"))
    try:
        with Cluster(folder, programs) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_control_plane_is_killed_then_the_database_and_the_rollout_is_promoted(
    tmp_path: Path, backends: dict[str, Says], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from budwood.catalog.sql.postgres_schema import upgrade

    pytest.importorskip("uvicorn")
    upgrade(cluster.url("postgres"))
    monkeypatch.setenv("BUDWOOD_DATABASE", cluster.url("postgres"))
    with made(tmp_path, backends) as world:
        load = world.begin(first_s=5)
        with load.running():
            world.until(lambda: world.counted() > 0, WAIT_S)
            world.servers[0].kill()
            before = load.count
            world.until(lambda: load.count > before + 300, WAIT_S)
            world.serve()
            counted = world.counted()
            world.until(lambda: world.counted() > counted, WAIT_S)
            with cluster.gone():
                before = load.count
                world.until(lambda: load.count > before + 300, WAIT_S)
            world.until(lambda: world.state() is not RolloutState.RUNNING, ENGINE_S + 40)
        shown = world.registry.rollouts.show("fraud")
        assert shown.rollout.state is RolloutState.PROMOTED, shown
        assert [event.kind for event in shown.events] == ["started", "shifted", "promoted"]
        assert load.failed == []
        assert load.wrong == 0
        assert load.answered["canary"] >= shown.candidate.requests >= 150
        assert world.registry.get("fraud@champion").number == 2


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_version_that_turns_bad_while_no_control_plane_runs_is_sent_back_by_the_next(
    tmp_path: Path, backends: dict[str, Says]
) -> None:
    pytest.importorskip("uvicorn")
    with made(tmp_path, backends) as world:
        load = world.begin(first_s=3_600)
        with load.running():
            world.until(lambda: world.counted() > 0, WAIT_S)
            world.servers[0].kill()
            world.backends["canary"].answers = 500
            before = load.count
            world.until(lambda: load.count > before + 200, WAIT_S)
            assert world.state() is RolloutState.RUNNING
            world.serve()
            world.until(lambda: world.state() is not RolloutState.RUNNING, ENGINE_S + 30)
        shown = world.registry.rollouts.show("fraud")
        assert shown.rollout.state is RolloutState.ROLLED_BACK
        assert shown.rollout.ended_why.startswith("errors:")
        assert load.failed == []
        assert load.wrong > 0
        assert world.registry.endpoints.show("fraud").split == {"stable": 10_000}
