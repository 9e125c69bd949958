"""Traces obey the port in both databases, whether a comparison is rare or common, and pages go by an index."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.catalog.api import Catalog
from budwood.catalog.sql import sqlite, trace_search, trace_transaction, trace_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.session import Compiled, Row
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_traces import TracesSuite, fill_traces
from budwood.catalog.testing_tracking import add_experiment
from budwood.catalog.traces_api import TraceSearch
from budwood.domain.traces.fields import TRACES
from budwood.domain.traces.patterns import BadPattern, matches
from budwood.domain.tracking.filters import parse_filter

from .plans import scanning, statements_of, steps

RARE = pytest.mark.parametrize("rare", [0, 2_000])


@RARE
class TestSqlite(TracesSuite):
    @pytest.fixture
    def catalog(self, rare: int, monkeypatch: pytest.MonkeyPatch, in_sqlite: SqliteCatalog) -> Catalog:
        monkeypatch.setattr(trace_search, "RARE", rare)
        return in_sqlite


@RARE
class TestPostgres(TracesSuite):
    @pytest.fixture
    def catalog(self, rare: int, monkeypatch: pytest.MonkeyPatch, in_postgres: PostgresCatalog) -> Catalog:
        monkeypatch.setattr(trace_search, "RARE", rare)
        return in_postgres


@pytest.fixture
def catalog(in_sqlite: SqliteCatalog) -> SqliteCatalog:
    return in_sqlite


def test_every_statement_of_traces_goes_by_an_index(catalog: SqliteCatalog) -> None:
    statements = statements_of(trace_view, trace_transaction)
    assert len(statements) > 10
    assert scanning(catalog, statements) == set()


@pytest.mark.parametrize("text", ["", "tags.team = 'Team-3'", "span.name = 'ask'", "feedback.quality = 'good'"])
def test_a_page_of_traces_is_walked_by_time_and_sorts_nothing(
    text: str, catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_search, "RARE", 0)
    experiment = add_experiment(catalog, "a")
    fill_traces(catalog, experiment)
    ran: list[str] = []
    before = sqlite.SqliteSession.run

    def run(self: sqlite.SqliteSession, compiled: Compiled) -> list[Row]:
        ran.append(compiled.sql)
        return before(self, compiled)

    monkeypatch.setattr(sqlite.SqliteSession, "run", run)
    with catalog.read() as view:
        view.find_traces("default", TraceSearch(parse_filter(text, TRACES), (), (experiment.id,)), limit=5)
    plan = steps(catalog, ran[-1])
    assert any("ix_trace_newest_first" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan


def test_postgresql_reads_every_pattern_that_is_let_through_alike(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:

        @given(st.text("ab1-.*+?()|[]^$\\dws{},2 ", max_size=9), st.text("ab1- _", max_size=8))
        @settings(max_examples=400, deadline=None)
        def alike(pattern: str, text: str) -> None:
            try:
                found = matches(pattern, text)
            except BadPattern:
                return
            row = connection.execute("SELECT %s::text ~ %s::text", (text, pattern)).fetchone()
            assert row == (found,), pattern

        alike()
