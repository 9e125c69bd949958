"""Gateways on other machines: who is let in, what each is told, and that nothing they wrote counts twice or never."""

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")
pytest.importorskip("envoy")
pytest.importorskip("cryptography")

import grpc

import budwood
from budwood.client.registry import Registry
from budwood.delivery.gateway import process, starting
from budwood.delivery.gateway.config import Place, Shows, boot
from budwood.delivery.gateway.starting import Wanted
from budwood.delivery.gateway.status import status_of
from budwood.delivery.gateway.way_home import WayHome
from budwood.delivery.logs.files import Bounds
from budwood.delivery.logs.wire import METHOD, SERVICE, Piece
from budwood.delivery.tls import Tls
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import BadValue, Forbidden, GatewayDown, RecordNotFound, Unauthenticated
from budwood.server.control import ControlPlane

from .certificates import certificate
from .conftest import Client, Says, eventually, free_port

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: fraud}}
spec:
  model: fraud
  arms:
    stable: {{version: v1, backends: ["http://127.0.0.1:{stable}"]}}
    canary: {{version: v2, backends: ["http://127.0.0.1:{canary}"]}}
"""
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: long}
spec:
  steps: [{canary: 50%, hold: 3600s}]
  guardrails: [{watch: sample-ratio}]
  proof: false
  silence: 3600s
"""
OPEN = Shows(sends=True)


@dataclass
class Edge:
    """A gateway, as 'budwood gateway start' makes it."""

    folder: Path
    wanted: Wanted
    said: str = ""

    def start(self) -> "Edge":
        self.folder.mkdir(exist_ok=True)
        self.said = starting.start(self.folder, self.wanted, process.program())[1]
        return self

    def status(self, path: str = "/predict/fraud") -> int:
        with suppress(OSError):
            client = Client(self.wanted.place)
            status = client.ask(path).status
            client.close()
            return status
        return 0

    def arm(self) -> str:
        client = Client(self.wanted.place)
        answer = client.ask("/predict/fraud")
        client.close()
        return answer.arm

    def ask(self, times: int) -> list[str]:
        """Requests, by id."""
        client = Client(self.wanted.place)
        answers = [client.ask("/predict/fraud") for _ in range(times)]
        client.close()
        assert {answer.status for answer in answers} <= {200}
        return [answer.headers["x-request-id"] for answer in answers]

    def keeper(self) -> int:
        """Who stands behind it."""
        return int((self.folder / "keeper.pid").read_text())

    def kill(self, *, behind: bool) -> None:
        """The keeper, or who stands behind it, and see both again."""
        eventually(self.kept_by)
        before, standby = self.kept_by(), self.keeper()
        os.kill(standby if behind else before, signal.SIGKILL)
        eventually(lambda: alive(self.keeper()) and self.kept_by() not in (0, before))
        assert (self.keeper() != standby) is behind

    def kept_by(self) -> int:
        """The child of who stands behind it; 0 while there is none."""
        standby = self.keeper()
        with suppress(OSError):
            return int(Path(f"/proc/{standby}/task/{standby}/children").read_text().strip() or 0)
        return 0


@dataclass
class World:
    folder: Path
    registry: Registry
    backends: dict[str, Says]
    tls: Tls | None
    port: int
    control: ControlPlane
    edges: list[Edge] = field(default_factory=list)

    def token(self, account: str = "edge", role: str = "gateway", namespace: str = "default") -> str:
        admin = self.registry.admin
        with suppress(budwood.errors.NameTaken):
            admin.people.add(account, kind="service")
        if role:
            admin.grants.give(namespace, account, role)
        return admin.tokens.make("gateway", person=account).secret

    def edge(self, name: str, token: str = "", bounds: Bounds | None = None, port: int = 0) -> Edge:
        folder = self.folder / name
        place = Place("127.0.0.1", port or free_port(), str(folder / "access.log"))
        shows = Shows(token, str(self.tls.certificate) if self.tls else "", sends=True)
        control = Backend("127.0.0.1", self.port, self.tls is not None)
        made = Edge(folder, Wanted(name, place, control, shows, bounds or Bounds(), 1))
        self.edges.append(made)
        return made

    def put(self, namespace: str = "default") -> None:
        ports = {arm: self.backends[arm].backend.port for arm in ("stable", "canary")}
        self.registry.endpoints.put(ENDPOINT.format(**ports), namespace=namespace)

    def again(self) -> None:
        """The control plane is gone, and comes again at its port."""
        self.control.close()
        self.control = ControlPlane(self.registry.house, "127.0.0.1", self.port, self.tls)
        self.control.start()

    def counted(self) -> int:
        shown = self.registry.rollouts.show("fraud")
        return shown.candidate.requests + shown.baseline.requests


