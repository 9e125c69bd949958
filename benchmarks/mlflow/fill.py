"""The same runs and versions on both sides, written where they lie: through their servers it would take stock hours.

    python -m benchmarks.mlflow.fill RUNS

fills the registry that settings name, through our own verbs. Stock's tables are filled by SQL. Run and version number
``n`` are the same everywhere: each version was registered from the run of its number, a hundred to a model.
"""

import contextlib
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmarks.mlflow.sides import NAMESPACE, Stock
from benchmarks.server.homes import Home, settle
from budwood.catalog.api import Transaction
from budwood.domain.tracking.records import Metric
from budwood.verbs.apart import Apart
from budwood.verbs.house import House
from budwood.verbs.listings import models, versions
from budwood.verbs.tracking import log, runs
from budwood.wiring import connect

BEGAN_MS = 1_760_000_000_000
PER_MODEL, AT_ONCE = 100, 500
BUILDS = 500
METRICS = ("auc", "loss", "recall", "precision", "f1")


@dataclass(frozen=True, slots=True)
class Filled:
    """A run and the version made from it."""

    number: int
    values: tuple[float, ...]

    @property
    def run(self) -> str:
        return run_id(self.number)

    @property
    def at_ms(self) -> int:
        return BEGAN_MS + self.number

    @property
    def params(self) -> dict[str, str]:
        return {"lr": f"0.{self.number % 9 + 1}", "depth": str(self.number % 12), "seed": str(self.number)}

    @property
    def tags(self) -> dict[str, str]:
        return {"mlflow.runName": f"run-{self.number}", "build": build(self.number)}

    @property
    def model(self) -> str:
        return model_name(self.number // PER_MODEL)

    @property
    def version(self) -> int:
        return self.number % PER_MODEL + 1

    @property
    def source(self) -> str:
        return f"s3://bench/{self.run}/model"


def run_id(number: int) -> str:
    return f"{number:032x}"


def model_name(number: int) -> str:
    return f"model-{number:06d}"


def build(number: int) -> str:
    """The tag by which runs and versions are found: a few hundred share it."""
    return f"b{number % BUILDS}"


def records(count: int) -> Iterator[Filled]:
    """The same ones each time."""
    chance = random.Random(7)
    for number in range(count):
        yield Filled(number, tuple(chance.random() for _ in METRICS))


# Ours


def fill_ours(home: Home, count: int) -> None:
    """In a process of its own, which reads its settings as a server does. Raises CalledProcessError."""
    catalog = home.catalog()
    settle(catalog)
    catalog.close()
    words = [sys.executable, "-m", "benchmarks.mlflow.fill", str(count)]
    subprocess.run(words, env=home.environment, check=True)


def write_ours(house: House, count: int) -> None:
    """Some hundred in each transaction."""
    coming = records(count)
    for group in iter(lambda: list(islice(coming, AT_ONCE)), []):
        names = sorted({each.model for each in group if each.version == 1})
        write_all(house, [models.register(house, NAMESPACE, name) for name in names])
        write_all(house, [work for each in group for work in _of_run(house, each)])
        write_all(house, [_of_version(house, each) for each in group])


def write_all(house: House, works: Sequence[Callable[[Transaction], object]]) -> None:
    """In one durable transaction."""

    def together(transaction: Transaction) -> None:
        for work in works:
            work(transaction)

    house.catalog.write(together)


def _of_run(house: House, each: Filled) -> Sequence[Callable[[Transaction], object]]:
    new = runs.NewRun(each.run, "0", start_ms=each.at_ms, tags=each.tags)
    points = [Metric(key, value, each.at_ms, 0) for key, value in zip(METRICS, each.values, strict=True)]
    logged = log.Batch(points, tuple(each.params.items()))
    return runs.create_run(house, NAMESPACE, new), log.log_batch(house, NAMESPACE, each.run, logged)


def _of_version(house: House, each: Filled) -> Callable[[Transaction], object]:
    work = versions.create(house, NAMESPACE, _listed(each))
    assert not isinstance(work, Apart), "its files lie elsewhere, so there is nothing to write beside it"
    return work


def _listed(each: Filled) -> versions.NewListed:
    return versions.NewListed(each.model, each.source, each.run, tags={"build": build(each.number)})


# Stock's


def fill_stock(home: Stock, count: int) -> None:
    """Into the schema that its first start made."""
    with _opened(home) as (connection, mark):
        cursor = connection.cursor()
        coming = records(count)
        for group in iter(lambda: list(islice(coming, AT_ONCE * 10)), []):
            for table, rows in _rows(group).items():
                columns, marks = ", ".join(rows[0]), ", ".join([mark] * len(rows[0]))
                sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                cursor.executemany(sql, [tuple(row.values()) for row in rows])
        connection.commit()


@contextlib.contextmanager
def _opened(home: Stock) -> Iterator[tuple[Any, str]]:
    """Its database, and how a value is marked in a statement."""
    if not home.database:
        with contextlib.closing(sqlite3.connect(home.room / "mlflow.db")) as connection:
            yield connection, "?"
        return
    import psycopg

    with contextlib.closing(psycopg.connect(home.database)) as there:
        yield there, "%s"


def _rows(group: Sequence[Filled]) -> dict[str, list[dict[str, object]]]:
    """What stock would have written itself, by table; those that others refer to come first."""
    found: dict[str, list[dict[str, object]]] = {
        "runs": [_run_row(each) for each in group],
        "tags": [{"key": k, "value": v, "run_uuid": each.run} for each in group for k, v in each.tags.items()],
        "params": [{"key": k, "value": v, "run_uuid": each.run} for each in group for k, v in each.params.items()],
    }
    found["metrics"] = found["latest_metrics"] = [_metric_row(each, at) for each in group for at in range(len(METRICS))]
    began = [each for each in group if each.version == 1]
    if began:
        found["registered_models"] = [
            {"name": each.model, "creation_time": each.at_ms, "last_updated_time": each.at_ms, "description": ""}
            for each in began
        ]
    found["model_versions"] = [_version_row(each) for each in group]
    found["model_version_tags"] = [
        {"key": "build", "value": build(each.number), "name": each.model, "version": each.version} for each in group
    ]
    return found


def _run_row(each: Filled) -> dict[str, object]:
    return {
        "run_uuid": each.run,
        "name": each.tags["mlflow.runName"],
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "",
        "status": "RUNNING",
        "start_time": each.at_ms,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": f"mlflow-artifacts:/0/{each.run}/artifacts",
        "experiment_id": 0,
    }


def _metric_row(each: Filled, at: int) -> dict[str, object]:
    point = {"key": METRICS[at], "value": each.values[at], "timestamp": each.at_ms, "step": 0, "is_nan": False}
    return point | {"run_uuid": each.run}


def _version_row(each: Filled) -> dict[str, object]:
    return {
        "name": each.model,
        "version": each.version,
        "creation_time": each.at_ms,
        "last_updated_time": each.at_ms,
        "description": "",
        "current_stage": "None",
        "source": each.source,
        "storage_location": each.source,
        "run_id": each.run,
        "status": "READY",
        "run_link": "",
    }


if __name__ == "__main__":
    with connect(author="bench") as registry:
        write_ours(registry.house, int(sys.argv[1]))
