"""Traffic obeys the port in both databases."""

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_delivery import DeliverySuite
from budwood.catalog.testing_quotas import QuotaSuite


class TestSqlite(DeliverySuite, QuotaSuite):
    @pytest.fixture
    def catalog(self, in_sqlite: SqliteCatalog) -> Catalog:
        return in_sqlite


class TestPostgres(DeliverySuite, QuotaSuite):
    @pytest.fixture
    def catalog(self, in_postgres: PostgresCatalog) -> Catalog:
        return in_postgres
