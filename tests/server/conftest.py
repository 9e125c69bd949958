"""A server in a child process, with a tenant for us and one for others, and somebody in every role."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

import budwood
from budwood.catalog.api import Transaction
from budwood.domain.access import Role
from budwood.domain.people import Grant, PrincipalKind, TokenRecord

ROLES = (*Role, "admin", "nobody", "elsewhere")
PROBLEM = "application/problem+json"


def token_of(name: str) -> str:
    """The token of the person in that role."""
    return "bw_" + hashlib.sha256(name.encode()).hexdigest()[:43]


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        """The error, without the one thing in it that differs each time."""
        assert self.headers["content-type"] == PROBLEM, self
        value = self.value
        assert isinstance(value, dict)
        assert value.pop("request_id") == self.headers["x-request-id"]
        return value


@dataclass
class Running:
    """A server. ``said`` is what it printed when it started, ``log`` the lines of its log."""

    child: subprocess.Popen[bytes]
    url: str
    registry: Path
    said: dict[str, Any]
    log: list[str] = field(default_factory=list)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=32, retries=False))

    def ask(
        self,
        method: str,
        path: str,
        *,
        by: str = "",
        token: str = "",
        json: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """``by`` is a role; ``json`` becomes the body."""
        given = dict(headers or {})
        if by or token:
            given["Authorization"] = f"Bearer {token or token_of(by)}"
        if json is not None:
            body = encoded(json)
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        answer = self.pool.request(method, self.url + path, body=body, headers=given, redirect=False, timeout=30)
        return Reply(answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.data)

    def stop(self) -> int:
        """Tell it to stop, and wait until it has."""
        self.pool.clear()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(40)


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """``start(registry, *words)``: a server of that folder, stopped at the end."""
    running: list[Running] = []

    def started(registry: Path, *words: str) -> Running:
        line = [sys.executable, "-m", "budwood", "--registry", str(registry), "serve", "--port", "0", "--json", *words]
        child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stderr is not None
        said = json.loads(child.stdout.readline())
        server = Running(child, said["address"], registry, said)
        reader = threading.Thread(target=_read_log, args=(child.stderr, server.log), daemon=True)
        reader.start()
        running.append(server)
        return server

    yield started
    for server in running:
        server.stop()
        for stream in (server.child.stdout, server.child.stderr):
            assert stream is not None
            stream.close()


def _read_log(stream: Any, log: list[str]) -> None:
    try:
        for line in stream:
            log.append(line.decode())
    except ValueError:
        return  # Closed while it was read.


@pytest.fixture(scope="session")
def make_team(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A registry with the namespaces ours and theirs, a model in each, and a token for every role in ours."""
    root = tmp_path_factory.mktemp("team")
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text('{"layers": 1}')
    with budwood.connect(root / "registry", author="founder") as registry:
        registry.house.catalog.write(_people)
        for name in ("ours/encoder", "theirs/secret"):
            registry.push(root / "model", name, label="1.0.0", aliases=["champion"])
        (root / "model" / "config.json").write_text('{"layers": 2}')
        registry.push(root / "model", "ours/encoder", label="2.0.0")

    def made() -> Path:
        copy = tmp_path_factory.mktemp("copy") / "registry"
        shutil.copytree(root / "registry", copy)
        return copy

    return made


def _people(transaction: Transaction) -> None:
    transaction.add_namespace("ours", at_ms=1)
    transaction.add_namespace("theirs", at_ms=1)
    for name in ROLES:
        someone = transaction.add_principal(name, PrincipalKind.PERSON, at_ms=1, is_admin=name == "admin")
        token = TokenRecord(f"id-{name}", someone.id, name, "test", 1)
        transaction.add_token(token, hashlib.sha256(token_of(name).encode()).digest())
        if name in frozenset(Role):
            transaction.put_grant(Grant("ours", name, Role(name)))
    transaction.put_grant(Grant("theirs", "elsewhere", Role.OWNER))


@pytest.fixture(scope="session")
def team(start: Start, make_team: Callable[[], Path]) -> Running:
    """One server for the tests that change nothing others look at."""
    return start(make_team())


@pytest.fixture
def fresh(start: Start, make_team: Callable[[], Path]) -> Iterator[Running]:
    """A server of one's own."""
    server = start(make_team())
    yield server
    server.pool.clear()
    server.child.kill()
    server.child.wait()
