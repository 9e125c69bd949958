"""Two servers on one database are one registry: what is done at one is there at the other, and either may go."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import budwood

pytestmark = pytest.mark.slow
WORDS = [sys.executable, "-m", "budwood", "serve", "--port", "0", "--json"]
STOPPING_S = 40


@dataclass(frozen=True, slots=True)
class Running:
    """A server process; ``bootstrap`` is the token it printed, if it did."""

    child: "subprocess.Popen[bytes]"
    address: str
    bootstrap: str

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextlib.contextmanager
def servers(count: int, environment: dict[str, str], log: Path) -> Iterator[list[Running]]:
    """All started at the same moment."""
    with log.open("ab") as errors, contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(subprocess.Popen(WORDS, env=environment, stdout=subprocess.PIPE, stderr=errors))
            for _ in range(count)
        ]
        for child in children:
            stack.callback(child.kill)
        yield [said(child, log) for child in children]


def said(child: "subprocess.Popen[bytes]", log: Path) -> Running:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line.startswith(b'{"address"'), line + log.read_bytes()
    words = json.loads(line)
    return Running(child, words["address"], words.get("bootstrap", ""))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client remembers of files is not kept in anybody's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def environment(postgres_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "XDG_"))}
    own = {"BUDWOOD_DATABASE": postgres_url, "BUDWOOD_REGISTRY": str(tmp_path / "registry")}
    return kept | own | {"HOME": str(tmp_path)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(3_000_000))
    return folder


def first_admin(server: Running, token: str) -> str:
    request = urllib.request.Request(
        f"{server.address}/v1/bootstrap",
        data=json.dumps({"name": "ada"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"]["secret"])


def test_of_servers_that_start_together_one_prints_the_token_and_all_know_it(
    environment: dict[str, str], model: Path, tmp_path: Path
) -> None:
    with servers(2, environment, tmp_path / "log") as (one, other):
        offered = [server.bootstrap for server in (one, other) if server.bootstrap]
        assert len(offered) == 1
        token = first_admin(other if one.bootstrap else one, offered[0])
        with budwood.connect(one.address, token=token) as registry:
            registry.push(model, "ranker", aliases=["champion"])
        with budwood.connect(other.address, token=token) as registry:
            registry.pull("ranker@champion", tmp_path / "pulled")
            registry.alias("ranker@v1", "baseline")
        with budwood.connect(one.address, token=token) as registry:
            assert registry.get("ranker@baseline").number == 1
    assert (tmp_path / "pulled" / "weights.bin").read_bytes() == (model / "weights.bin").read_bytes()


def test_one_that_is_told_to_stop_says_so_and_the_other_goes_on(
    environment: dict[str, str], model: Path, tmp_path: Path
) -> None:
    with servers(2, environment, tmp_path / "log") as (one, other):
        token = first_admin(one, one.bootstrap or other.bootstrap)
        with budwood.connect(one.address, token=token) as registry:
            registry.push(model, "ranker")
        assert (one.status("/healthz"), one.status("/readyz")) == (200, 200)
        one.child.send_signal(signal.SIGTERM)
        while (ready := one.status("/readyz")) == 200:
            pass
        assert ready == 503
        assert one.child.wait(STOPPING_S) == 0
        with budwood.connect(other.address, token=token) as registry:
            assert registry.get("ranker").number == 1


def test_a_server_that_is_killed_leaves_nothing_that_the_next_one_lacks(
    environment: dict[str, str], model: Path, tmp_path: Path
) -> None:
    with servers(1, environment, tmp_path / "log") as (one,):
        token = first_admin(one, one.bootstrap)
        with budwood.connect(one.address, token=token) as registry:
            registry.push(model, "ranker", tags={"team": "search"})
        one.child.send_signal(signal.SIGKILL)
        one.child.wait(10)
    with servers(1, environment, tmp_path / "log") as (next_one,):
        assert next_one.bootstrap == ""
        with budwood.connect(next_one.address, token=token) as registry:
            assert [version.number for version in registry.search("tags.team = search").versions] == [1]
            assert registry.verify(read_data=True).problems == ()
