"""Catalogs that tests write into: one in each database, both empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog


@pytest.fixture
def in_sqlite(tmp_path: Path) -> Iterator[SqliteCatalog]:
    """In a file that does not outlive a power cut."""
    catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
    yield catalog
    catalog.close()


@pytest.fixture
def in_postgres(postgres_url: str) -> Iterator[PostgresCatalog]:
    catalog = PostgresCatalog(postgres_url)
    yield catalog
    catalog.close()
