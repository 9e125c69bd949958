"""Evaluation obeys the port in both databases, and is found by indexes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import evaluation_transaction, evaluation_view, sqlite
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_evaluation import EvaluationSuite


class TestSqlite(EvaluationSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
        yield catalog
        catalog.close()


class TestPostgres(EvaluationSuite):
    @pytest.fixture
    def catalog(self, postgres_url: str) -> Iterator[Catalog]:
        catalog = PostgresCatalog(postgres_url)
        yield catalog
        catalog.close()


def test_every_statement_goes_by_an_index(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
    found: dict[str, Statement] = {}
    for name, thing in [*vars(evaluation_view).items(), *vars(evaluation_transaction).items()]:
        several = thing.values() if isinstance(thing, dict) else [thing]
        found |= {f"{name} {at}": each for at, each in enumerate(several) if isinstance(each, Statement)}
    assert len(found) > 40
    session = catalog._borrow()
    plans = {}
    for name, each in found.items():
        sql = each.compiled(sqlite.DIALECT).sql
        steps = session._connection.execute(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(re.findall(r":(\w+)", sql)))
        plans[name] = [step[3] for step in steps]
    catalog._return(session)
    catalog.close()
    assert [name for name, plan in plans.items() if any(re.match("SCAN (?!CONSTANT)", step) for step in plan)] == []
