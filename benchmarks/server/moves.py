"""A large model pushed and pulled: by the command line, over loopback, and beside it in process and through MLflow.

Each act runs in an empty room after a sync, and what was pulled is compared with what was pushed.
"""

import filecmp
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.meter import Cost, measure
from benchmarks.server import mlflow
from benchmarks.server.acts import Read, ours
from benchmarks.server.homes import MEMBER, Home, budwood_server, settle, token, watched
from benchmarks.server.readings import OURS, Reading

FILE = "model.safetensors"
REFERENCE = "team-1/large"


@dataclass(frozen=True, slots=True)
class Move:
    """``model`` is one file; ``room`` is emptied before and after."""

    model: Path
    room: Path

    @property
    def source(self) -> Path:
        return self.room / "source"

    @property
    def target(self) -> Path:
        return self.room / "target"

    def lay(self) -> None:
        """A fresh copy, so that nothing is remembered of it."""
        shutil.rmtree(self.room, ignore_errors=True)
        self.source.mkdir(parents=True)
        shutil.copyfile(self.model, self.source / FILE)
        os.sync()

    def readings(self, read: Read, what: str, cost: Cost, server_cpu_s: float = 0.0) -> Iterator[Reading]:
        """Speed in GB/s, processor seconds of client and server, memory of the client in MB."""
        yield read.of(f"{what} GB/s", self.model.stat().st_size / cost.wall_s / 1e9)
        yield read.of(f"{what} client CPU s", cost.cpu_s)
        yield read.of(f"{what} server CPU s", server_cpu_s)
        yield read.of(f"{what} client memory MB", cost.anonymous_bytes / 1e6)

    def check(self) -> None:
        """Raises RuntimeError when other bytes came back."""
        found = next(self.target.rglob(FILE))
        if not filecmp.cmp(found, self.model, shallow=False):
            raise RuntimeError("other bytes came back")
        shutil.rmtree(self.target)
        os.sync()

    def clean(self) -> None:
        shutil.rmtree(self.room, ignore_errors=True)


def in_process(move: Move) -> Iterator[Reading]:
    """What one person has: a folder."""
    move.lay()
    read = Read(OURS, "in process")
    home = Home("in process", move.room / "registry")
    push, pull = commands(str(home.folder), move)
    yield from move.readings(read, "push", measure(push, move.room, home.environment))
    os.sync()
    yield from move.readings(read, "pull", measure(pull, move.room, home.environment))
    move.check()
    move.clean()


def over_loopback(move: Move, home: Home) -> Iterator[Reading]:
    """Through a server of one process, packs in its folder."""
    move.lay()
    catalog = home.catalog()
    settle(catalog)
    catalog.close()
    read = ours(home)
    with budwood_server(home, move.room / "log") as server:
        push, pull = commands(server.address, move)
        for what, command in (("push", push), ("pull", pull)):
            cpu_s = server.cpu_s()
            with watched(server) as watch:
                cost = measure(command, move.room, client(move.room))
            yield from move.readings(read, what, cost, server.cpu_s() - cpu_s)
            yield read.of(f"memory MB, {what}", watch.anonymous_bytes / 1e6)
            os.sync()
        move.check()
    move.clean()


def by_mlflow(move: Move, peers: Path) -> Iterator[Reading]:
    """Through the artifact proxy."""
    move.lay()
    read = Read("MLflow", "sqlite")
    note = move.room / "note"
    with mlflow.mlflow_server(move.room / "mlflow", peers) as server:
        cpu_s = server.cpu_s()
        cost = mlflow.push(server, move.source, note, peers)
        yield from move.readings(read, "push", cost, server.cpu_s() - cpu_s)
        os.sync()
        cpu_s = server.cpu_s()
        move.target.mkdir()
        cost = mlflow.pull(server, note, move.target, peers)
        yield from move.readings(read, "pull", cost, server.cpu_s() - cpu_s)
        move.check()
    move.clean()


def commands(registry: str, move: Move) -> tuple[list[str], list[str]]:
    """The push and the pull of a user."""
    budwood = [sys.executable, "-m", "budwood", "--registry", registry]
    return (
        [*budwood, "push", str(move.source), REFERENCE, "--json"],
        [*budwood, "pull", REFERENCE, str(move.target), "--json"],
    )


def client(room: Path) -> Mapping[str, str]:
    """Somebody with a token and an empty cache."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "XDG_"))}
    return kept | {"BUDWOOD_TOKEN": token(MEMBER), "XDG_CACHE_HOME": str(room / "cache")}
