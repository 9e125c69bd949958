"""Where the records of a benchmarked registry lie, and the server in front of them.

A home is a folder, and for PostgreSQL a database of a cluster of its own, as durable as one is in production. Its
people are made once: ``ada`` is admin, ``rosa`` reads and writes in every room of the filling.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.meter import PeakWatch, process_tree
from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.access import Role
from budwood.domain.people import Grant, PrincipalKind, TokenRecord
from budwood.wiring import CATALOG_FILE

ROOMS = tuple(f"team-{number}" for number in range(20))
ADMIN, MEMBER = "ada", "rosa"
CLUSTER = ("max_connections=100", "shared_buffers=256MB", "listen_addresses=", "max_wal_size=4GB")
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Home:
    """``database`` is empty for SQLite."""

    name: str
    folder: Path
    database: str = field(default="", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """For every process that opens it."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "AWS_"))}
        own = {"BUDWOOD_REGISTRY": str(self.folder), "BUDWOOD_AUTHOR": "bench"}
        return kept | own | ({"BUDWOOD_DATABASE": self.database} if self.database else {})

    def catalog(self) -> Catalog:
        """Opened in this process; made first where there is none."""
        if not self.database:
            self.folder.mkdir(parents=True, exist_ok=True)
            return SqliteCatalog(self.folder / CATALOG_FILE)
        from budwood.catalog.sql.postgres import PostgresCatalog
        from budwood.catalog.sql.postgres_schema import upgrade

        self.folder.mkdir(parents=True, exist_ok=True)
        upgrade(self.database)
        return PostgresCatalog(self.database)


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs. ``started_s`` is from its start to its first answer."""

    pid: int
    host: str
    port: int
    started_s: float

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def cpu_s(self) -> float:
        """Processor time of all its processes so far."""
        return sum(map(cpu_s, process_tree(self.pid)))


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Home | None]:
    """A home in a cluster that is stopped when left; None where PostgreSQL is not installed."""
    from tests.servers.postgres import Cluster, PostgresServer, server_programs

    programs = server_programs()
    if programs is None:
        yield None
        return
    folder.mkdir(parents=True)
    with Cluster(folder, programs, CLUSTER) as cluster:
        server = PostgresServer(cluster.url)
        yield Home("postgres", folder / "registry", cluster.url(server.make()))


@contextlib.contextmanager
def budwood_server(home: Home, log: Path) -> Iterator[Server]:
    """``budwood serve``, one process, as a user would start it."""
    words = [sys.executable, "-m", "budwood", "serve", "--port", "0", "--json"]
    with log.open("ab") as errors, running(words, home.environment, errors.fileno()) as (child, began):
        assert child.stdout is not None
        said = child.stdout.readline()
        if not said.startswith(b'{"address"'):
            raise RuntimeError(f"the server did not start: {(said + child.stdout.read())[-600:]!r}")
        yield answering(child, json.loads(said)["address"], "/healthz", began)


@contextlib.contextmanager
def running(
    words: list[str], environment: Mapping[str, str], errors: int, output: int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A child and the moment it was started; it is told to stop when left."""
    began = time.perf_counter()
    with subprocess.Popen(words, env=dict(environment), stdout=output, stderr=errors) as child:
        try:
            yield child, began
        finally:
            child.terminate()
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()


def answering(child: "subprocess.Popen[bytes]", address: str, path: str, began: float) -> Server:
    """Waits for the first answer. Raises RuntimeError when none comes."""
    while True:
        try:
            urllib.request.urlopen(address + path, timeout=5).close()
            break
        except OSError as error:
            if child.poll() is not None or time.perf_counter() - began > START_S:
                raise RuntimeError(f"no answer from {address}{path}") from error
            time.sleep(0.01)
    split = urlsplit(address)
    return Server(child.pid, str(split.hostname), int(split.port or 80), time.perf_counter() - began)


@contextlib.contextmanager
def watched(server: Server) -> Iterator[PeakWatch]:
    """Its memory while the block runs."""
    watch = PeakWatch(server.pid)
    try:
        yield watch
    finally:
        watch.stop()


def settle(catalog: Catalog) -> None:
    """Make the people, their roles and tokens, once."""
    catalog.write(_settle)


def token(name: str) -> str:
    """The fixed token of one of them."""
    return "bw_" + name.ljust(43, "x")


def _settle(transaction: Transaction) -> None:
    if transaction.principal(ADMIN) is not None:
        return
    for name in (ADMIN, MEMBER):
        someone = transaction.add_principal(name, PrincipalKind.PERSON, at_ms=1, is_admin=name == ADMIN)
        digest = hashlib.sha256(token(name).encode()).digest()
        transaction.add_token(TokenRecord(name, someone.id, name, "bench", 1), digest)
    for room in ROOMS:
        if transaction.namespace(room) is None:
            transaction.add_namespace(room, at_ms=1)
        transaction.put_grant(Grant(room, MEMBER, Role.OWNER, granted_ms=1))


def cpu_s(pid: int) -> float:
    """Processor seconds of one process; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
