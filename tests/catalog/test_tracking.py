"""Tracking obeys the port in both databases, with every search walked along an index, sorted, or chosen from few."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.sql import tracking_search
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing_tracking import TrackingSuite

RARE = pytest.mark.parametrize(("rare", "merged"), [(0, 16), (5, 0), (2_000, 16)])


def plan(monkeypatch: pytest.MonkeyPatch, rare: int, merged: int) -> None:
    """In a small catalog every comparison is rare; here few or none are, as in a large one."""
    monkeypatch.setattr(tracking_search, "_RARE", rare)
    monkeypatch.setattr(tracking_search, "_MERGED", merged)


@RARE
class TestSqlite(TrackingSuite):
    @pytest.fixture
    def catalog(self, rare: int, merged: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Catalog]:
        plan(monkeypatch, rare, merged)
        catalog = SqliteCatalog(tmp_path / "catalog.db", durable=False)
        yield catalog
        catalog.close()


@RARE
class TestPostgres(TrackingSuite):
    @pytest.fixture
    def catalog(self, rare: int, merged: int, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> Iterator[Catalog]:
        plan(monkeypatch, rare, merged)
        catalog = PostgresCatalog(postgres_url)
        yield catalog
        catalog.close()
