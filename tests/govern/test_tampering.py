"""Whoever writes to the database behind our back is found, in SQLite and in PostgreSQL alike, and the first bad entry
is named."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.sql.postgres import PostgresCatalog
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.asks_audit import LedgerVerified
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint
from budwood.domain.tree.note import NoteKey
from budwood.govern.ledger_check import check_ledger
from budwood.govern.log_key import META, check, kept_key
from budwood.govern.sequencer import sequence

ENTRIES = 300
Tamper = Callable[..., None]
TABLES = ("ledger", "ledger_leaf", "ledger_opening")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Catalog, Tamper]]:
    """A signed ledger, and a way around its door."""
    if request.param == "sqlite":
        path = tmp_path / "catalog.db"
        catalog: Catalog = SqliteCatalog(path)

        def tamper(*statements: str) -> None:
            with sqlite3.connect(path) as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()
    else:
        psycopg = pytest.importorskip("psycopg")
        url = request.getfixturevalue("postgres_url")
        catalog = PostgresCatalog(url)

        def tamper(*statements: str) -> None:
            with psycopg.connect(url) as connection:
                for statement in statements:
                    connection.execute(statement)

    grow(catalog, 200)
    grow(catalog, ENTRIES)
    yield catalog, tamper
    catalog.close()


def grow(catalog: Catalog, upto: int) -> None:
    def fill(transaction: Transaction) -> None:
        for number in range(transaction.leaf_count(), upto):
            body = {"reason": "for bo", "n": number}
            transaction.add_ledger(1_790_000_000_000, "mara", "alias.set", f"encoder@v{number}", body, "default")

    catalog.write(fill)
    sequence(catalog, lambda: 1_790_000_000_000)


def verified(catalog: Catalog, expected: NoteKey | None = None, remembered: Checkpoint | None = None) -> LedgerVerified:
    with catalog.read() as view:
        key = kept_key(view)
        return check_ledger(view, key.public if key else None, expected, remembered)


def swap(at: int) -> Sequence[str]:
    return [
        statement
        for table in TABLES
        for statement in (
            f"UPDATE {table} SET sequence = -sequence WHERE sequence IN ({at}, {at - 1})",
            f"UPDATE {table} SET sequence = {2 * at - 1} + sequence WHERE sequence < 0",
        )
    ]


CONTENT = "at_ms, actor, action, subject, namespace, body"
ATTACKS: dict[str, Callable[[int], Sequence[str]]] = {
    "edit": lambda at: [f"UPDATE ledger SET subject = 'decoder' WHERE sequence = {at}"],
    "edit who": lambda at: [f"UPDATE ledger SET actor = 'bo' WHERE sequence = {at}"],
    "edit an opening": lambda at: [
        f"UPDATE ledger_opening SET value = '\"bo\"' WHERE sequence = {at} AND field = 'actor'"
    ],
    "edit both": lambda at: [
        f"UPDATE ledger SET actor = 'bo' WHERE sequence = {at}",
        f"UPDATE ledger_opening SET value = '\"bo\"' WHERE sequence = {at} AND field = 'actor'",
    ],
    "delete": lambda at: [f"DELETE FROM ledger WHERE sequence = {at}"],
    "delete all of it": lambda at: [f"DELETE FROM {table} WHERE sequence = {at}" for table in TABLES],
    "take its leaf": lambda at: [f"DELETE FROM ledger_leaf WHERE sequence = {at}"],
}


@pytest.mark.parametrize("at", [1, 2, 256, 257, ENTRIES])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_changed_row_is_named(database: tuple[Catalog, Tamper], attack: str, at: int) -> None:
    catalog, tamper = database
    assert verified(catalog).problems == ()
    tamper(*ATTACKS[attack](at))
    found = verified(catalog)
    assert (found.first_bad, found.last_bad) == (at - 1, at - 1), found


@pytest.mark.parametrize("at", [2, 257, ENTRIES])
def test_swapped_rows_are_named(database: tuple[Catalog, Tamper], at: int) -> None:
    catalog, tamper = database
    tamper(*swap(at))
    assert verified(catalog).first_bad == at - 2


@pytest.mark.parametrize("number", [0, -5, ENTRIES + 1, ENTRIES + 7])
def test_an_inserted_row_is_named(database: tuple[Catalog, Tamper], number: int) -> None:
    catalog, tamper = database
    tamper(f"INSERT INTO ledger (sequence, {CONTENT}) SELECT {number}, {CONTENT} FROM ledger WHERE sequence = 5")
    assert verified(catalog).first_bad == (0 if number < 1 else ENTRIES)


@pytest.mark.parametrize("keep", [0, 100, 256, ENTRIES - 1])
def test_a_cut_is_found_where_it_ends(database: tuple[Catalog, Tamper], keep: int) -> None:
    catalog, tamper = database
    tamper(*(f"DELETE FROM {table} WHERE sequence > {keep}" for table in TABLES))
    assert verified(catalog).first_bad == keep


def test_a_log_made_anew_is_found_by_who_remembers(database: tuple[Catalog, Tamper]) -> None:
    catalog, tamper = database
    with catalog.read() as view:
        key, newest = kept_key(view), view.checkpoint()
    assert key is not None
    assert newest is not None
    seen = open_checkpoint(newest.note, key.public, check)[0]
    tamper(*(f"DELETE FROM {table}" for table in (*TABLES, "ledger_tile", "ledger_checkpoint")))
    grow(catalog, ENTRIES)
    assert verified(catalog).problems == ()
    found = verified(catalog, key.public, seen)
    assert (found.first_bad, found.last_bad) == (0, ENTRIES - 1)


def test_another_key_is_noticed_by_who_kept_the_first(database: tuple[Catalog, Tamper]) -> None:
    catalog, tamper = database
    with catalog.read() as view:
        key = kept_key(view)
    assert key is not None
    tamper(f"DELETE FROM meta WHERE key = '{META}'", "DELETE FROM ledger_tile", "DELETE FROM ledger_checkpoint")
    grow(catalog, ENTRIES)
    sequence(catalog, lambda: 1_790_000_000_000)
    assert verified(catalog).problems == ()
    assert "another key" in str(verified(catalog, key.public).problems)
