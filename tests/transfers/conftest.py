"""A real server process, its tenants, and a wire that can be cut."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

import budwood
from budwood.catalog.api import Transaction
from budwood.client.models.tensors import write_tensor_dict
from budwood.client.registry import Registry
from budwood.domain.access import Role
from budwood.domain.people import Grant, PrincipalKind, Quota, TokenRecord

NO_QUOTA = Quota()
PEOPLE = {"ruth": "red", "bert": "blue", "ada": ""}
"""Writers of two tenants, and an admin."""


def token_of(name: str) -> str:
    return "bw_" + name.ljust(43, "x")


def settle(folder: Path, quota: Quota = NO_QUOTA) -> None:
    """Make people and namespaces."""

    def work(transaction: Transaction) -> None:
        for name, namespace in PEOPLE.items():
            someone = transaction.add_principal(name, PrincipalKind.PERSON, at_ms=1, is_admin=not namespace)
            if namespace:
                transaction.add_namespace(namespace, at_ms=1, quota=quota)
                transaction.put_grant(Grant(namespace, name, Role.OWNER, granted_ms=1))
            token = TokenRecord(name, someone.id, name, "test", 1)
            transaction.add_token(token, hashlib.sha256(token_of(name).encode()).digest())

    with budwood.connect(folder, author="nobody") as registry:
        registry.house.catalog.write(work)


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Server:
    """``budwood serve`` in a process of its own, over a folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "budwood", "--registry", str(self.folder), "serve", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1", **self.environment},
            )
        for _ in range(1200):
            with suppress(urllib3.exceptions.HTTPError):
                urllib3.request("GET", f"{self.url}/healthz", retries=False, timeout=1)
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGKILL)
            self.running.wait()
            self.running = None

    def as_(self, name: str, url: str = "") -> Registry:
        """The registry as one of its people sees it."""
        return budwood.connect(url or self.url, token=token_of(name), threads=2)


@dataclass
class Wire:
    """A proxy before a server that counts what clients send and get, and cuts every connection when told to.

    ``cut_at``: after so many bytes, once; then ``on_cut`` is called, and when ``dead`` nothing passes any more.
    """

    to_port: int
    sent_bytes: int = 0
    received_bytes: int = 0
    cut_at: int = 0
    dead_after_cut: bool = False
    on_cut: Callable[[], None] = lambda: None
    dead: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        # Closing alone leaves the thread in accept, where it would take connections meant for the next wire.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    assert not self.dead
                    server = socket.create_connection(("127.0.0.1", self.to_port))
                except (OSError, AssertionError):
                    client.close()
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while part := source.recv(16_384):
                if counted and self._counts(len(part)):
                    break
                if not counted:
                    self.received_bytes += len(part)
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _counts(self, length: int) -> bool:
        """Whether this is where the wire is cut."""
        with self._lock:
            before, self.sent_bytes = self.sent_bytes, self.sent_bytes + length
        if not self.cut_at or not before < self.cut_at <= self.sent_bytes:
            return False
        self.dead = self.dead_after_cut
        self.on_cut()
        self._cut()
        return True

    def _cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settle(tmp_path / "registry")
    one = Server(tmp_path / "registry")
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a file that keep out of each other's way."""
    folder = tmp_path_factory.mktemp("shared") / "registry"
    settle(folder)
    one = Server(folder)
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    """Two that know nothing of each other, for all tests of a file."""
    both = [Server(tmp_path_factory.mktemp(name) / "registry") for name in ("one", "other")]
    for each in both:
        settle(each.folder)
        each.start()
    yield both
    for each in both:
        each.kill()


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Further servers, each with a registry of its own."""
    made: list[Server] = []

    def make(quota: Quota = NO_QUOTA, **choices: Any) -> Server:
        folder = tmp_path / f"registry-{len(made)}"
        settle(folder, quota)
        made.append(Server(folder, **choices))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def new_wire() -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(server: Server, **choices: object) -> Wire:
        made.append(Wire(server.port, **choices))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """A folder with real weights; ``moved`` as a light fine-tune of the same seed."""
    count = 0

    def make(seed: int = 1, *, megabytes: float = 1.0, moved: float = 0.0) -> Path:
        nonlocal count
        count += 1
        folder = tmp_path / f"model-{count}"
        folder.mkdir()
        chance = np.random.default_rng(seed)
        rows = max(int(megabytes * 1e6 / 4 / 512 / 2), 1)
        layers = {name: chance.normal(0, 0.05, (rows, 512)).astype(np.float32) for name in ("first", "second")}
        if moved:
            layers["second"] += np.random.default_rng(seed + 999).normal(0, moved, (rows, 512)).astype(np.float32)
        write_tensor_dict(layers, folder)
        (folder / "config.json").write_text('{"hidden": 512}')
        (folder / "notes").mkdir()
        (folder / "notes" / "empty.txt").write_bytes(b"")
        (folder / "notes" / "random.bin").write_bytes(np.random.default_rng(seed).bytes(10_000))
        return folder

    return make


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    def read(folder: Path) -> dict[str, bytes]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not wait between tries."""
    for room in ("blobs", "transport"):
        monkeypatch.setattr(f"budwood.client.far.{room}._FIRST_DELAY_S", 0.001)
        monkeypatch.setattr(f"budwood.client.far.{room}._LONGEST_DELAY_S", 0.05)
