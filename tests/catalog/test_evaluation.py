"""Evaluation obeys the port in both databases, and is found by indexes."""

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import evaluation_transaction, evaluation_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_evaluation import EvaluationSuite

from .plans import scanning, statements_of


class TestSqlite(EvaluationSuite):
    @pytest.fixture
    def catalog(self, in_sqlite: SqliteCatalog) -> Catalog:
        return in_sqlite


class TestPostgres(EvaluationSuite):
    @pytest.fixture
    def catalog(self, in_postgres: PostgresCatalog) -> Catalog:
        return in_postgres


def test_every_statement_goes_by_an_index(in_sqlite: SqliteCatalog) -> None:
    statements = statements_of(evaluation_view, evaluation_transaction)
    assert len(statements) > 40
    assert scanning(in_sqlite, statements) == set()
