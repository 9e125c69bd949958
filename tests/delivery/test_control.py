"""Rollouts on a real gateway: the good version is promoted, the bad one goes back by itself."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

import budwood
from budwood.catalog.api import Catalog, Transaction
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.domain.rollout.records import RolloutState
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import RegistryBusy
from budwood.server.control import ControlPlane

from .conftest import Client, Says, eventually, free_port

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
metadata: {name: quick}
spec:
  steps:
    - {canary: 10%, samples: 50}
    - {canary: 50%, samples: 300}
  guardrails: [{watch: errors}, {watch: latency, tolerance: 9}, {watch: sample-ratio}]
  proof: false
  silence: 30s
"""


@dataclass
class Away:
    """A catalog that may be out of reach, or slow, for what can wait. ``begun`` and ``done`` are such writes."""

    catalog: Catalog
    is_away: bool = False
    refused: int = 0
    is_slow: Callable[[str], bool] = lambda _: False
    goes_on: threading.Event = field(default_factory=threading.Event)
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def write_behind(self, work: Callable[[Transaction], Any]) -> Any:
        if self.is_away:
            self.refused += 1
            raise RegistryBusy("The database does not answer.")
        self.begun.append(work.__qualname__)
        if self.is_slow(work.__qualname__):
            self.goes_on.wait(30)
        made = self.catalog.write_behind(work)
        self.done.append(work.__qualname__)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.catalog, name)


@dataclass
class World:
    registry: Registry
    away: Away
    control: ControlPlane
    place: Place
    backends: dict[str, Says]

    def load(self, until: float, want: RolloutState) -> int:
        """Ask until the rollout has ended; how many requests were answered with an error."""
        counter, failed = itertools.count(), 0

        def ask() -> int:
            client = Client(self.place)
            wrong = 0
            while time.monotonic() < until and self.state() is RolloutState.RUNNING:
                for _ in range(40):
                    next(counter)
                    wrong += client.ask("/predict/fraud").status >= 500
            client.close()
            return wrong

        with ThreadPoolExecutor(2) as pool:
            failed = sum(pool.map(lambda _: ask(), range(2)))
        assert self.state() is want, self.registry.rollouts.show("fraud")
        return failed

    def state(self) -> RolloutState:
        return self.registry.rollouts.show("fraud").rollout.state