@pytest.fixture(params=["tls"])
def world(request: pytest.FixtureRequest, some_backends: dict[str, Says]) -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="bw-"))  # Sockets need short paths.
    with budwood.connect(folder / "registry", author="mara") as registry:
        for namespace in ("default", "risk"):
            with suppress(budwood.errors.NameTaken):
                registry.admin.namespaces.add(namespace)
            for number in (1, 2):
                (folder / "config.json").write_text(f'{{"layers": {number}}}')
                registry.push(folder / "config.json", f"{namespace}/fraud")
        tls = certificate(folder, "control") if request.param == "tls" else None
        control = ControlPlane(registry.house, "127.0.0.1", free_port(), tls)
        control.start()
        made = World(folder, registry, some_backends, tls, control.port, control)
        made.put()
        try:
            yield made
        finally:
            for edge in made.edges:
                process.stop(edge.folder)
            made.control.close()
            for edge in made.edges:
                with suppress(FileNotFoundError):
                    eventually(lambda: not alive(edge.keeper()))  # noqa: B023  (it is asked at once)
    shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


open_door = pytest.mark.parametrize("world", ["plain"], indirect=True)


def test_a_gateway_is_told_of_the_namespaces_its_account_may_serve_and_no_others(world: World) -> None:
    world.put("risk")
    token = world.token()
    edge = world.edge("edge-1", token).start()
    eventually(lambda: edge.status() == 200)
    assert edge.status("/ns/risk/predict/fraud") == 404
    world.registry.admin.grants.give("risk", "edge", "gateway")
    eventually(lambda: edge.status("/ns/risk/predict/fraud") == 200)
    world.registry.admin.grants.take("risk", "edge", "gateway")
    eventually(lambda: edge.status("/ns/risk/predict/fraud") == 404)
    assert edge.status() == 200
    eventually(lambda: world.registry.gateways.list()[0].endpoints == 1)
    (shown,) = world.registry.gateways.list()
    assert (shown.name, shown.account, shown.connected) == ("edge-1", "edge", True)
    # The token lies in two files that only their owner reads, and in no other.
    eventually((edge.folder / "last.json").exists)
    holds = {path.name for path in edge.folder.iterdir() if path.is_file() and token.encode() in path.read_bytes()}
    assert holds == {"boot.json", "live.json"}
    assert all((edge.folder / name).stat().st_mode & 0o077 == 0 for name in (*holds, "last.json"))


def test_strangers_readers_admins_and_other_accounts_are_not_let_in(world: World) -> None:
    token = world.token()
    way = WayHome.of(json.loads(json.dumps(booted(world, token))))
    way.check("edge-1")
    for bad in ("", "bw_" + "x" * 43, "nonsense"):
        with pytest.raises(Unauthenticated):
            WayHome.of(booted(world, bad)).check("edge-1")
    for role in ("", "reader", "owner"):
        with pytest.raises(Forbidden, match="may serve no namespace"):
            WayHome.of(booted(world, world.token(f"{role or 'no'}-one", role))).check("edge-9")
    admin = world.registry.admin.people.add("root")
    world.registry.admin.people.change(admin.name, is_admin=True)
    with pytest.raises(Forbidden):
        WayHome.of(booted(world, world.token("root", ""))).check("edge-9")
    # The name is the first account's, whoever else may serve the same namespace.
    with pytest.raises(Forbidden, match="another account"):
        WayHome.of(booted(world, world.token("elsewhere"))).check("edge-1")
    assert [each.name for each in world.registry.gateways.list()] == ["edge-1"]
    with pytest.raises(Unauthenticated):
        world.edge("edge-2", "bw_" + "x" * 43).start()
    # A forgotten name is free; nothing is forgotten of what was counted.
    assert world.registry.gateways.forget("edge-1").account == "edge"
    with pytest.raises(RecordNotFound):
        world.registry.gateways.forget("edge-1")
    WayHome.of(booted(world, world.token("elsewhere"))).check("edge-1")


