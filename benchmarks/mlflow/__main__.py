"""``python -m benchmarks.mlflow --out DIR --peers PEERS``: MLflow's server and ours, one after the other in one run.

Readings are appended to ``readings.jsonl`` as they come; ``--table-only`` writes the table again from what is there.
The peer is found in the environment that ``python -m benchmarks.peers`` makes, PostgreSQL as the tests find it; stock
on PostgreSQL wants ``psycopg[binary]`` in that environment, too.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.meter import anonymous_bytes, process_tree
from benchmarks.mlflow import acts, sides
from benchmarks.mlflow.fill import fill_ours, fill_stock
from benchmarks.mlflow.rows import report
from benchmarks.mlflow.sides import STOCK, Side, Stock
from benchmarks.server.__main__ import keep
from benchmarks.server.acts import Read, remembered
from benchmarks.server.homes import CLUSTER, Home
from benchmarks.server.mlflow import missing
from benchmarks.server.readings import OURS, Reading, parse_line

READINGS, TABLE = "readings.jsonl", "mlflow.md"
PARTS = (*acts.ACTS, "artifacts", "small")
HOMES = ("sqlite", "postgres")
SETTLING_S = 3.0


def main() -> int:
    """Measure what is asked, then write the table."""
    asked = _parser().parse_args()
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    if not asked.table_only:
        for _ in range(asked.repeats):
            keep(measured(asked, out), out / READINGS)
    lines = (out / READINGS).read_text("utf-8").splitlines() if (out / READINGS).exists() else []
    table = report([parse_line(line) for line in lines])
    (out / TABLE).write_text(table, encoding="utf-8")
    print(table)
    return 0


def measured(asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """Every home that is asked, stock first."""
    print(f"load average before: {os.getloadavg()[0]:.2f}", flush=True)
    homes = asked.homes.split(",")
    if "sqlite" in homes:
        yield from at_stock(Stock("sqlite", sides.emptied(out / "stock-sqlite")), asked, out)
        yield from at_ours(Home("sqlite", sides.emptied(out / "ours-sqlite")), asked, out)
    if "postgres" in homes:
        yield from on_postgres(asked, out)


def on_postgres(asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """Both in one cluster, a database each."""
    from tests.servers.postgres import Cluster, PostgresServer, server_programs

    programs = server_programs()
    if programs is None:
        yield Reading(OURS, "postgres", "all", fault="PostgreSQL is not installed")
        return
    # Its own user must reach it, and a socket's path must be short.
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="budwood-pg-", ignore_cleanup_errors=True))
        )
        cluster = stack.enter_context(Cluster(folder, programs, CLUSTER))
        server = PostgresServer(cluster.url)
        theirs = Stock("postgres", sides.emptied(out / "stock-postgres"), cluster.url(server.make()))
        yield from at_stock(theirs, asked, out)
        home = Home("postgres", sides.emptied(out / "ours-postgres"), cluster.url(server.make()))
        yield from at_ours(home, asked, out)


def at_stock(home: Stock, asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """Its first start makes the schema; then it is filled and started again."""
    read = Read(STOCK, home.name)
    if fault := missing(asked.peers) or missing_driver(home, asked.peers):
        yield read.fault("all", fault)
        return
    with sides.stock(home, asked.peers):
        pass
    fill_stock(home, asked.runs)
    if "small" in _parts(asked):
        with sides.stock(home, asked.peers, workers=None) as side:
            yield from at_rest(side)
    with sides.stock(home, asked.peers) as side:
        yield from everything(side, asked, out)


def at_ours(home: Home, asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """Filled, started for its start, and started again."""
    fill_ours(home, asked.runs)
    if "small" in _parts(asked):
        with sides.ours(home, out / "log") as side:
            yield from at_rest(side)
    with sides.ours(home, out / "log") as side:
        yield from everything(side, asked, out)


def at_rest(side: Side) -> Iterator[Reading]:
    """From the command to the first answer, and the memory of all its processes when nobody asks."""
    yield side.read.of("start s", side.server.started_s)
    time.sleep(SETTLING_S)
    tree = process_tree(side.server.pid)
    yield side.read.of("rest MB", sum(map(anonymous_bytes, tree)) / 1e6)
    yield side.read.of("rest processes", len(tree))


def everything(side: Side, asked: argparse.Namespace, out: Path) -> Iterator[Reading]:
    """All acts that are asked of one server, and the most memory it took in each."""
    for name, act in acts.ACTS.items():
        if name in _parts(asked):
            yield from remembered(side.read, name, side.server, lambda act=act: act(side, asked.seconds))  # type: ignore[misc]
    if "artifacts" in _parts(asked):
        file = acts.large_file(out, asked.artifact_mib << 20)
        yield from remembered(side.read, "artifact", side.server, lambda: acts.artifact(side, file, asked.peers))
        file.unlink()


def missing_driver(home: Stock, peers: Path) -> str:
    """Stock brings no driver for PostgreSQL."""
    if not home.database or list(peers.glob("lib/python*/site-packages/psycopg")):
        return ""
    return f"psycopg is not installed in {peers.name}"


def _parts(asked: argparse.Namespace) -> tuple[str, ...]:
    return tuple(asked.parts.split(",")) if asked.parts else PARTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlflow", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where readings, table and records go")
    parser.add_argument("--peers", type=Path, default=Path("benchmarks/data/peers"), help="the peers' environment")
    parser.add_argument("--runs", type=int, default=100_000, help="runs, and versions, that are there before")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each load lasts")
    parser.add_argument("--artifact-mib", type=int, default=1024)
    parser.add_argument("--parts", default="", metavar="NAME,…", help=f"only these of {', '.join(PARTS)}")
    parser.add_argument("--homes", default=",".join(HOMES), metavar="NAME,…", help=f"only these of {', '.join(HOMES)}")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--table-only", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
