"""Files of runs and logged models obey the port in both databases, and every question goes by an index."""

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import artifact_transaction, artifact_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_artifacts import ArtifactSuite

from .plans import scanning, statements_of


class TestSqlite(ArtifactSuite):
    @pytest.fixture
    def catalog(self, in_sqlite: SqliteCatalog) -> Catalog:
        return in_sqlite


class TestPostgres(ArtifactSuite):
    @pytest.fixture
    def catalog(self, in_postgres: PostgresCatalog) -> Catalog:
        return in_postgres


def test_every_statement_goes_by_an_index(in_sqlite: SqliteCatalog) -> None:
    statements = statements_of(artifact_view, artifact_transaction)
    assert len(statements) > 10
    assert scanning(in_sqlite, statements) == set()
