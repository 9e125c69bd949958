"""The comparison with MLflow's server: the table is made from readings, ours are taken from a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.mlflow import acts, sides
from benchmarks.mlflow.fill import Filled, build, fill_ours, records, run_id
from benchmarks.mlflow.rows import ROWS, figures, report
from benchmarks.mlflow.sides import STOCK, Side
from benchmarks.server.homes import Home
from benchmarks.server.load import Seen
from benchmarks.server.mlflow import ask_once
from benchmarks.server.readings import OURS, Reading, Readings

RUNS, SHORT_S = 120, 0.2


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """A small filling, served."""
    room = tmp_path_factory.mktemp("mlflow")
    home = Home("sqlite", room / "registry")
    fill_ours(home, RUNS)
    with sides.ours(home, room / "log") as side:
        yield side


# The table


def test_every_row_is_there_for_both_databases_when_nothing_was_measured() -> None:
    rows = figures(Readings([]))
    assert len(rows) == 2 * len(ROWS)
    assert {row.verdict for row in rows} == {"not measured"}


def test_a_ratio_is_held_against_stocks_own_figure() -> None:
    readings = [Reading(STOCK, "sqlite", "log metric /s", 150.0), Reading(OURS, "sqlite", "log metric /s", 1_900.0)]
    row = next(row for row in figures(Readings(readings)) if row.peers)
    assert (row.goal.limit, row.verdict) == (1_800.0, "reached")
    assert row.times_better(STOCK) == pytest.approx(12.7, abs=0.1)


def test_memory_is_the_most_of_all_acts_on_both_sides() -> None:
    values = ((OURS, "tracking", 90.0), (OURS, "registry", 120.0), (STOCK, "tracking", 700.0))
    readings = [Reading(tool, "sqlite", f"memory MB, {act}", value) for tool, act, value in values]
    row = next(row for row in figures(Readings(readings)) if row.what.startswith("– under all this"))
    assert (row.measured, row.peers) == (120.0, {STOCK: 700.0})


def test_what_could_not_be_measured_is_told_beneath_the_table() -> None:
    faults = [Reading(OURS, "postgres", "alias", fault=acts.NOT_OFFERED)] * 2
    told = report([*faults, Reading(OURS, "sqlite", "start s", 0.7)])
    assert told.count(f"- {OURS}, PostgreSQL, alias: {acts.NOT_OFFERED}") == 1
    assert "| start to first answer, SQLite | ≤ 1.00 s | 0.70 s | reached |" in told
    assert "Not measured" not in report([])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ('HTTP/1.1 404 Not Found\r\n\r\n{"error_code": "ENDPOINT_NOT_FOUND"}', acts.NOT_OFFERED),
        ("HTTP/1.1 404 NOT FOUND\r\nServer: x\r\n\r\n<html>", acts.NOT_OFFERED),
        (
            'HTTP/1.1 404 Not Found\r\n\r\n{"error_code": "RESOURCE_DOES_NOT_EXIST"}',
            'HTTP/1.1 404 Not Found: {"error_code": "RESOURCE_DOES_NOT_EXIST"}',
        ),
        ("", "nothing was answered"),
    ],
)
def test_an_endpoint_that_is_missing_is_told_from_a_record_that_is(fault: str, told: str) -> None:
    assert acts.why(Seen(0, 1, 1.0, 0.0, 0.0, 0.0, 0.0, fault)) == told


# What is asked


def test_records_are_the_same_each_time() -> None:
    assert list(records(30)) == list(records(30))
    last = list(records(101))[-1]
    assert (last.run, last.model, last.version) == (run_id(100), "model-000001", 1)
    assert Filled(7, ()).tags["build"] == build(7)


def test_runs_and_versions_are_filled_once_each(side: Side) -> None:
    found = ask_once(side.server, [side.get(f"/runs/get?run_id={run_id(RUNS - 1)}")])
    assert found == ""
    assert "404" in ask_once(side.server, [side.get(f"/runs/get?run_id={run_id(RUNS)}")])


@pytest.mark.parametrize("act", acts.ACTS)
def test_every_act_gives_figures_of_our_server(act: str, side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "SINGLE_LOGS", 40)
    monkeypatch.setattr(acts, "BATCHES", 8)
    readings = list(acts.ACTS[act](side, SHORT_S))
    assert [reading.fault for reading in readings if reading.fault] == []
    assert all(reading.value > 0 for reading in readings if reading.what.endswith((" ms", " /s")))
    known = {row.what for row in ROWS}
    assert {reading.what for reading in readings if reading.what.endswith("p50 ms")} <= known


def test_a_large_file_is_another_each_time(tmp_path: Path) -> None:
    first = acts.large_file(tmp_path, 1 << 20).read_bytes()
    assert len(first) == 1 << 20
    assert acts.large_file(tmp_path, 1 << 20).read_bytes() != first