@pytest.fixture
def world(tmp_path: Path, backends: dict[str, Says]) -> Iterator[World]:
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        for number in (1, 2):
            (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(tmp_path / "config.json", "fraud")
        away = Away(registry.house.catalog)
        control = ControlPlane(replace(registry.house, catalog=cast(Any, away)))
        control.start()
        folder = tmp_path / "gateway"
        folder.mkdir()
        place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
        admin = str(folder / "admin.sock")
        process.start(
            folder, written(boot("edge-1", place, Backend("127.0.0.1", control.port), admin)), process.program()
        )
        registry.endpoints.put(ENDPOINT.format(stable=backends["stable"].backend.port))
        control.moved()
        yield World(registry, away, control, place, backends)
        process.stop(folder)
        control.close()


def begin(world: World) -> None:
    canary = f"http://127.0.0.1:{world.backends['canary'].backend.port}"
    world.registry.rollouts.start("fraud", "fraud@v2", PLAN, backends=[canary], alias="champion")
    world.control.moved()
    client = Client(world.place)
    eventually(lambda: client.ask("/predict/fraud/v2").status != 404)
    client.close()


def test_what_a_gateway_took_is_told_beside_what_is_wanted(world: World) -> None:
    def sent() -> list[tuple[str, bool, int, int]]:
        shown = world.registry.endpoints.show("fraud")
        return [(each.gateway, each.connected, each.generation, each.split["stable"]) for each in shown.observed]

    eventually(lambda: sent() == [("edge-1", True, 1, 10_000)])
    begin(world)
    shown = world.registry.rollouts.show("fraud")
    assert shown.split == {"stable": 9_000, "candidate": 1_000}
    eventually(lambda: world.registry.rollouts.show("fraud").observed[0].split == shown.split)
    process.stop(Path(world.place.log).parent)
    eventually(lambda: sent()[0][1] is False)


def test_what_a_gateway_took_while_nothing_could_be_kept_is_kept_later(world: World) -> None:
    def kept() -> int:
        return sum(each.generation for each in world.registry.endpoints.show("fraud").observed)

    eventually(lambda: kept() == 1)
    world.away.is_away = True
    world.registry.endpoints.put(ENDPOINT.format(stable=world.backends["stable"].backend.port) + "  timeout: 5s\n")
    eventually(lambda: world.control.generation("default.fraud") == 2 and world.away.refused > 0)
    assert kept() == 1
    world.away.is_away = False
    eventually(lambda: kept() == 2)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budwood.server.control.PRESENT_S", 0.05)


@pytest.mark.usefixtures("often")
def test_what_a_database_lost_when_it_crashed_is_kept_again(world: World) -> None:
    def kept() -> list[int]:
        return [each.generation for each in world.registry.endpoints.show("fraud").observed]

    eventually(lambda: kept() == [1])
    world.away.catalog.write(lambda transaction: transaction.drop_taken("edge-1"))
    eventually(lambda: kept() == [1])


@pytest.mark.usefixtures("often")
def test_a_gateway_that_leaves_while_it_is_written_as_here_is_gone(world: World) -> None:
    def is_here() -> bool:
        return world.registry.gateways.list()[0].connected

    def tells_who_is_here(write: str) -> bool:
        return write.startswith("keep_who_is_here")

    eventually(lambda: world.control.generation("default.fraud") == 1 and is_here())
    world.away.done.clear()
    world.away.begun.clear()
    world.away.is_slow = tells_who_is_here
    eventually(lambda: any(map(tells_who_is_here, world.away.begun)))
    process.stop(Path(world.place.log).parent)
    eventually(lambda: world.control.generation("default.fraud") == 0)
    time.sleep(0.5)  # Its leaving would be written now, if it did not wait.
    world.away.goes_on.set()
    eventually(lambda: any(map(tells_who_is_here, world.away.done)))
    eventually(lambda: not is_here())


def test_a_good_version_is_promoted_and_nobody_notices(world: World) -> None:
    begin(world)
    assert world.load(time.monotonic() + 60, RolloutState.PROMOTED) == 0
    shown = world.registry.rollouts.show("fraud")
    assert [event.kind for event in shown.events] == ["started", "shifted", "promoted"]
    assert shown.candidate.requests > 300
    assert world.registry.get("fraud@champion").number == 2
    assert world.registry.endpoints.show("fraud").body.baseline == shown.rollout.candidate


def test_a_version_that_fails_goes_back_by_itself(world: World) -> None:
    world.backends["canary"].answers = 500
    begin(world)
    failed = world.load(time.monotonic() + 60, RolloutState.ROLLED_BACK)
    assert 0 < failed < 300
    shown = world.registry.rollouts.show("fraud")
    assert shown.rollout.ended_why.startswith("errors:")
    assert world.registry.endpoints.show("fraud").split == {"stable": 10_000}
    client = Client(world.place)
    eventually(lambda: client.ask("/predict/fraud").arm == "stable")
    assert {client.ask("/predict/fraud").arm for _ in range(50)} == {"stable"}


def test_a_request_is_told_its_version(world: World) -> None:
    begin(world)
    client = Client(world.place)
    answer = client.ask("/predict/fraud/v2")
    eventually(lambda: is_known(world, answer.headers["x-request-id"]))
    known = world.registry.endpoints.which(answer.headers["x-request-id"])
    assert known.version == "fraud@v2"
    assert str(known.generation) == answer.headers["x-budwood-generation"]
    assert known.digest == world.registry.get("fraud@v2").digest


def is_known(world: World, request: str) -> bool:
    with suppress(budwood.errors.RecordNotFound):
        return bool(world.registry.endpoints.which(request))
    return False


def test_another_engine_takes_over_where_the_first_stopped(world: World) -> None:
    begin(world)
    second = ControlPlane(world.registry.house)
    second.start()
    assert world.load(time.monotonic() + 60, RolloutState.PROMOTED) == 0
    second.close()


def test_a_clients_key_opens_from_when_it_was_drawn_until_it_is_taken_away(world: World) -> None:
    stable = world.backends["stable"].backend.port
    world.registry.endpoints.put(ENDPOINT.format(stable=stable) + "  auth: {keys: {header: x-api-key}}\n")
    made = world.registry.endpoints.add_client("fraud", "acme")
    world.control.moved()
    client = Client(world.place)

    def answered() -> tuple[int, str]:
        answer = client.ask("/predict/fraud", {"x-api-key": made.key})
        return answer.status, answer.heard.get("x-budwood-tenant", "")

    # Before it heard of the keys it asked for none, and knew no tenant.
    eventually(lambda: answered() == (200, "acme"), told=answered)
    assert client.ask("/predict/fraud").status == 401
    world.registry.endpoints.remove_client("fraud", "acme")
    world.control.moved()
    eventually(lambda: answered()[0] in (401, 403), told=answered)
    last = client.ask("/predict/fraud", {"x-api-key": made.key}).headers["x-request-id"]
    client.close()
    eventually(lambda: last in Path(world.place.log).read_text(errors="replace"))
    for path in Path(world.place.log).parent.glob("*.log"):
        assert made.key not in path.read_text(errors="replace")
