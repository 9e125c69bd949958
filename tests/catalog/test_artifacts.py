"""Files of runs and logged models obey the port in both databases, and every question goes by an index."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import artifact_transaction, artifact_view, sqlite
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_artifacts import ArtifactSuite


class TestSqlite(ArtifactSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
        yield catalog
        catalog.close()


class TestPostgres(ArtifactSuite):
    @pytest.fixture
    def catalog(self, postgres_url: str) -> Iterator[Catalog]:
        catalog = PostgresCatalog(postgres_url)
        yield catalog
        catalog.close()


def test_every_statement_goes_by_an_index(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
    session = catalog._borrow()
    statements = {
        f"{name}": value
        for module in (artifact_view, artifact_transaction)
        for name, value in vars(module).items()
        if isinstance(value, Statement)
    }
    scanning = []
    for name, statement in statements.items():
        sql = statement.compiled(sqlite.DIALECT).sql
        values = dict.fromkeys(re.findall(r":(\w+)", sql))
        plan = session._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        if any(re.match("SCAN (?!CONSTANT)", step[3]) for step in plan):
            scanning.append(name)
    catalog._return(session)
    catalog.close()
    assert len(statements) > 10
    assert scanning == []