def booted(world: World, token: str) -> dict[str, Any]:
    assert world.tls is not None
    place, shows = Place("127.0.0.1", 1, "/x/access.log"), Shows(token, str(world.tls.certificate))
    return boot("edge-1", place, Backend("127.0.0.1", world.port, tls=True), "/x/admin.sock", shows)


def test_a_control_plane_that_nobody_vouches_for_gets_no_token(world: World) -> None:
    token, other = world.token(), certificate(world.folder, "other")
    edge = world.edge("edge-1", token)
    shows = Shows(token, str(other.certificate), sends=True)
    edge.wanted = Wanted("edge-1", edge.wanted.place, edge.wanted.control, shows, Bounds(), 1)
    with pytest.raises(GatewayDown):
        WayHome.of(boot("edge-1", edge.wanted.place, edge.wanted.control, "/x", shows)).check("edge-1")
    with pytest.raises(GatewayDown):
        edge.start()
    assert process.running(edge.folder) is None
    assert world.registry.gateways.list() == ()
    with pytest.raises(BadValue, match="at the loopback address only"):
        ControlPlane(world.registry.house, "0.0.0.0")
    with pytest.raises(AssertionError):
        boot("edge-1", edge.wanted.place, Backend("10.0.0.1", 18_000), "/x", Shows(token))


def test_a_revoked_token_is_so_at_once_and_the_gateway_serves_what_it_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budwood.server.control.LOOKING_S", 60.0)  # It hears of it, or this takes too long.
    token = world.token()
    edge = world.edge("edge-1", token).start()
    eventually(lambda: edge.status() == 200 and (edge.folder / "last.json").exists())
    eventually(lambda: status_of(edge.folder).connected)
    (record,) = world.registry.admin.tokens.list("edge")
    world.registry.admin.tokens.revoke(record.id)
    eventually(lambda: not world.registry.gateways.list()[0].connected)
    world.registry.endpoints.split("fraud", {"canary": 10_000})
    eventually(lambda: not status_of(edge.folder).connected)
    assert {edge.arm() for _ in range(20)} == {"stable"}
    eventually(lambda: (logs := status_of(edge.folder).logs) is not None and "unauthenticated" in logs.why)
    # Started again it goes on with what it took last; with a new token it hears what it missed.
    edge.start()
    assert "refuses this gateway" in edge.said
    assert edge.arm() == "stable"
    edge.wanted = world.edge("edge-1", world.token(), port=edge.wanted.place.port).wanted
    edge.start()
    assert edge.said == ""
    # A gateway that did not get through at once waits before it tries again.
    eventually(lambda: edge.arm() == "canary", 60)


def test_a_renewed_token_is_taken_by_itself_and_no_request_is_lost(world: World) -> None:
    file, token = world.folder / "gateway.token", world.token()
    file.write_text(token)
    edge = world.edge("edge-1", token)
    edge.wanted = replace(edge.wanted, token_file=file)
    edge.start()
    eventually(lambda: edge.status() == 200 and status_of(edge.folder).connected)
    before = process.running(edge.folder)
    file.write_text("bw_" + "x" * 43)  # Nobody's: it goes on with the one that it has.
    asked = threading.Thread(target=edge.ask, args=(300,))
    asked.start()
    (old,) = world.registry.admin.tokens.list("edge")
    eventually(lambda: "refuses" in status_of(edge.folder).token)
    assert process.running(edge.folder) == before
    file.write_text(world.token())
    eventually(lambda: process.running(edge.folder) != before, 60)
    assert status_of(edge.folder).token == ""
    asked.join()
    world.registry.admin.tokens.revoke(old.id)
    world.registry.endpoints.split("fraud", {"canary": 10_000})
    eventually(lambda: edge.arm() == "canary", 60)
    eventually(lambda: (logs := status_of(edge.folder).logs) is not None and logs.state == "sending")
    kept = {path.name for path in edge.folder.iterdir() if path.is_file() and token.encode() in path.read_bytes()}
    assert kept == set()


