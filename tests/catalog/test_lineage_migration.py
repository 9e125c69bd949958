"""Edges from before there were rooms and relations are walked as the others are, once a catalog is opened."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import budwood
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.trace import Edge

VERSION = """INSERT INTO version (id, model_id, namespace_id, number, digest, label, kind, stage, author, created_ms,
    size_bytes, manifest_size, structure, sketch, commit_id, retired_ms, retired_reason, manifest_blocks, message)
    VALUES (?, 1, 1, ?, 'd', '', 'model', 'development', 'mara', 1, 1, 1, '', x'', '', 0, '', x'', '')"""


def test_old_edges_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    engine.dispose()
    with sqlite3.connect(path) as database:
        if not database.execute("SELECT id FROM namespace WHERE id = 1").fetchone():
            columns = [row[1] for row in database.execute("PRAGMA table_info(namespace)")]
            values = ["default" if name == "name" else 1 if name == "id" else 0 for name in columns]
            holes = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO namespace ({', '.join(columns)}) VALUES ({holes})", values)
        database.execute("INSERT INTO model VALUES (1, 'default', 'encoder', 'model', 'mara', 1, 3)")
        database.executemany(VERSION, [(number, number) for number in (1, 2, 3)])
        # The parent of the last was deleted since.
        database.executemany("INSERT INTO lineage (child_id, parent_id) VALUES (?, ?)", [(2, 1), (3, 2), (3, 99)])
    database.close()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert list(view.walk(3, up=True, limit=9)) == [3, 2, 99, 1]
        assert list(view.walk(1, up=False, limit=9, reach=frozenset({"default"}))) == [1, 2, 3]
        assert view.edges_of([3], limit=9) == [Edge(3, 2), Edge(3, 99)]
        assert view.meta("lineage-unread") == "3"
        assert [each.id for each in view.parents(3)] == [2]
    catalog.close()


def test_what_only_manifests_tell_of_old_versions_is_read_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        registry.push(tmp_path / "config.json", "base", datasets=("tickets",))
        (tmp_path / "config.json").write_text('{"layers": 2}')
        registry.push(tmp_path / "config.json", "tuned", parents=("base@v1",), relation="fine-tuned-from")
        before = registry.trace("tuned@v1")
    with sqlite3.connect(tmp_path / "registry" / "catalog.sqlite3") as database:
        database.execute("UPDATE edge SET relation = ''")
        database.execute("DELETE FROM edge WHERE parent < 0")
        database.execute("INSERT INTO meta (key, value) VALUES ('lineage-unread', '2')")
    database.close()
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        found = registry.trace("tuned@v1")
    assert [(each.version, each.datasets) for each in found.versions] == [
        (each.version, each.datasets) for each in before.versions
    ]
    assert [edge.relation for edge in found.edges] == ["fine-tuned-from"]


@pytest.mark.parametrize("value", ["", "x", "-1"])
def test_a_mark_that_is_none_is_let_be(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        registry.push(tmp_path / "config.json", "base", datasets=("tickets",))
        registry.house.catalog.write(lambda transaction: transaction.set_meta("lineage-unread", value))
        assert registry.trace("base").versions[0].datasets == ("tickets",)
