"""The registry of MCP servers obeys the port in both databases, and is found by indexes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import mcp_search, mcp_transaction, mcp_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_mcp import McpSuite

from .plans import scanning, statements_of


class TestSqlite(McpSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
        yield catalog
        catalog.close()


class TestPostgres(McpSuite):
    @pytest.fixture
    def catalog(self, postgres_url: str) -> Iterator[Catalog]:
        catalog = PostgresCatalog(postgres_url)
        yield catalog
        catalog.close()


def test_every_statement_goes_by_an_index(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
    statements = statements_of(mcp_search, mcp_view, mcp_transaction)
    assert len(statements) > 60
    assert scanning(catalog, statements) == set()
    catalog.close()
