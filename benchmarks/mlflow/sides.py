"""The two servers that are compared, each at one home: where they answer, and who asks.

Ours wants a token and has its records in a namespace; stock asks for nothing, which is how it comes. It gets one worker
where it is measured, as ours has one process, and what it starts by itself where its start and memory are.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server.acts import Read, get, post
from benchmarks.server.homes import MEMBER, ROOMS, Home, Server, answering, budwood_server, running, token
from benchmarks.server.load import Talk
from benchmarks.server.mlflow import ask_once, environment, free_port
from benchmarks.server.readings import OURS

STOCK = "MLflow"
API = "/api/2.0/mlflow"
NAMESPACE = ROOMS[0]


@dataclass(frozen=True, slots=True)
class Side:
    """A server that runs, and how one speaks to it. ``prefix`` comes before every path."""

    read: Read
    server: Server
    prefix: str = ""
    secret: str = field(default="", repr=False)

    @property
    def uri(self) -> str:
        """What a user of MLflow sets."""
        return self.server.address + self.prefix

    def get(self, path: str) -> Talk:
        return [get(self.prefix + API + path, self.secret)]

    def post(self, path: str, body: object) -> Talk:
        return [post(self.prefix + API + path, body, self.secret)]


@contextlib.contextmanager
def ours(home: Home, log: Path) -> Iterator[Side]:
    """``budwood serve`` over a filled home."""
    with budwood_server(home, log) as server:
        yield Side(Read(OURS, home.name), server, f"/ns/{NAMESPACE}", token(MEMBER))


@dataclass(frozen=True, slots=True)
class Stock:
    """Where stock keeps its records: a folder, and for PostgreSQL a database."""

    name: str
    room: Path
    database: str = ""

    @property
    def backend(self) -> str:
        if not self.database:
            return f"sqlite:///{self.room / 'mlflow.db'}"
        return self.database


@contextlib.contextmanager
def stock(home: Stock, peers: Path, *, workers: int | None = 1) -> Iterator[Side]:
    """``mlflow server``; without ``workers`` it decides itself how many."""
    (home.room / "artifacts").mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = [str(peers / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--workers", str(workers)] if workers else []
    words += ["--backend-store-uri", home.backend]
    words += ["--artifacts-destination", (home.room / "artifacts").as_uri()]
    # Its access log goes to where it prints: a pipe that nobody reads would stop it.
    log = os.open(home.room / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with running(words, environment(peers), log, log) as (child, began):
            server = answering(child, f"http://127.0.0.1:{port}", "/health", began)
            side = Side(Read(STOCK, home.name), server)
            # Half of it is imported, and the schema is made, when something is first asked.
            ask_once(server, [side.get("/experiments/get?experiment_id=0")])
            yield side
    finally:
        os.close(log)


def emptied(room: Path) -> Path:
    """The folder, with nothing in it."""
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    return room
