"""Servers in child processes, a small one and the real one, and what must hold after each attack on them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.siege import Siege, Watch
from tests.attacks.wire import INTERNALS, PATIENCE_S, Reply, exchange
from tests.server.conftest import Start as StartServer
from tests.server.conftest import fresh as fresh
from tests.server.conftest import make_team as make_team
from tests.server.conftest import start as start

MOST_GROWTH_BYTES = 64 << 20


@dataclass
class Target:
    """A running server. ``child`` is it, not a shell around it."""

    child: subprocess.Popen[str]
    port: int
    resting_bytes: int = 0

    def ask(self, sent: bytes, wait_s: float = PATIENCE_S) -> list[Reply]:
        """The answers to raw bytes, checked for what no answer may show."""
        answers = exchange(self.port, sent, wait_s)
        for answer in answers:
            assert "server" not in answer.headers
            if answer.status >= 400:
                assert answer.code, answer
                assert not INTERNALS.search(answer.body), answer.body
        return answers

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]) * 4096

    def assert_well(self) -> None:
        """The same process, answering, not grown."""
        assert self.child.poll() is None, "the server died"
        (healthy,) = self.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert healthy.status == 200
        assert self.resident_bytes - self.resting_bytes < MOST_GROWTH_BYTES


Start = Callable[..., Target]


@pytest.fixture(scope="session")
def start_target() -> Iterator[Start]:
    """``start_target(**limits)``: a server with other limits, stopped at the end."""
    children: list[subprocess.Popen[str]] = []

    def start(**limits: Any) -> Target:
        words = [sys.executable, "-m", "tests.attacks.small_server", json.dumps(limits)]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        target = Target(child, int(child.stdout.readline()))
        for _ in range(20):
            target.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        target.resting_bytes = target.resident_bytes
        return target

    yield start
    for child in children:
        child.terminate()
    for child in children:
        child.wait(20)
        assert child.stdout is not None
        child.stdout.close()


@pytest.fixture(scope="session")
def one_target(start_target: Start) -> Target:
    return start_target(linger_s=0.3)


@pytest.fixture
def target(one_target: Target) -> Iterator[Target]:
    """One server for all attacks; each leaves it well."""
    yield one_target
    one_target.assert_well()


@pytest.fixture(scope="module")
def siege(start: StartServer, make_team: Callable[[], Path]) -> Iterator[Siege]:
    """A real server for the attacks of one file."""
    made = Siege(start(make_team()))
    yield made
    made.end()


@pytest.fixture
def besieged(siege: Siege) -> Iterator[Siege]:
    """The same; it is well afterwards."""
    yield siege
    siege.assert_well()


@pytest.fixture
def unmoved(siege: Siege) -> Iterator[Siege]:
    """The same; it is well afterwards, and nothing became visible."""
    watch = Watch(siege)
    yield siege
    watch.assert_unchanged()