def test_a_renewed_certificate_needs_no_restart(world: World) -> None:
    assert world.tls is not None
    token = world.token()
    WayHome.of(booted(world, token)).check("edge-1")
    new = certificate(world.folder, "new")
    world.tls.key.write_bytes(new.key.read_bytes())
    world.tls.certificate.write_bytes(new.certificate.read_bytes())
    eventually(lambda: lets_in(world, token))


def lets_in(world: World, token: str) -> bool:
    with suppress(GatewayDown):
        WayHome.of(booted(world, token)).check("edge-1")
        return True
    return False


def is_all_counted(world: World) -> bool:
    """What is known of a request is written before it counts."""
    counted = world.counted()
    time.sleep(1)
    return 0 < counted == world.counted()


def test_every_request_counts_once_whoever_is_killed_when(world: World) -> None:
    token = world.token()
    bounds = Bounds(file_bytes=16_000, disk_bytes=64 << 20, files=2)
    edge = world.edge("edge-1", token, bounds).start()
    eventually(lambda: edge.status() == 200)
    canary = f"http://127.0.0.1:{world.backends['canary'].backend.port}"
    world.registry.endpoints.remove("fraud")
    world.put()
    world.registry.rollouts.start("fraud", "fraud@v2", PLAN, backends=[canary])
    eventually(lambda: edge.status("/predict/fraud/v2") == 200 and edge.status() == 200)
    generation = world.registry.endpoints.show("fraud").generation
    eventually(lambda: world.control.generation("default.fraud") == generation)
    ids = edge.ask(1)
    eventually(lambda: known(world, ids[0]) and is_all_counted(world))
    before = world.counted()
    asked = 0
    for turn in range(6):
        ids = edge.ask(150)
        asked += len(ids)
        if turn % 3 == 0:
            edge.kill(behind=turn > 0)
        elif turn % 3 == 1:
            world.again()
        else:
            edge.start()  # A new process takes the gateway over.
    eventually(lambda: known(world, ids[-1]), 30)
    eventually(lambda: world.counted() - before >= asked, 30)
    time.sleep(0.5)  # Whatever came twice would come now.
    assert world.counted() - before == asked
    # A file was put away when it was full, and all of it was taken.
    logs = status_of(edge.folder).logs
    assert logs is not None
    assert logs.lost_bytes == 0
    eventually(lambda: status_of(edge.folder).logs.waiting_bytes == 0)  # type: ignore[union-attr]
    assert len(list(edge.folder.glob("access.log.*"))) >= 1


def test_captures_of_both_sides_are_sent_and_compared_once(world: World) -> None:
    bounds = Bounds(file_bytes=16_000, disk_bytes=64 << 20, files=2)
    edge = world.edge("edge-1", world.token(), bounds).start()
    eventually(lambda: edge.status() == 200)
    world.registry.endpoints.remove("fraud")
    world.put()
    canary = f"http://127.0.0.1:{world.backends['canary'].backend.port}"
    plan = PLAN.replace("[{canary: 50%, hold: 3600s}]", "[{shadow: 100%, hold: 3600s}, {canary: 5%}]").replace(
        "watch: sample-ratio", "watch: disagreement, limit: 1.0"
    )
    plan += "  compare: {type: class, field: path}\n"
    world.registry.rollouts.start("fraud", "fraud@v2", plan, backends=[canary])
    generation = world.registry.endpoints.show("fraud").generation
    eventually(lambda: world.control.generation("default.fraud") == generation)
    before = pairs(world)
    for turn in range(3):
        edge.ask(60)
        if turn == 0:
            edge.kill(behind=False)
        elif turn == 1:
            world.again()
    eventually(lambda: pairs(world) - before >= 180)
    assert pairs(world) - before == 180


def pairs(world: World) -> int:
    return world.registry.rollouts.show("fraud").pairs


def known(world: World, request: str) -> bool:
    with suppress(RecordNotFound):
        return bool(world.registry.endpoints.which(request))
    return False


