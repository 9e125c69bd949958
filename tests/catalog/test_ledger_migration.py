"""A ledger from before there was a tree gets its leaves when it is opened, each once."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.tree.leaf import read_leaf, reveal

ENTRIES = 2_500
COLUMNS = "sequence, at_ms, actor, action, subject, namespace, body"


def make_as_of_0003(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    engine.dispose()


def test_entries_from_before_the_tree_are_sealed_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    make_as_of_0003(path)
    with sqlite3.connect(path) as database:
        database.executemany(
            f"INSERT INTO ledger ({COLUMNS}) VALUES (?, 1, ?, ?, ?, ?, ?)",
            [(n, "mara", "tag.put", f"m@v{n}", "default", '{"message":"hé","n":1}') for n in range(1, ENTRIES + 1)],
        )
    database.close()
    for _ in range(2):
        catalog = SqliteCatalog(path)
        with catalog.read() as view:
            assert view.leaf_count() == ENTRIES
            for after in (0, 999, 1000, ENTRIES - 1):
                (entry,), (kept,) = view.ledger(after=after, limit=1), view.leaves(after=after, limit=1)
                found = [each.opening for each in view.openings(after=after, through=after + 1)]
                assert (kept.sequence, len(found)) == (after + 1, 2)
                assert reveal(read_leaf(kept.leaf), found) == entry
        assert catalog.write(lambda transaction: transaction.add_ledger(2, "bo", "a.b", "", {})) == ENTRIES + 1
        with sqlite3.connect(path) as database:
            database.execute(f"DELETE FROM ledger WHERE sequence > {ENTRIES}")
            database.execute(f"DELETE FROM ledger_leaf WHERE sequence > {ENTRIES}")
            database.execute(f"DELETE FROM ledger_opening WHERE sequence > {ENTRIES}")
        database.close()
        catalog.close()
