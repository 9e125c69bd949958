"""A real gateway with a control plane beside it, and backends that say who they are."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")
pytest.importorskip("envoy")

from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.delivery.xds.service import Control, serve
from budwood.delivery.xds.snapshot import Snapshot, snapshot
from budwood.domain.traffic.endpoint import Arm, Backend, Endpoint, Routing
from tests.waiting import eventually as eventually

NODE = "gateway-1"


class _Says(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        heard = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"arm": self.server.arm, "path": self.path, "heard": heard}).encode()  # type: ignore[attr-defined]
        head, body = self.server.binary or (0, body)  # type: ignore[attr-defined]
        self.send_response(self.server.answers)  # type: ignore[attr-defined]
        if head:
            self.send_header("inference-header-content-length", str(head))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815  (the names are the library's)

    def log_message(self, *said: object) -> None:
        pass


class Says(ThreadingHTTPServer):
    """A backend: it answers with its arm, the path it was asked at and the headers it heard; or with ``binary``, which
    is how much of a body is JSON, and the body."""

    daemon_threads = True

    def __init__(self, arm: str, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Says)
        self.arm, self.answers = arm, 200
        self.binary: tuple[int, bytes] | None = None
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def backend(self) -> Backend:
        return Backend("127.0.0.1", self.server_address[1])


@dataclass
class Loop:
    """An event loop in a thread."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __post_init__(self) -> None:
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work: Any, wait_s: float = 20) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(wait_s)


@dataclass(frozen=True)
class Answer:
    status: int
    arm: str
    headers: Mapping[str, str]
    heard: Mapping[str, str]
    path: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)


class Client:
    """Keeps its connection."""

    def __init__(self, place: Place) -> None:
        self._connection = http.client.HTTPConnection(place.host, place.port, timeout=10)

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body: bytes = b'{"inputs": []}') -> Answer:
        told = {"content-type": "application/json", **(headers or {})}
        self._connection.request("POST", path, body, told)
        answer = self._connection.getresponse()
        body = answer.read()
        heard = {name.lower(): value for name, value in answer.getheaders()}
        head = int(heard.get("inference-header-content-length", len(body)))
        said = json.loads(body[:head]) if body.startswith(b"{") else {}
        return Answer(answer.status, said.get("arm", ""), heard, said.get("heard", {}), said.get("path", ""), said)

    def close(self) -> None:
        self._connection.close()


@dataclass
class Gateway:
    """What a test holds: the gateway, its control plane, and a client that keeps its connection."""

    folder: Path
    place: Place
    on: Loop
    control: Control
    server: Any
    port: int
    client: Client

    def obey(self, *routings: Routing) -> Mapping[str, str]:
        """Tell it, and wait until it took it: what it refused."""
        wanted = snapshot(self.place, {routing.key: routing for routing in routings})
        return self.told(wanted)

    def told(self, wanted: Snapshot) -> Mapping[str, str]:
        self.on.run(self.control.publish(NODE, wanted))
        refused: Mapping[str, str] = self.on.run(self.control.taken(NODE, wanted))
        return refused

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body: bytes = b'{"inputs": []}') -> Answer:
        return self.client.ask(path, headers, body)


@pytest.fixture(scope="session")
def loop() -> Loop:
    return Loop()


@pytest.fixture
def backends() -> Iterator[dict[str, Says]]:
    yield from _backends()


@pytest.fixture(scope="module")
def some_backends() -> Iterator[dict[str, Says]]:
    """Of every test of a file."""
    yield from _backends()


def _backends() -> Iterator[dict[str, Says]]:
    made = {arm: Says(arm) for arm in ("stable", "canary", "third")}
    yield made
    for each in made.values():
        each.shutdown()
        each.server_close()


@pytest.fixture
def endpoint(backends: dict[str, Says]) -> Endpoint:
    return _endpoint(backends)


@pytest.fixture(scope="module")
def one_endpoint(some_backends: dict[str, Says]) -> Endpoint:
    """Of every test of a file."""
    return _endpoint(some_backends)


def _endpoint(backends: dict[str, Says]) -> Endpoint:
    return Endpoint(
        "default",
        "fraud",
        "fraud-detector",
        "stable",
        (
            Arm("stable", 1, "aa" * 32, (backends["stable"].backend,), ("1.0.0", "champion")),
            Arm("canary", 2, "bb" * 32, (backends["canary"].backend,), ("1.1.0",)),
            Arm("third", 3, "cc" * 32, (backends["third"].backend,)),
        ),
        asks_at="/v2/models/fraud-detector/infer",
    )


@pytest.fixture
def gateway(tmp_path: Path, loop: Loop) -> Iterator[Gateway]:
    yield from _gateway(tmp_path, loop)


@pytest.fixture(scope="module")
def one_gateway(tmp_path_factory: pytest.TempPathFactory, loop: Loop) -> Iterator[Gateway]:
    """Of every test of a file."""
    yield from _gateway(tmp_path_factory.mktemp("gateway"), loop)


def _gateway(tmp_path: Path, loop: Loop) -> Iterator[Gateway]:
    control = Control()
    server, port = loop.run(serve(control, "127.0.0.1", 0))
    place = Place("127.0.0.1", free_port(), str(tmp_path / "access.log"))
    told = written(boot(NODE, place, Backend("127.0.0.1", port), str(tmp_path / "admin.sock")))
    loop.run(control.publish(NODE, snapshot(place, {})))
    process.start(tmp_path, told, process.program(), workers=1)
    made = Gateway(tmp_path, place, loop, control, server, port, Client(place))
    yield made
    made.client.close()
    process.stop(tmp_path)
    loop.run(server.stop(None))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
