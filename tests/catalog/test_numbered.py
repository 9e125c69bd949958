"""Values of statements, as each driver wants them."""

import sqlite3

import pytest

from budwood.catalog.sql.numbered import Numbered, by_name, by_number

VALUES = {"a": 1, "b": 20, "name_1": "x"}


@pytest.mark.parametrize(
    ("written", "sql"),
    [
        (by_number("SELECT %(a)s + %(b)s + %(a)s, '100%%', %(name_1)s", "?"), "SELECT ?1 + ?2 + ?1, '100%', ?3"),
        (by_name("SELECT %(a)s + %(b)s + %(a)s, '100%%', %(name_1)s"), "SELECT :a + :b + :a, '100%', :name_1"),
    ],
    ids=["by number", "by name"],
)
def test_a_value_that_stands_twice_is_one(written: Numbered, sql: str) -> None:
    assert written.sql == sql
    values = [VALUES[name] for name in written.names] if written.names else VALUES
    assert sqlite3.connect(":memory:").execute(written.sql, values).fetchall() == [(22, "100%", "x")]
