"""The peer: MLflow's tracking server on SQLite and a folder, without authentication, which is how it comes.

It gets a few thousand requests' worth of models and not a million: that is already enough to see its speed, and
filling it would take hours.
"""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from benchmarks.meter import Cost, measure
from benchmarks.peers.hubs import Mlflow
from benchmarks.server.acts import WRITERS, Read, get, peak, post
from benchmarks.server.homes import Server, answering, running
from benchmarks.server.load import Plan, Talk, ask
from benchmarks.server.readings import Reading

MODELS = 50
INSIDE = Path(__file__).parent / "inside"
API = "/api/2.0/mlflow"


def missing(peers: Path) -> str:
    """Why it cannot be run here; empty when it can."""
    return Mlflow.missing(peers)


@contextlib.contextmanager
def mlflow_server(room: Path, peers: Path) -> Iterator[Server]:
    """One worker, as our server has one process."""
    shutil.rmtree(room, ignore_errors=True)
    (room / "artifacts").mkdir(parents=True)
    port = free_port()
    words = [str(peers / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{room / 'mlflow.db'}"]
    words += ["--artifacts-destination", (room / "artifacts").as_uri()]
    # Its access log goes to where it prints: a pipe that nobody reads would stop it.
    log = os.open(room / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with running(words, environment(peers), log, log) as (child, began):
            server = answering(child, f"http://127.0.0.1:{port}", "/health", began)
            # Half of it is imported, and the schema is made, when something is first asked.
            ask_once(server, [[get(f"{API}/experiments/get?experiment_id=0")]])
            yield server
    finally:
        os.close(log)


def environment(peers: Path) -> dict[str, str]:
    """For the server and for its clients."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    return {**os.environ, "PATH": f"{peers / 'bin'}{os.pathsep}{os.environ['PATH']}", **quiet}


def aliases(read: Read, server: Server, seconds: float) -> Iterator[Reading]:
    """Resolving an alias, as it is asked of ours."""
    for number in range(MODELS):
        name = f"model-{number:06d}"
        steps: list[Talk] = [
            [post(f"{API}/registered-models/create", {"name": name})],
            [post(f"{API}/model-versions/create", {"name": name, "source": f"s3://bench/{name}"})],
            [post(f"{API}/registered-models/alias", {"name": name, "alias": "champion", "version": "1"})],
        ]
        for step in steps:
            seen = ask_once(server, [step])
            if seen:
                yield read.fault("alias", seen)
                return
    talks = [[get(f"{API}/registered-models/alias?name=model-{number:06d}&alias=champion")] for number in range(MODELS)]
    yield from peak(read, "alias", server, talks, seconds)


def register(read: Read, server: Server, count: int) -> Iterator[Reading]:
    """A version with two tags: one request, one row of each."""
    tags = [{"key": "team", "value": "bench"}, {"key": "task", "value": "rank"}]
    body = {"name": "model-000001", "source": "s3://bench/model-000001", "tags": tags}
    talks: list[Talk] = [[post(f"{API}/model-versions/create", body)] for _ in range(count)]
    cpu_s = server.cpu_s()
    seen = ask(Plan(server.host, server.port, talks, WRITERS, seconds=60, once=True))
    if seen.failed or not seen.count:
        yield read.fault("register", seen.fault)
        return
    yield read.of("register /s", seen.rate)
    yield read.of("register p99 ms", seen.p99_ms)
    yield read.of("register server µs", (server.cpu_s() - cpu_s) / seen.count * 1e6)


def push(server: Server, model: Path, note: Path, peers: Path) -> Cost:
    """A folder through the artifact proxy; the run's id goes into the note."""
    return _inside("push", server, peers, str(model), str(note))


def pull(server: Server, note: Path, into: Path, peers: Path) -> Cost:
    """And back."""
    return _inside("pull", server, peers, str(note), str(into))


def _inside(act: str, server: Server, peers: Path, *words: str) -> Cost:
    python = str(peers / "bin" / "python")
    tracking = {"MLFLOW_TRACKING_URI": server.address}
    return measure([python, str(INSIDE / f"mlflow_{act}.py"), *words], Path.cwd(), environment(peers) | tracking)


def ask_once(server: Server, talks: list[Talk]) -> str:
    """What went wrong; empty when nothing did."""
    seen = ask(Plan(server.host, server.port, talks, connections=1, seconds=60, once=True))
    return seen.fault or ("" if seen.count else "no answer")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
