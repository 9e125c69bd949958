"""What is SQLite's own: opening, schema, errors, processes that share the file, processes that die, forks."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from budwood.catalog import migrations
from budwood.catalog.api import Transaction
from budwood.catalog.sql import (
    gate_transaction,
    gate_view,
    index,
    people_transaction,
    people_view,
    quota_transaction,
    quota_view,
    retention_transaction,
    retention_view,
    sqlite,
    standard_transaction,
    standard_view,
    storage_tier_transaction,
    storage_tier_view,
    transaction,
    view,
)
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.catalog.testing import add_model, add_version, new_version
from budwood.catalog.testing_index import block_rows
from budwood.domain.names import Kind
from budwood.errors import CatalogDamaged, RegistryBusy, RegistryNotFound, StorageFailed, StorageFull, TooNew

from .plans import scanning, statements_of, steps

WRITES_ON = """
    import sys
    from pathlib import Path
    from budwood.catalog.sql.sqlite import SqliteCatalog
    from budwood.catalog.testing import new_version

    catalog = SqliteCatalog(Path(sys.argv[1]))
    with catalog.read() as view:
        model = view.model("default", "encoder")

    def work(transaction):
        version = transaction.add_version(new_version(model, metrics={"auc": 0.5}))
        transaction.add_ledger(1, sys.argv[2], "version.pushed", "encoder", {})
        return version.number

    for _ in range(int(sys.argv[3])):
        print(catalog.write(work), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry" / "catalog.db"


@pytest.fixture
def catalog(path: Path) -> Iterator[SqliteCatalog]:
    catalog = SqliteCatalog(path)
    yield catalog
    catalog.close()


def program(source: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def schema(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return sorted((name, "".join(sql.split())) for name, sql in rows)


def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    catalog = SqliteCatalog(path)
    version = add_version(catalog, add_model(catalog))
    catalog.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["catalog.db"]
    again = SqliteCatalog(path, create=False)
    with again.read() as view:
        assert view.version_by_id(version.id) == version
    again.close()


def test_without_create_a_missing_catalog_is_said_to_be_missing(path: Path) -> None:
    with pytest.raises(RegistryNotFound):
        SqliteCatalog(path, create=False)
    assert not path.parent.exists()


def test_every_commit_that_cannot_wait_is_synced_and_readers_cannot_write(catalog: SqliteCatalog) -> None:
    batch = catalog._open_batch()
    session = batch._session
    assert session.execute("PRAGMA journal_mode") == [("wal",)]
    assert session.execute("PRAGMA synchronous") == [(2,)]
    assert session.execute("PRAGMA foreign_keys") == [(1,)]
    for synced, level in ((False, 1), (True, 2)):
        batch.begin(small=False, synced=synced)
        assert session.execute("PRAGMA synchronous") == [(level,)]
        batch.commit()
    batch.close()
    reader = catalog._borrow()
    with pytest.raises(StorageFailed, match="readonly"):
        reader.execute("DELETE FROM model")
    reader.close()


def test_migrations_and_tables_give_the_same_schema(catalog: SqliteCatalog, path: Path, tmp_path: Path) -> None:
    migrated = tmp_path / "migrated.db"
    migrated.touch()
    sqlite._migrate(migrated, "FULL")
    assert schema(migrated) == schema(path)
    opened = SqliteCatalog(migrated, create=False)
    opened.close()


def test_the_known_revisions_are_those_of_the_scripts_and_none_goes_back() -> None:
    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == migrations.KNOWN
    assert scripts[0].revision == migrations.HEAD
    assert not any(hasattr(script.module, "downgrade") for script in scripts)


def test_an_older_schema_is_migrated_when_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteCatalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DELETE FROM alembic_version; DROP TABLE lease")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
    connection.close()

    def upgrade(to: object) -> None:
        to.exec_driver_sql("CREATE TABLE lease (id TEXT)")  # type: ignore[attr-defined]
        to.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")  # type: ignore[attr-defined]

    monkeypatch.setattr(migrations, "KNOWN", ("0000", "0001"))
    monkeypatch.setattr(migrations, "upgrade", upgrade)
    SqliteCatalog(path, create=False).close()
    assert ("lease", "CREATETABLElease(idTEXT)") in schema(path)


def test_a_migration_that_fails_leaves_the_old_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteCatalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    before = schema(path)

    def upgrade(to: object) -> None:
        to.exec_driver_sql("DROP TABLE lease")  # type: ignore[attr-defined]
        raise KeyError("enough")

    monkeypatch.setattr(migrations, "KNOWN", ("0000", "0001"))
    monkeypatch.setattr(migrations, "upgrade", upgrade)
    with pytest.raises(KeyError):
        SqliteCatalog(path)
    assert schema(path) == before


def test_a_migration_that_meets_another_schema_says_that_it_is_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteCatalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()

    def upgrade(to: object) -> None:
        to.exec_driver_sql("UPDATE lease SET nobody = 1")  # type: ignore[attr-defined]

    monkeypatch.setattr(migrations, "KNOWN", ("0000", migrations.HEAD))
    monkeypatch.setattr(migrations, "upgrade", upgrade)
    with pytest.raises(CatalogDamaged, match="no such column"):
        SqliteCatalog(path)


def test_a_newer_schema_is_refused(path: Path) -> None:
    SqliteCatalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(TooNew, match="9999"):
        SqliteCatalog(path)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_catalog_is_said_to_be_damaged(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CatalogDamaged):
        SqliteCatalog(path)
    assert path.read_bytes() == content


def test_another_program_s_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(CatalogDamaged, match="is not a catalog"):
        SqliteCatalog(path)
    assert schema(path) == [("notes", "CREATETABLEnotes(text)")]


def test_a_torn_page_is_found_by_check(path: Path) -> None:
    catalog = SqliteCatalog(path)
    catalog.write(lambda transaction: transaction.add_blocks(block_rows(3_000)))
    catalog.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    again = SqliteCatalog(path)
    assert list(again.check()) != []
    again.close()


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = SqliteCatalog(path)
    model = add_model(catalog)
    catalog.close()
    pages = len(path.read_bytes()) // 4096
    monkeypatch.setattr(sqlite, "_WRITE_PRAGMAS", (*sqlite._WRITE_PRAGMAS, f"max_page_count={pages + 20}"))
    full = SqliteCatalog(path)
    with pytest.raises(StorageFull):
        full.write(lambda transaction: transaction.add_blocks(block_rows(5_000)))
    assert add_version(full, model).number == 1
    with full.read() as view:
        assert view.counts() == {"models": 1, "versions": 1, "blocks": 0, "packs": 0}
    assert list(full.check()) == []
    full.close()


def test_a_catalog_that_another_process_writes_to_for_long_is_busy(
    path: Path, catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RegistryBusy):
        add_model(catalog)
    with catalog.read() as view:
        assert view.counts()["models"] == 0
    other.execute("ROLLBACK")
    other.close()
    assert add_model(catalog).id > 0


def test_several_processes_write_at_once_and_no_number_is_lost_or_given_twice(
    path: Path, catalog: SqliteCatalog
) -> None:
    add_model(catalog)
    writers = [program(WRITES_ON, path, name, 40) for name in ("mara", "jo")]
    numbers = [int(line) for writer in writers for line in writer.communicate(timeout=60)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(numbers) == list(range(1, 81))
    with catalog.read() as view:
        assert [entry.sequence for entry in view.ledger(limit=1000)] == list(range(1, 81))


def test_two_processes_that_create_at_once_make_one_catalog(path: Path) -> None:
    create = """
        import sys
        from pathlib import Path
        from budwood.catalog.sql.sqlite import SqliteCatalog
        from budwood.domain.names import Kind
        catalog = SqliteCatalog(Path(sys.argv[1]))
        catalog.write(lambda transaction: transaction.add_model("default", sys.argv[2], Kind.MODEL, "mara", 1))
        catalog.close()
    """
    makers = [program(create, path, name) for name in ("one", "two", "three")]
    assert [maker.wait(60) for maker in makers] == [0, 0, 0]
    for maker in makers:
        maker.communicate()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert [model.name for model in view.models()] == ["one", "three", "two"]
    catalog.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["catalog.db"]


def test_what_a_killed_process_was_told_is_written_stays_written(path: Path, catalog: SqliteCatalog) -> None:
    add_model(catalog)
    told = 0
    for _ in range(3):
        writer = program(WRITES_ON, path, "mara", 1_000_000)
        assert writer.stdout is not None
        for _ in range(15):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate(timeout=30)[0].split()
        told = int(rest[-1]) if rest else told
        assert list(catalog.check()) == []
        with catalog.read() as view:
            newest = view.newest_version("default", "encoder")
            assert newest is not None
            assert newest.number >= told
            assert len(view.ledger(limit=1000)) == newest.number


def test_a_process_that_never_closes_ends_all_the_same(path: Path) -> None:
    source = """
        import sys
        from pathlib import Path
        from budwood.catalog.sql.sqlite import SqliteCatalog
        from budwood.catalog.testing import add_model
        catalog = SqliteCatalog(Path(sys.argv[1]))
        add_model(catalog)
        view = catalog.read()
        view.__enter__().counts()
    """
    leaving = program(source, path)
    leaving.communicate(timeout=30)
    assert leaving.returncode == 0


def test_opening_a_catalog_that_is_up_to_date_does_not_load_the_migration_tool(path: Path) -> None:
    source = """
        import sys
        from pathlib import Path
        from budwood.catalog.sql.sqlite import SqliteCatalog
        SqliteCatalog(Path(sys.argv[1])).close()
        SqliteCatalog(Path(sys.argv[1])).close()
        print(sorted({"alembic", "mako", "sqlalchemy.orm"} & set(sys.modules)))
    """
    assert program(source, path).communicate(timeout=30)[0] == "[]\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_and_its_parent_both_go_on(catalog: SqliteCatalog) -> None:
    model = add_model(catalog)
    with catalog.read() as view:
        assert view.counts()["versions"] == 0
        child = os.fork()
        if child == 0:
            os._exit(_as_a_child(catalog))
        assert add_version(catalog, model).number in (1, 2)
        assert os.waitpid(child, 0)[1] == 0
        assert view.counts()["versions"] == 0
    with catalog.read() as view:
        assert view.counts()["versions"] == 2
    assert list(catalog.check()) == []


def _as_a_child(catalog: SqliteCatalog) -> int:
    """Write, read, close; 0 when all went well."""
    try:
        with catalog.read() as view:
            model = view.model("default", "encoder")
        assert model is not None
        version = add_version(catalog, model)
        with catalog.read() as view:
            assert view.version_by_id(version.id) == version
        catalog.close()
    except BaseException:
        return 1
    return 0


def test_the_folder_of_a_catalog_in_memory_goes_with_it() -> None:
    catalog = SqliteCatalog.in_memory()
    folder = catalog._path.parent
    add_model(catalog)
    assert folder.exists()
    catalog.close()
    assert not folder.exists()


SCANS = {
    "_REVISION",
    "_SIGNING",
    "_UNSTAGE_DEAD",
    "_COUNT_MODELS",
    "_COUNT_VERSIONS",
    "_COUNT_BLOCKS",
    "_COUNT_PACKS",
    "_NAMED_PACKS",
    "_PACKS",
    "_FORGET_PACKS",
    "_PACKED_BYTES",
    "_HELD_BYTES",
}


def test_every_statement_goes_by_an_index_but_those_that_count(catalog: SqliteCatalog) -> None:
    statements = statements_of(
        *(view, index, transaction, people_view, people_transaction, gate_view, gate_transaction),
        *(standard_view, standard_transaction),
        *(retention_view, retention_transaction),
        *(storage_tier_view, storage_tier_transaction),
        *(quota_view, quota_transaction),
    )
    assert len(statements) > 50
    assert scanning(catalog, statements | {"_due": people_view._due(2)}) == SCANS


def test_a_digest_prefix_does_not_read_the_whole_model(catalog: SqliteCatalog) -> None:
    assert "ix_version_digest" in steps(catalog, view._BY_DIGEST.compiled(sqlite.DIALECT).sql)[0]


def test_a_folder_with_an_odd_name_can_hold_a_catalog(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "a b%20?mode=ro#ü" / "catalog.db")
    assert add_model(catalog).id == 1
    catalog.close()
    assert (tmp_path / "a b%20?mode=ro#ü" / "catalog.db").exists()


def test_bulk_writes_take_no_more_memory_or_time_the_second_time(catalog: SqliteCatalog) -> None:
    rows = block_rows(20_000)
    catalog.write(lambda transaction: transaction.add_blocks(rows))
    moved = [type(row)(row.id, "packs/new.pack", row.offset, row.length, row.raw_length, 1, 2) for row in rows]
    catalog.write(lambda transaction: transaction.add_blocks(moved))
    with catalog.read() as view:
        assert [use.live_blocks for use in view.packs()] == [20_000]


def test_what_can_wait_moves_the_log_into_the_file_where_nobody_waits(path: Path, catalog: SqliteCatalog) -> None:
    for number in range(4):
        catalog.write_behind(lambda transaction: transaction.add_group(f"team-{number}", at_ms=1))  # noqa: B023 at once
    alone = path.with_name("alone.db")
    alone.write_bytes(path.read_bytes())
    with sqlite3.connect(alone) as database:
        assert database.execute("SELECT count(*) FROM team").fetchall() == [(4,)]
    database.close()


def test_a_failing_first_work_takes_nothing_of_the_next(catalog: SqliteCatalog) -> None:
    def fail(transaction: Transaction) -> None:
        model = transaction.add_model("default", "encoder", Kind.MODEL, "mara", 1)
        transaction.add_version(new_version(model))
        raise KeyError("enough")

    with pytest.raises(KeyError):
        catalog.write(fail)
    assert add_version(catalog, add_model(catalog)).number == 1
