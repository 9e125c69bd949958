"""What was derived before is found by each block that it leans on."""

import sqlite3
from pathlib import Path

from budwood.catalog.sql.sqlite import SqliteCatalog
from tests.catalog.test_gateway_migration import at_revision


def test_what_derived_blocks_lean_on_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    at_revision(path, "0021")
    sources = [bytes([number]) * 32 for number in range(3)]
    derived = [number.to_bytes(32, "big") for number in range(5_000, 7_500)]
    block = "INSERT INTO block VALUES (?, 1, 16, 9, 10, ?, 0, ?, ?, 0, 0)"
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO pack (id, name, namespace_id) VALUES (1, 'pack', 0)")
        database.executemany(block, [(source, 0, b"", 0) for source in sources])
        database.executemany(block, [(id_, 8, b"".join(sources[:2]), 3) for id_ in derived[:-1]])
        database.execute(block, (derived[-1], 8, sources[2], 3))
    database.close()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert {row.id for row in view.leaning_on(sources[1:2])} == set(derived[:-1])
        assert [row.id for row in view.leaning_on(sources[2:])] == derived[-1:]
    catalog.close()
