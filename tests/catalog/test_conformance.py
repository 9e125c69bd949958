"""The catalog in SQLite obeys the port: on disk, in memory, and with every search walked instead of narrowed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import search
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing import CatalogSuite
from budwood.catalog.testing_search import SearchSuite


class TestSqliteOnDisk(CatalogSuite):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[Catalog]:
        catalog = SqliteCatalog(tmp_path / "catalog.db")
        yield catalog
        catalog.close()


class TestSqliteInMemory(CatalogSuite):
    @pytest.fixture
    def catalog(self) -> Iterator[Catalog]:
        catalog = SqliteCatalog.in_memory()
        yield catalog
        catalog.close()


class TestPostgres(CatalogSuite):
    @pytest.fixture
    def catalog(self, in_postgres: PostgresCatalog) -> Catalog:
        return in_postgres


@pytest.mark.parametrize("rare", [0, 4, 30])
class TestSearchAlongIndexes(SearchSuite):
    """In a small catalog every term is rare; here few or none are, as in a large one."""

    @pytest.fixture
    def catalog(self, rare: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
        monkeypatch.setattr(search, "_RARE", rare)
        catalog = SqliteCatalog.in_memory()
        yield catalog
        catalog.close()


@pytest.mark.parametrize("rare", [0, 4, 30])
class TestSearchAlongIndexesOfPostgres(SearchSuite):
    @pytest.fixture
    def catalog(self, rare: int, monkeypatch: pytest.MonkeyPatch, in_postgres: PostgresCatalog) -> Catalog:
        monkeypatch.setattr(search, "_RARE", rare)
        return in_postgres
