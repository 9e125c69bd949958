"""``python -m benchmarks.server --out DIR``: measure a server and its peer, and write the table.

Readings are appended to ``readings.jsonl`` as they come; ``--table-only`` writes the table again from what is there.
The peer is found in the environment that ``python -m benchmarks.peers`` makes, PostgreSQL as the tests find it.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.server import acts, mlflow, moves
from benchmarks.server.acts import Read, ours, remembered
from benchmarks.server.fill import filled
from benchmarks.server.homes import Home, budwood_server, postgres
from benchmarks.server.readings import Reading, Readings
from benchmarks.server.rows import PEER, figures
from benchmarks.server.within import writes
from benchmarks.table import markdown

READINGS, TABLE = "readings.jsonl", "server.md"
PARTS = ("sqlite", "postgres", "mlflow", "moves", "small")
ALIAS_ANSWER_BYTES = 1_100
SHOWN_CHARS = 300


def main() -> int:
    """Measure what is asked, then write the table."""
    asked = _parser().parse_args()
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    if not asked.table_only:
        for _ in range(asked.repeats):
            keep(measured(asked, out), out / READINGS)
    table = markdown(figures(Readings.read(out / READINGS)))
    (out / TABLE).write_text(table, encoding="utf-8")
    print(table)
    return 0


def measured(asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """Every part that is asked, once."""
    parts = asked.parts.split(",") if asked.parts else PARTS
    here = Home("sqlite", out / f"sqlite-{asked.versions}")
    print(f"load average before: {os.getloadavg()[0]:.2f}", flush=True)
    if "sqlite" in parts:
        yield from at_home(here, asked, out)
    if "mlflow" in parts:
        yield from at_the_peer(asked, out)
    if "postgres" in parts:
        # Its own user must reach it, and a socket's path must be short.
        with tempfile.TemporaryDirectory(prefix="budwood-bench-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)
            with postgres(Path(folder) / "pg") as there:
                if there is None:
                    yield Reading("budwood", "postgres", "all", fault="PostgreSQL is not installed")
                else:
                    yield from at_home(there, asked, out)
    if "moves" in parts:
        yield from moved(asked, out)
    if "small" in parts:
        read = ours(here)
        filled(here, asked.versions)
        yield from acts.start(read, here, out / "log", 5)
        yield from acts.importing(read, 5)


def at_home(home: Home, asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """All that is asked of one filled server."""
    read = ours(home)
    took = filled(home, asked.versions)
    yield read.of("fill s", took)
    talks = acts.alias_talks(asked.versions)
    with budwood_server(home, out / "log") as server:
        yield from remembered(read, "alias", server, lambda: acts.peak(read, "alias", server, talks, asked.seconds))
        yield from remembered(read, "search", server, lambda: acts.searches(read, server))
        small = out / "small"
        yield from remembered(read, "register", server, lambda: acts.register(read, server, small, asked.registrations))
    yield from writes(read, home, asked.registrations)
    yield from acts.generator(read, talks, ALIAS_ANSWER_BYTES, 5_000.0, min(asked.seconds, 5.0))


def at_the_peer(asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """MLflow's server, if it is here."""
    read = Read(PEER, "sqlite")
    if missing := mlflow.missing(asked.peers):
        yield read.fault("all", missing)
        return
    with mlflow.mlflow_server(out / "mlflow", asked.peers) as server:
        yield read.of("start s", server.started_s)
        yield from mlflow.aliases(read, server, asked.seconds)
        yield from mlflow.register(read, server, min(asked.registrations, 500))
    shutil.rmtree(out / "mlflow")


def moved(asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """A large model, in process, over loopback, through the peer."""
    if asked.model is None:
        return
    move = moves.Move(asked.model, out / "move")
    yield from moves.in_process(move)
    yield from moves.over_loopback(move, Home("sqlite", move.room / "registry"))
    if not mlflow.missing(asked.peers):
        yield from moves.by_mlflow(move, asked.peers)


def keep(readings: Iterable[Reading], path: Path) -> None:
    """Append each as it comes, and say so."""
    with path.open("a", encoding="utf-8") as file:
        for reading in readings:
            file.write(reading.to_line() + "\n")
            file.flush()
            shown = reading.fault[:SHOWN_CHARS] or f"{reading.value:g}"
            print(f"{reading.tool} · {reading.home} · {reading.what}: {shown}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where readings, table and registries go")
    parser.add_argument("--versions", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each load lasts")
    parser.add_argument("--registrations", type=int, default=4_000)
    parser.add_argument("--model", type=Path, default=None, help="a large file to push and pull")
    parser.add_argument("--peers", type=Path, default=Path("benchmarks/data/peers"), help="the peers' environment")
    parser.add_argument("--parts", default="", metavar="NAME,…", help=f"only these of {', '.join(PARTS)}")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--table-only", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
