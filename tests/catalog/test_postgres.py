"""What is PostgreSQL's own: schema, broken connections, lost answers, other processes, forks, full disks."""

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from sqlalchemy import create_engine

from budwood.catalog import migrations
from budwood.catalog.api import Transaction
from budwood.catalog.sql import postgres, postgres_schema, postgres_session
from budwood.catalog.sql.ledger_transaction import FRESH
from budwood.catalog.sql.postgres import WRITE_LOCK, PostgresCatalog, _PostgresBatch
from budwood.catalog.sql.schema import METADATA
from budwood.catalog.testing import add_model, add_version, new_version
from budwood.catalog.testing_index import block_rows
from budwood.errors import (
    BadValue,
    CatalogDamaged,
    RegistryBusy,
    RegistryNotFound,
    StorageFailed,
    StorageFull,
    TooNew,
    TooOld,
)
from tests.servers.postgres import PostgresServer

WRITES_ON = """
    import sys
    from concurrent.futures import ThreadPoolExecutor
    from budwood.catalog.sql.postgres import PostgresCatalog
    from budwood.catalog.testing import new_version

    catalog = PostgresCatalog(sys.argv[1])
    with catalog.read() as view:
        model = view.model("default", "encoder")

    def work(transaction):
        version = transaction.add_version(new_version(model, metrics={"auc": 0.5}))
        transaction.add_ledger(1, sys.argv[2], "version.pushed", "encoder", {})
        return version.number

    with ThreadPoolExecutor(int(sys.argv[3])) as pool:
        for number in pool.map(lambda _: catalog.write(work), range(int(sys.argv[4]))):
            print(number, flush=True)
"""
SCHEMA = (
    """SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default, is_identity
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'""",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass""",
)


@pytest.fixture
def catalog(postgres_url: str) -> Iterator[PostgresCatalog]:
    catalog = PostgresCatalog(postgres_url)
    yield catalog
    catalog.close()


def sql(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []


def schema(url: str) -> list[list[tuple[object, ...]]]:
    return [sorted(sql(url, text), key=str) for text in SCHEMA]


def program(source: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Wire:
    """A line to the server that can be cut when a word passes: before it arrives, or before its answer does."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = f"{unquote(parts.query.partition('host=')[2])}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cut_at = b""
        self.deliver = True
        self.mend = True
        self._lose = False
        self._lost = threading.Event()
        self.url = f"postgresql://budwood@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            threading.Thread(target=self._asks, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server), daemon=True).start()

    def _asks(self, client: socket.socket, server: socket.socket) -> None:
        while part := _received(client):
            if self.cut_at and self.cut_at in part:
                self.cut_at = b""
                if not self.mend:
                    self.close()
                if self.deliver:
                    # It was done, and only the answer gets lost.
                    self._lost.clear()
                    self._lose = True
                    server.sendall(part)
                    self._lost.wait(10)
                client.shutdown(socket.SHUT_RDWR)
                if self.deliver:
                    return
                break
            server.sendall(part)
        server.close()

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        while part := _received(server):
            if self._lose:
                self._lose = False
                self._lost.set()
                continue
            try:
                client.sendall(part)
            except OSError:
                break
        client.close()


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except OSError:
        return b""


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    if "host=" not in postgres_url:
        pytest.skip("the server has no socket file")
    wire = Wire(postgres_url)
    yield wire
    wire.close()


# The schema


def test_migrations_and_tables_give_the_same_schema(postgres_url: str, empty_postgres_url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty_postgres_url))
    METADATA.create_all(engine)
    engine.dispose()
    sql(empty_postgres_url, "CREATE TABLE alembic_version (version_num text)")
    assert schema(postgres_url) == schema(empty_postgres_url)


def test_text_is_ordered_by_code_point_in_every_column(postgres_url: str) -> None:
    columns = schema(postgres_url)[0]
    assert {column[4] for column in columns if column[2] == "text"} == {"C"}


