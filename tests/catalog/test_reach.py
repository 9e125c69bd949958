"""A search within a few namespaces reads what those hold, however much the others have: by the plans of SQLite."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from budwood.catalog.api import Transaction
from budwood.catalog.sql import search
from budwood.catalog.sql.session import Compiled, Row
from budwood.catalog.sql.sqlite import SqliteCatalog, SqliteSession
from budwood.catalog.testing import add_model, add_version, new_version
from budwood.domain.names import Kind
from budwood.domain.query_parser import parse_query
from budwood.domain.records import Tag

HERE = frozenset({"here"})


class Watched(SqliteSession):
    """Writes down how the database goes about what it is asked."""

    __slots__ = ("plans",)

    def __init__(self, session: SqliteSession) -> None:
        super().__init__(session._connection, session._path, session.generation)
        self.plans: list[list[str]] = []

    def run(self, compiled: Compiled) -> list[Row]:
        explained: list[tuple[Any, ...]] = self._connection.execute(
            f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.in_order(compiled.fixed)
        ).fetchall()
        self.plans.append([step[3] for step in explained])
        return super().run(compiled)


@pytest.fixture
def catalog() -> Iterator[SqliteCatalog]:
    catalog = SqliteCatalog.in_memory()
    catalog.write(fill)
    yield catalog
    catalog.close()


def fill(transaction: Transaction) -> None:
    for namespace in ("here", "there"):
        model = transaction.add_model(namespace, "encoder", Kind.MODEL, "mara", 1)
        for step in range(5):
            metrics, params = {"auc": step / 5}, {"rate": "0.1"}
            version = transaction.add_version(new_version(model, created_ms=step, metrics=metrics, params=params))
            transaction.put_tag(version.id, Tag("team", "risk", "mara", step))


@pytest.mark.parametrize("rare", [0, 100])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "tags.team = 'risk'",
        "params.rate = '0.1'",
        "metrics.auc >= 0.2",
        "metrics.auc >= 0.2 order by metrics.auc desc",
        "order by metrics.auc",
        "stage = 'development'",
        "author = 'mara' and kind = 'model'",
        "name like '%cod%'",
        "alias = 'champion'",
        "created >= 1970-01-01 and tags.team = 'risk'",
        "number >= 2 order by number",
    ],
)
def test_a_search_goes_by_the_indexes_of_its_namespace(
    catalog: SqliteCatalog, text: str, rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_RARE", rare)
    watched = Watched(catalog._borrow())
    found = search.find_ids(watched, parse_query(text, now_ms=0), cursor="", limit=3, reach=HERE)
    assert len(found.ids) == (0 if "alias" in text else 3)
    steps = [step for plan in watched.plans for step in plan]
    assert not [step for step in steps if re.match(r"SCAN (?!anon)", step)], steps
    led = [step for step in steps if re.search(r"INDEX ix_(version|tag|param|metric)_", step)]
    assert [step for step in led if "(namespace_id=?" not in step] == []
    # Only an order that no index has is sorted.
    if rare == 0 and "number" not in text:
        assert not [step for step in watched.plans[-1] if "TEMP B-TREE" in step], watched.plans[-1]
    catalog._return(watched)


def test_versions_of_one_structure_are_found_within_reach(catalog: SqliteCatalog) -> None:
    near, far = add_model(catalog, "near", "here"), add_model(catalog, "far", "there")
    first = add_version(catalog, near, structure="s")
    add_version(catalog, far, structure="s")
    last = add_version(catalog, near, structure="s")
    with catalog.read() as view:
        assert list(view.versions_of_structure("s", limit=5, reach=HERE)) == [last, first]
        assert len(view.versions_of_structure("s", limit=5)) == 3
        assert list(view.versions_of_structure("s", limit=5, reach=frozenset())) == []
