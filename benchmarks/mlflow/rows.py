"""From readings to the table: what was promised about MLflow's clients, with stock's figure beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.mlflow.sides import STOCK
from benchmarks.server.readings import Reading, Readings
from benchmarks.table import Figure, Goal, Unit, markdown

HOMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Row:
    """``limit`` is in the row's unit; ``times`` that of stock's own figure, where the goal is a ratio to it."""

    title: str
    what: str
    unit: Unit
    limit: float | None = None
    times: float | None = None
    at_most: bool = True


ROWS: Sequence[Row] = (
    Row("version by alias, 1 client, p50", "alias p50 ms", Unit.MILLISECONDS, 0.8),
    Row("– 8 clients", "alias /s", Unit.RATE, times=25, at_most=False),
    Row("create version, 1 client, p50", "create version p50 ms", Unit.MILLISECONDS),
    Row("– 8 clients", "create version /s", Unit.RATE, times=12, at_most=False),
    Row("create run, 1 client, p50", "create run p50 ms", Unit.MILLISECONDS),
    Row("– 8 clients", "create run /s", Unit.RATE, times=12, at_most=False),
    Row("log metric, 1 client, p50", "log metric p50 ms", Unit.MILLISECONDS),
    Row("– 8 clients", "log metric /s", Unit.RATE, times=12, at_most=False),
    Row("log_batch of 1,000 metrics, 1 client, p50", "log batch p50 ms", Unit.MILLISECONDS),
    Row("– 8 clients", "log batch /s", Unit.RATE, times=12, at_most=False),
    Row("metric history of 3,000 points, p50", "history p50 ms", Unit.MILLISECONDS, 8),
    Row("newest 100 versions, p50", "versions newest p50 ms", Unit.MILLISECONDS, 5),
    Row("versions by tag, p50", "versions by tag p50 ms", Unit.MILLISECONDS, 5),
    Row("version by run, p50", "versions by run p50 ms", Unit.MILLISECONDS, 5),
    Row("search runs, filter and order by a metric, p50", "search runs p50 ms", Unit.MILLISECONDS, 50),
    Row("artifact up, unmodified client", "artifact up GB/s", Unit.SPEED, 0.6, at_most=False),
    Row("start to first answer", "start s", Unit.SECONDS, 1),
    Row("server's anonymous memory at rest", "rest MB", Unit.MEMORY, 150),
    Row("– under all this", "memory MB", Unit.MEMORY, 150),
)


def figures(readings: Readings) -> list[Figure]:
    """Every row of SQLite, then every row of PostgreSQL."""
    return [_figure(readings, row, home) for home in HOMES for row in ROWS]


def report(read: Sequence[Reading]) -> str:
    """The table, and beneath it what could not be measured, and why."""
    faults = sorted({f"- {_said(reading)}" for reading in read if reading.fault})
    listed = "\nNot measured:\n\n" + "\n".join(faults) + "\n" if faults else ""
    return markdown(figures(Readings(read))) + listed


def _figure(readings: Readings, row: Row, home: str) -> Figure:
    theirs = _value(readings, row.what, home, STOCK)
    limit = row.times * theirs if row.times and theirs else row.limit
    peers = {} if theirs is None else {STOCK: theirs}
    goal = f" (goal ×{row.times:g})" if row.times else ""
    title = f"{row.title}{goal}, {HOMES[home]}"
    return Figure(title, Goal(limit, row.at_most), row.unit, _value(readings, row.what, home), peers)


def _value(readings: Readings, what: str, home: str, *tool: str) -> float | None:
    """Memory is the most of all acts; anything else the middle of its repeats."""
    return readings.worst(what, home, *tool) if what == "memory MB" else readings.median(what, home, *tool)


def _said(reading: Reading) -> str:
    return f"{reading.tool}, {HOMES.get(reading.home, reading.home)}, {reading.what}: {' '.join(reading.fault.split())}"
