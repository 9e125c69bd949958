"""Tracking obeys the port in both databases, with every search walked along an index, sorted, or chosen from few."""

from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import rooms, sqlite, tracking_search, tracking_transaction, tracking_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.session import Compiled, Row
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_tracking import RUN_COUNT, TrackingSuite, add_experiment, fill_runs
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain.tracking.fields import RUNS
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import Showing

from .plans import scanning, statements_of, steps

RARE = pytest.mark.parametrize(("rare", "merged"), [(0, 16), (5, 0), (2_000, 16)])


def plan(monkeypatch: pytest.MonkeyPatch, rare: int, merged: int) -> None:
    """In a small catalog every comparison is rare; here few or none are, as in a large one."""
    monkeypatch.setattr(tracking_search, "_RARE", rare)
    monkeypatch.setattr(tracking_search, "_MERGED", merged)


@RARE
class TestSqlite(TrackingSuite):
    @pytest.fixture
    def catalog(self, rare: int, merged: int, monkeypatch: pytest.MonkeyPatch, in_sqlite: SqliteCatalog) -> Catalog:
        plan(monkeypatch, rare, merged)
        return in_sqlite


@RARE
class TestPostgres(TrackingSuite):
    @pytest.fixture
    def catalog(self, rare: int, merged: int, monkeypatch: pytest.MonkeyPatch, in_postgres: PostgresCatalog) -> Catalog:
        plan(monkeypatch, rare, merged)
        return in_postgres


@pytest.fixture
def catalog(in_sqlite: SqliteCatalog) -> SqliteCatalog:
    return in_sqlite


def test_every_statement_goes_by_an_index(catalog: SqliteCatalog) -> None:
    statements = statements_of(rooms, tracking_view, tracking_transaction)
    assert len(statements) > 60
    assert scanning(catalog, statements) == set()


@pytest.mark.parametrize(
    ("text", "orders", "led"),
    [
        ("", [], "ix_run_newest_first"),
        ("status = 'FINISHED'", [], "ix_run_newest_first"),
        ("", ["metrics.acc DESC"], "ix_run_metric_experiment_id_key_nan_value_run_id"),
        ("metrics.acc > 0.5 and params.lr = 'x'", ["metrics.acc"], "ix_run_metric_experiment_id_key_nan_value_run_id"),
    ],
)
def test_a_common_search_walks_one_index_and_sorts_no_more_than_what_is_equal(
    text: str, orders: list[str], led: str, catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_search, "_RARE", -1)
    asked: list[str] = []
    run = sqlite.SqliteSession.run

    def noting(session: sqlite.SqliteSession, compiled: Compiled) -> list[Row]:
        asked.append(compiled.sql)
        return run(session, compiled)

    monkeypatch.setattr(sqlite.SqliteSession, "run", noting)
    search = TrackingSearch(parse_filter(text, RUNS), parse_orders(orders, RUNS), experiments=(1,))
    with catalog.read() as view:
        view.find_runs("default", search)
    pages = [sql for sql in asked if "ORDER BY" in sql]
    plan = steps(catalog, pages[0])
    assert led in plan[0]
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    assert orders or "USE TEMP" not in " ".join(plan)


def test_a_restored_catalog_tracks_on_where_the_old_one_stopped(catalog: SqliteCatalog, tmp_path: Path) -> None:
    experiment = add_experiment(catalog, "a")
    catalog.write(lambda transaction: fill_runs(transaction, [experiment, experiment]))
    with catalog.read() as view:
        tables = [(shape.name, [row for page in view.dump(shape.name) for row in page]) for shape in view.shapes()]
        counters = view.counters()
    again = SqliteCatalog(tmp_path / "again.db", durable=False)
    again.write(lambda transaction: transaction.fill(tables, counters))
    search = TrackingSearch(showing=Showing.ALL, experiments=(experiment.id,))
    with catalog.read() as one, again.read() as other:
        runs = one.find_runs("default", search).runs
        assert len(runs) == RUN_COUNT
        assert other.find_runs("default", search).runs == runs
        assert repr(other.logged_by(runs)) == repr(one.logged_by(runs))
        assert other.metric_history(runs[0].id, "acc") == one.metric_history(runs[0].id, "acc")
    assert add_experiment(again, "b").id == experiment.id + 1
    again.close()
