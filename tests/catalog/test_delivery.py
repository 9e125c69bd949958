"""Traffic obeys the port in both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_delivery import DeliverySuite
from budwood.catalog.testing_quotas import QuotaSuite


class TestSqlite(DeliverySuite, QuotaSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
        yield catalog
        catalog.close()


class TestPostgres(DeliverySuite, QuotaSuite):
    @pytest.fixture
    def catalog(self, postgres_url: str) -> Iterator[Catalog]:
        catalog = PostgresCatalog(postgres_url)
        yield catalog
        catalog.close()
