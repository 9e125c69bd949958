"""The registry of MCP servers obeys the port in both databases, and is found by indexes."""

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import mcp_search, mcp_transaction, mcp_view
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_mcp import McpSuite

from .plans import scanning, statements_of


class TestSqlite(McpSuite):
    @pytest.fixture
    def catalog(self, in_sqlite: SqliteCatalog) -> Catalog:
        return in_sqlite


class TestPostgres(McpSuite):
    @pytest.fixture
    def catalog(self, in_postgres: PostgresCatalog) -> Catalog:
        return in_postgres


def test_every_statement_goes_by_an_index(in_sqlite: SqliteCatalog) -> None:
    statements = statements_of(mcp_search, mcp_view, mcp_transaction)
    assert len(statements) > 60
    assert scanning(in_sqlite, statements) == set()