def test_opening_never_changes_a_schema(empty_postgres_url: str) -> None:
    with pytest.raises(RegistryNotFound, match="no catalog") as raised:
        PostgresCatalog(empty_postgres_url)
    assert "budwood db upgrade" in raised.value.hint
    assert sql(empty_postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_an_older_schema_asks_for_the_upgrade(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "KNOWN", (*migrations.KNOWN, "9000"))
    monkeypatch.setattr(migrations, "HEAD", "9000")
    with pytest.raises(TooOld, match="9000") as raised:
        PostgresCatalog(postgres_url)
    assert "budwood db upgrade" in raised.value.hint


def test_a_newer_schema_is_refused_by_opening_and_by_upgrade(postgres_url: str) -> None:
    sql(postgres_url, "UPDATE alembic_version SET version_num = '9999'")
    for act in (PostgresCatalog, postgres_schema.upgrade, postgres_schema.state):
        with pytest.raises(TooNew, match="9999"):
            act(postgres_url)


def test_another_program_s_database_is_left_alone(empty_postgres_url: str) -> None:
    sql(empty_postgres_url, "CREATE TABLE notes (text text)")
    with pytest.raises(CatalogDamaged, match="another program"):
        postgres_schema.upgrade(empty_postgres_url)
    assert sql(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("notes",)]


def test_of_upgrades_at_once_one_migrates_and_the_others_find_it_done(empty_postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(postgres_schema.upgrade, [empty_postgres_url] * 4))
    assert sorted(state.before for state in states) == ["", *[migrations.HEAD] * 3]
    PostgresCatalog(empty_postgres_url).close()


def test_an_upgrade_that_fails_leaves_what_was_there_and_can_be_run_again(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(to: object) -> None:
        to.exec_driver_sql("CREATE TABLE half (id bigint)")  # type: ignore[attr-defined]
        raise KeyError("enough")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "upgrade", upgrade)
        with pytest.raises(KeyError):
            postgres_schema.upgrade(empty_postgres_url)
    assert postgres_schema.state(empty_postgres_url).revision == ""
    assert postgres_schema.upgrade(empty_postgres_url).revision == migrations.HEAD


# Connections that break


def test_reading_and_writing_go_on_after_the_server_restarts(
    catalog: PostgresCatalog, postgres_server: PostgresServer
) -> None:
    model = add_model(catalog)
    with catalog.read() as view:
        assert view.version_count(model.id) == 0
    postgres_server.restart()
    with catalog.read() as view:
        assert view.version_count(model.id) == 0
    assert add_version(catalog, model).number == 1
    postgres_server.restart()
    assert add_version(catalog, model).number == 2


def test_a_view_whose_connection_breaks_says_so_and_the_next_one_works(
    catalog: PostgresCatalog, postgres_url: str
) -> None:
    with catalog.read() as view:
        assert view.counts()["models"] == 0
        drop_connections(postgres_url)
        with pytest.raises(StorageFailed, match="lost"):
            view.counts()
    with catalog.read() as view:
        assert view.counts()["models"] == 0


def test_a_write_whose_connection_breaks_in_the_middle_is_not_kept(catalog: PostgresCatalog, postgres_url: str) -> None:
    model = add_model(catalog)

    def work(transaction: Transaction) -> None:
        transaction.add_version(new_version(model))
        drop_connections(postgres_url)
        transaction.add_version(new_version(model))

    with pytest.raises(StorageFailed):
        catalog.write(work)
    assert add_version(catalog, model).number == 1


def test_a_commit_whose_answer_is_lost_is_asked_after_and_acknowledged(wire: Wire) -> None:
    catalog = PostgresCatalog(wire.url)
    model = add_model(catalog)
    wire.cut_at = b"COMMIT\0"
    assert add_version(catalog, model).number == 1
    assert add_version(catalog, model).number == 2
    catalog.close()


def test_a_commit_that_never_arrived_is_said_not_to_have_happened(wire: Wire) -> None:
    catalog = PostgresCatalog(wire.url)
    model = add_model(catalog)
    wire.cut_at, wire.deliver = b"COMMIT\0", False
    with pytest.raises(StorageFailed, match="Nothing was written"):
        add_version(catalog, model)
    assert add_version(catalog, model).number == 1
    catalog.close()


def test_a_commit_that_nobody_can_be_asked_about_is_said_to_be_unknown(
    wire: Wire, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BUSY_S", 0.5)
    catalog = PostgresCatalog(wire.url)
    model = add_model(catalog)
    wire.cut_at, wire.mend = b"COMMIT\0", False
    with pytest.raises(StorageFailed, match="may or may not") as raised:
        add_version(catalog, model)
    assert raised.value.facts["outcome"] == "unknown"
    assert "Nothing was" not in raised.value.message + raised.value.hint
    catalog.close()


def test_a_writer_that_falls_silent_does_not_keep_the_others_out(
    catalog: PostgresCatalog, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_END_SILENT", postgres._END_SILENT.replace("'60s'", "'200ms'"))
    silent = PostgresCatalog(postgres_url)
    begun, woken = threading.Event(), threading.Event()

    def work(transaction: Transaction) -> None:
        begun.set()
        woken.wait(30)
        transaction.counts()

    with ThreadPoolExecutor(1) as pool:
        stalled = pool.submit(silent.write, work)
        assert begun.wait(30)
        assert add_model(catalog).id
        woken.set()
        with pytest.raises(StorageFailed):
            stalled.result(30)
    silent.close()


def test_a_reader_may_be_silent_for_as_long_as_it_likes(catalog: PostgresCatalog) -> None:
    with catalog.read() as view:
        assert sum(view.counts().values()) == 0
        session = catalog._borrow()
        assert session.control("SHOW idle_in_transaction_session_timeout") == ("0",)
        catalog._return(session)


def drop_connections(url: str) -> None:
    """Those of the catalogs of this test."""
    sql(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


# Others at the same database


def test_a_database_that_another_writer_holds_for_long_is_busy(
    catalog: PostgresCatalog, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = (*postgres_session._SETTINGS, "SET lock_timeout = '100ms'")
    monkeypatch.setattr(postgres_session, "_SETTINGS", impatient)
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
        with pytest.raises(RegistryBusy):
            add_model(catalog)
        with catalog.read() as view:
            assert view.counts()["models"] == 0
    assert add_model(catalog).id > 0


def test_fifty_threads_and_three_processes_give_each_number_once(catalog: PostgresCatalog, postgres_url: str) -> None:
    model = add_model(catalog)
    others = [program(WRITES_ON, postgres_url, name, 10, 60) for name in ("mara", "jo", "kim")]

    def work(transaction: Transaction) -> int:
        number = transaction.add_version(new_version(model)).number
        transaction.add_ledger(1, "eve", "version.pushed", "encoder", {})
        return number

    with ThreadPoolExecutor(50) as pool:
        numbers = list(pool.map(lambda _: catalog.write(work), range(150)))
    numbers += [int(line) for other in others for line in other.communicate(timeout=120)[0].split()]
    assert [other.returncode for other in others] == [0, 0, 0]
    assert sorted(numbers) == list(range(1, 331))
    with catalog.read() as view:
        assert [entry.sequence for entry in view.ledger(limit=1000)] == list(range(1, 331))
    assert list(catalog.check()) == []


def test_a_forked_child_and_its_parent_each_go_on_with_connections_of_their_own(catalog: PostgresCatalog) -> None:
    model = add_model(catalog)
    with catalog.read() as view:
        assert view.counts()["models"] == 1
        child = os.fork()
        if child == 0:
            # Whatever happens, the child must not go on with the parent's tests.
            code = 1
            try:
                with catalog.read() as own:
                    assert own.counts()["models"] == 1
                code = 0 if add_version(catalog, model).number == 1 else 1
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert view.counts()["versions"] == 0
    assert add_version(catalog, model).number == 2


def test_more_readers_than_connections_wait_for_each_other(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "POSTGRES_READERS", 2)
    monkeypatch.setattr(postgres, "BUSY_S", 0.2)
    catalog = PostgresCatalog(postgres_url)
    with catalog.read(), catalog.read(), pytest.raises(RegistryBusy), catalog.read():
        pass
    with catalog.read() as view, catalog.read():
        assert view.counts()["models"] == 0
    catalog.close()


# What the server does


def test_every_commit_that_cannot_wait_is_waited_for_even_where_the_database_says_otherwise(postgres_url: str) -> None:
    sql(postgres_url, f"ALTER DATABASE {urlsplit(postgres_url).path[1:]} SET synchronous_commit = off")
    catalog = PostgresCatalog(postgres_url)
    batch = _PostgresBatch(catalog._open_writer, FRESH)
    for synced in (True, False, True):
        batch.begin(small=False, synced=synced)
        assert batch._session.control("SHOW synchronous_commit") == ("on" if synced else "off",)
        batch.commit()
    batch.close()
    catalog.close()


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(
    postgres_server: PostgresServer, postgres_template: str, small_disk: Path
) -> None:
    place = str(small_disk)
    name = postgres_server.make(postgres_template)
    try:
        postgres_server.run(f"CREATE TABLESPACE small LOCATION '{place}'")
    except psycopg.Error as error:
        postgres_server.drop(name)
        pytest.skip(f"the server cannot use a small disk: {error}")
    try:
        postgres_server.run(f"ALTER DATABASE {name} SET TABLESPACE small")
        catalog = PostgresCatalog(postgres_server.url(name))
        model = add_model(catalog)
        rows = block_rows(100_000)
        with pytest.raises(StorageFull):
            catalog.write(lambda transaction: transaction.add_blocks(rows))
        with catalog.read() as view:
            assert view.counts()["blocks"] == 0
            assert view.model("default", "encoder") == model
        catalog.close()
    finally:
        postgres_server.drop(name)
        postgres_server.run("DROP TABLESPACE small")


def test_a_torn_page_is_found_by_check(
    catalog: PostgresCatalog, postgres_url: str, postgres_server: PostgresServer
) -> None:
    catalog.write(lambda transaction: transaction.add_blocks(block_rows(300)))
    ((folder,),) = sql(postgres_url, "SHOW data_directory")
    ((file,),) = sql(postgres_url, "SELECT pg_relation_filepath('block')")
    sql(postgres_url, "CHECKPOINT")
    path = Path(str(folder)) / str(file)
    if not os.access(path, os.W_OK):
        pytest.skip("the server's files are not ours to damage")
    content = bytearray(path.read_bytes())
    content[9_000:12_000] = b"\xa5" * 3_000
    path.write_bytes(content)
    postgres_server.restart()
    assert any("invalid page" in found for found in catalog.check())
    with catalog.read() as view, pytest.raises(CatalogDamaged):
        view.packs()


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    for address in (
        "postgresql://u:hunter2@host:port/x",
        "postgresql://u:x@hunter2@host/x",
        "password=hunter2 nonsense",
        "host='hunter2",
    ):
        with pytest.raises(BadValue) as raised:
            PostgresCatalog(address)
        assert "hunter2" not in str(raised.value) + raised.value.hint + str(raised.value.__cause__)


def test_a_database_that_is_not_there_and_a_server_that_is_not_there_differ(postgres_server: PostgresServer) -> None:
    with pytest.raises(RegistryNotFound, match="does not exist"):
        PostgresCatalog(postgres_server.url("no_such"))
    with pytest.raises(StorageFailed, match="does not answer"):
        PostgresCatalog("postgresql://u:hunter2@127.0.0.1:1/x")


@pytest.fixture
def small_disk(postgres_server: PostgresServer) -> Iterator[Path]:
    """A file system of sixteen megabytes that the server may write to."""
    disk = Path(f"/tmp/budwood-small-{os.getpid()}")
    disk.mkdir()
    owner = Path(str(postgres_server.run("SHOW data_directory")[0][0])).stat().st_uid
    mount = ["mount", "-t", "tmpfs", "-o", f"size=16m,mode=0700,uid={owner}", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount).returncode:
        disk.rmdir()
        pytest.skip("cannot mount a small file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)
    disk.rmdir()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE lease RENAME COLUMN holder TO hodler",
        "ALTER TABLE lease RENAME TO leese",
        "ALTER TABLE lease ALTER COLUMN expires_ms TYPE text",
    ],
)
def test_a_schema_that_somebody_changed_is_damage(catalog: PostgresCatalog, postgres_url: str, change: str) -> None:
    sql(postgres_url, change)
    with pytest.raises(CatalogDamaged), catalog.read() as view:
        view.leases(now_ms=0)