def test_what_a_gateway_says_of_other_namespaces_is_nothing(world: World) -> None:
    world.put("risk")
    token = world.token("thief", namespace="risk")
    answer = sent(world, token, Piece("edge-7", "a1", 0, lines("default.fraud", 3) + lines("risk.fraud", 3)))
    assert json.loads(answer) == {"read": len(lines("default.fraud", 3) + lines("risk.fraud", 3))}
    assert not known(world, request_id("default.fraud", 0))
    assert world.registry.endpoints.which(request_id("risk.fraud", 0), namespace="risk").version == "risk/fraud@v1"
    # A request that was answered elsewhere stays so, whoever claims its id.
    world.registry.admin.grants.give("default", "edge2", "gateway") if world.token("edge2") else None
    sent(world, world.token("edge2"), Piece("edge-8", "b1", 0, lines("default.fraud", 1, like="risk.fraud")))
    assert world.registry.endpoints.which(request_id("risk.fraud", 0), namespace="risk").version == "risk/fraud@v1"
    # A name that is another account's, a piece that is none, one that begins elsewhere.
    with pytest.raises(grpc.RpcError, match="PERMISSION_DENIED"):
        sent(world, token, Piece("edge-8", "c1", 0, lines("risk.fraud", 1)))
    for garbage in (b"", b"{}\n", b"[1]\n", b'{"gateway": "", "log": "x"}\n', b"\x00" * 70_000):
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            sent(world, token, garbage)
    assert json.loads(sent(world, token, Piece("edge-7", "a1", 0, b"{}\n")))["read"] > 3
    assert json.loads(sent(world, token, Piece("edge-7", "z9", 7, b"{}\n"))) == {"read": 0}


def request_id(endpoint: str, number: int) -> str:
    return f"00000000-0000-4000-8000-{number:04x}{endpoint.encode().hex()[:8]:0>8}"


def lines(endpoint: str, count: int, like: str = "") -> bytes:
    said = [
        {
            "at": f"{time.time():.6f}",
            "request": request_id(like or endpoint, number),
            "endpoint": endpoint,
            "generation": "1",
            "why": "split",
            "cluster": f"{endpoint}.stable",
            "code": 200,
            "us": 900,
        }
        for number in range(count)
    ]
    return b"".join(json.dumps(each, sort_keys=True).encode()[:-1] + b"}\n" for each in said)


def sent(world: World, token: str, piece: Piece | bytes) -> bytes:
    way = WayHome.of(booted(world, token))
    with way.channel() as channel:
        call: Any = channel.stream_stream(f"/{SERVICE}/{METHOD}")
        message = piece.packed() if isinstance(piece, Piece) else piece
        answer: bytes = next(call(iter([message]), metadata=way.metadata, timeout=10))
        return answer


@open_door
def test_gateways_on_one_control_plane_each_say_what_they_took_and_refused(world: World) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    edges = [world.edge(f"edge-{number}").start() for number in range(3)]
    blocked = world.edge("edge-blocked", port=taken.getsockname()[1]).start()
    generation = world.registry.endpoints.split("fraud", {"canary": 10_000}).generation
    eventually(lambda: all(edge.arm() == "canary" for edge in edges))
    eventually(lambda: all(not each.behind for each in world.registry.gateways.list()))
    found = {each.name: each for each in world.registry.gateways.list()}
    assert all(found[f"edge-{number}"].connected and not found[f"edge-{number}"].refused for number in range(3))
    # Its listener's place was taken, and it says so in its own words.
    ((kind, words),) = found["edge-blocked"].refused.items()
    assert kind.endswith("Listener")
    assert "cannot bind" in words
    assert status_of(blocked.folder).refused > 0
    assert world.registry.endpoints.show("fraud").generation == generation
    taken.close()
    for edge in edges[1:]:
        process.stop(edge.folder)
    eventually(lambda: sum(each.connected for each in world.registry.gateways.list()) == 2)


@open_door
def test_a_roll_back_in_another_process_is_heard_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budwood.server.control.LOOKING_S", 60.0)  # Longer than is waited below.
    edge = world.edge("edge-1").start()
    eventually(lambda: edge.status() == 200)
    world.again()
    eventually(lambda: world.control.generation("default.fraud") > 0)
    with budwood.connect(world.folder / "registry", author="jon") as other:
        for arm in ("canary", "stable"):
            generation = other.endpoints.split("fraud", {arm: 10_000}).generation
            eventually(lambda: world.control.generation("default.fraud") == generation)  # noqa: B023
            assert edge.arm() == arm
