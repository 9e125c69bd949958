"""The catalog in one SQLite file: pragmas, connections, errors, opening. All that is SQLite's own is here.

WAL with ``synchronous=FULL``: readers never wait, and what was acknowledged survives power loss (with NORMAL,
4 of 500 acknowledged writes were gone after a cut, so that is for what can wait alone). Readers take a connection
from a small pool and hold one snapshot; writers go through the one thread of ``writer.py``; other processes are kept
out of a batch by BEGIN IMMEDIATE. SQLite must not cross a fork, so idle connections are closed before one and nothing
that was open is touched in the child.
"""

import errno
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from budwood.catalog import migrations
from budwood.catalog.api import Done, Transaction, View
from budwood.catalog.sql.folder_bell import FolderBell, Heard
from budwood.catalog.sql.ledger_transaction import FRESH, Salts
from budwood.catalog.sql.schema import BIRTH, METADATA
from budwood.catalog.sql.session import ANYTHING, Compiled, Row, Statement
from budwood.catalog.sql.sqlite_errors import DRIVER_ERRORS, translated
from budwood.catalog.sql.trace_search import PATTERN_FUNCTION
from budwood.catalog.sql.transaction import SqlTransaction
from budwood.catalog.sql.view import SqlView
from budwood.catalog.sql.writer import GroupWriter
from budwood.domain.limits import BUSY_S, READERS_KEPT
from budwood.domain.traces.patterns import matches
from budwood.errors import (
    BudwoodError,
    CatalogDamaged,
    RegistryNotFound,
    StorageFailed,
    StorageFull,
    TooNew,
)

T = TypeVar("T")
BELLS: Final = "cache/bells"
_MOVED_IN_AFTER: Final = 4
"""So many writes that could wait: SQLite itself does it after a thousand pages, in whichever commit that is."""
DIALECT: Final[Dialect] = sqlite_dialect.dialect(paramstyle="pyformat")
# Each connection keeps so many KB of pages. Four times as many for readers, and twice as many for the writer, were not
# measurably faster: what is not there is in the system's own cache.
_READ_PRAGMAS: Final = ("foreign_keys=ON", "temp_store=MEMORY", "cache_size=-2000", "query_only=ON")
# What a savepoint needs to undo goes to a temporary file, as a large push under one would fill the memory; but not in a
# batch of small ones: a version touches 31 pages, and to write these to that file took a sixth of its time.
_WRITE_PRAGMAS: Final = (
    "foreign_keys=ON",
    "temp_store=FILE",
    "cache_size=-16000",
    "journal_size_limit=67108864",
)
_REVISION_TABLE: Final = (
    "CREATE TABLE alembic_version ("
    "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


class SqliteCatalog:
    """``catalog.api.Catalog`` in the file at ``path``.

    Raises RegistryNotFound when there is none and ``create`` is false, TooNew, CatalogDamaged, StorageFull,
    StorageFailed, RegistryBusy.
    """

    def __init__(self, path: Path, *, create: bool = True, durable: bool = True, salts: Salts = FRESH) -> None:
        self._path = path
        self._salts = salts
        self._synchronous = "FULL" if durable else "OFF"
        self._idle: list[SqliteSession] = []
        # Counts forks: a connection of an earlier generation belongs to another process.
        self._generation = 0
        self._writer = GroupWriter(self._open_batch)
        self._behind = count(1)
        self._paused = False
        self._closed = False
        self._discard: Callable[[], object] = _nothing
        self._bell = FolderBell(path.parent / BELLS, salts)
        self._open(create)
        _OPEN.add(self)

    @classmethod
    def in_memory(cls) -> Self:
        """A private catalog for tests: a temporary file that is never synced and goes with the catalog.

        The same code paths as on disk; SQLite's own ``:memory:`` would have no snapshots beside a writer.
        """
        folder = tempfile.mkdtemp(prefix="budwood-catalog-")
        catalog = cls(Path(folder) / "catalog.db", durable=False)
        catalog._discard = weakref.finalize(catalog, _remove_folder, folder, os.getpid())
        return catalog

    def read(self) -> AbstractContextManager[View]:
        return _Reading(self)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._writer.write(work)

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        written = self._writer.write_behind(work)
        self._move_log_in()
        return written

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        self._writer.write_soon(work, done)

    def hear(self, heard: Heard) -> Callable[[], None]:
        """``heard`` is called whenever any process on this machine has moved traffic. What is returned ends that."""
        return self._bell.hear(heard)

    def check(self) -> Iterator[str]:
        session = self._borrow()
        try:
            for (found,) in session.execute("PRAGMA integrity_check"):
                if found != "ok":
                    yield str(found)
            for table, row, parent, _ in session.execute("PRAGMA foreign_key_check"):
                yield f"row {row} of {table} names a row of {parent} that is not there"
        except CatalogDamaged as error:
            yield error.message
        finally:
            self._return(session)

    def close(self) -> None:
        _OPEN.discard(self)
        self._closed = True
        self._writer.close()
        self._close_idle()
        self._discard()

    def _open(self, create: bool) -> None:
        if not self._path.exists():
            if not create:
                raise RegistryNotFound(f"There is no catalog at {self._path}.", path=str(self._path))
            _create_file(self._path)
        session = self._borrow()
        try:
            self._check_revision(session)
        except BaseException:
            session.close()
            raise
        self._return(session)

    def _check_revision(self, session: "SqliteSession") -> None:
        if _known_revision(session, self._path) != migrations.HEAD:
            _migrate(self._path, self._synchronous)

    def _move_log_in(self) -> None:
        """What was written goes from the log into the file here, and not in the thread that others wait for."""
        if next(self._behind) % _MOVED_IN_AFTER == 0:
            session = self._borrow()
            try:
                session.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except BudwoodError:
                pass  # Then the writer does, when the log is long.
            finally:
                self._return(session)

    def _open_batch(self) -> "_SqliteBatch":
        session = _connect(self._path, (*_WRITE_PRAGMAS, f"synchronous={self._synchronous}"))
        return _SqliteBatch(session, self._salts, self._bell, self._synchronous)

    def _borrow(self) -> "SqliteSession":
        try:
            return self._idle.pop()
        except IndexError:
            return _connect(self._path, _READ_PRAGMAS, self._generation)

    def _return(self, session: "SqliteSession") -> None:
        if session.generation != self._generation:
            _ABANDONED.append(session)
        elif self._closed or session.in_transaction or len(self._idle) >= READERS_KEPT:
            session.close()
        else:
            self._idle.append(session)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _before_fork(self) -> None:
        self._paused = self._writer.pause()
        self._close_idle()

    def _after_fork_in_parent(self) -> None:
        if self._paused:
            self._writer.resume()

    def _after_fork_in_child(self) -> None:
        # What was in use at the fork must never be closed here: this process does not hold its locks.
        _ABANDONED.append(self._writer)
        self._generation += 1
        self._writer = GroupWriter(self._open_batch)


class SqliteSession:
    """``sql.session.Session`` over one connection of the driver."""

    __slots__ = ("_connection", "_path", "generation", "rung")
    dialect: Dialect = DIALECT

    def __init__(self, connection: sqlite3.Connection, path: Path, generation: int = 0) -> None:
        self._connection = connection
        self._path = path
        self.generation = generation
        self.rung: set[int] = set()

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str) -> list[Row]:
        """Run SQL that is not from the tables: pragmas and transaction control."""
        try:
            return self._connection.execute(sql).fetchall()
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def run(self, compiled: Compiled) -> list[Row]:
        return self._fetched(compiled, compiled.in_order(compiled.fixed))

    def all(self, statement: Statement, **values: object) -> list[Row]:
        compiled = statement.compiled(DIALECT)
        return self._fetched(compiled, _joined(compiled, values))

    def one(self, statement: Statement, **values: object) -> Row | None:
        compiled = statement.compiled(DIALECT)
        try:
            row: Row | None = self._connection.execute(compiled.sql, _joined(compiled, values)).fetchone()
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        if row is not None and not compiled.fits(row):
            raise self._misfit()
        return row

    def add(self, statement: Statement, **values: object) -> int:
        compiled = statement.compiled(DIALECT)
        try:
            given = self._connection.execute(compiled.sql, _joined(compiled, values)).lastrowid
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        assert given is not None
        return given

    def change(self, statement: Statement, **values: object) -> int:
        compiled = statement.compiled(DIALECT)
        try:
            return self._connection.execute(compiled.sql, _joined(compiled, values)).rowcount
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def change_soon(self, statement: Statement, **values: object) -> None:
        self.change(statement, **values)

    def change_many(self, statement: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        compiled = statement.compiled(DIALECT)
        assert all(value is not None for value in compiled.fixed.values())
        whole = ({**compiled.fixed, **row} for row in rows) if compiled.fixed else rows
        try:
            self._connection.executemany(compiled.sql, map(compiled.in_order, whole))
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def ring(self, endpoint_id: int = ANYTHING) -> None:
        self.rung.add(endpoint_id)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def _fetched(self, compiled: Compiled, values: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
        try:
            rows = self._connection.execute(compiled.sql, values).fetchall()
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        if not all(map(compiled.fits, rows)):
            raise self._misfit()
        return rows

    def _misfit(self) -> CatalogDamaged:
        return CatalogDamaged(f"The catalog at {self._path} holds a value of another type than its column.")


class _Reading:
    """One snapshot: the first read fixes it, leaving ends it."""

    __slots__ = ("_catalog", "_session")

    def __init__(self, catalog: SqliteCatalog) -> None:
        self._catalog = catalog

    def __enter__(self) -> View:
        session = self._session = self._catalog._borrow()
        try:
            session.execute("BEGIN")
        except BaseException:
            session.close()
            raise
        return SqlView(session)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        if session.generation == self._catalog._generation:
            with suppress(BudwoodError):
                session.execute("ROLLBACK")
        self._catalog._return(session)


class _SqliteBatch:
    """``writer.Batch`` over one connection."""

    def __init__(self, session: SqliteSession, salts: Salts, bell: FolderBell, synchronous: str) -> None:
        self._session = session
        self._bell = bell
        self._synchronous = synchronous
        self._small = False
        self._synced = True
        self.transaction = SqlTransaction(session, salts)

    def begin(self, *, small: bool, synced: bool) -> None:
        self.transaction.forget()
        self._session.rung.clear()
        if small is not self._small:
            self._session.execute(f"PRAGMA temp_store={'MEMORY' if small else 'FILE'}")
            self._small = small
        if synced is not self._synced:
            self._synchronize(synced)
        self._session.execute("BEGIN IMMEDIATE")

    def mark(self) -> None:
        self._session.execute("SAVEPOINT work")

    def settle(self) -> None:
        """Nothing waits here."""

    def keep(self) -> None:
        self._session.execute("RELEASE work")

    def undo(self) -> bool:
        self.transaction.forget()
        # A full disk or a failed write can end the whole transaction, and with it the mark.
        if not self._session.in_transaction:
            return False
        self._session.execute("ROLLBACK TO work")
        self._session.execute("RELEASE work")
        return True

    def commit(self) -> None:
        self._session.execute("COMMIT")
        if self._session.rung:
            self._bell.ring(() if ANYTHING in self._session.rung else self._session.rung)

    def roll_back(self) -> None:
        if self._session.in_transaction:
            with suppress(BudwoodError):
                self._session.execute("ROLLBACK")

    def close(self) -> None:
        self._session.close()

    def _synchronize(self, synced: bool) -> None:
        """Of the log one part follows the other, so what is not synced now is with the next that is."""
        if self._synchronous == "FULL":
            self._session.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
        self._synced = synced


def _connect(path: Path, pragmas: Iterable[str], generation: int = 0) -> SqliteSession:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{'mode=ro&immutable=1' if _is_at_rest(path) else 'mode=rw'}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise translated(error, path) from error
    session = SqliteSession(connection, path, generation)
    try:
        for pragma in pragmas:
            session.execute(f"PRAGMA {pragma}")
        # SQLite's own lower() stops at ASCII, and LIKE is written with it.
        connection.create_function("lower", 1, str.lower, deterministic=True)
        connection.create_function(PATTERN_FUNCTION, 2, matches, deterministic=True)
    except BaseException:
        session.close()
        raise
    return session


def _is_at_rest(path: Path) -> bool:
    """Whether the file system is read-only and no journal waits: SQLite must then be told that it needs none."""
    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        return bool(read_only) and not path.with_name(f"{path.name}-wal").exists()
    except OSError:
        return False


def _create_file(path: Path) -> None:
    """Make the whole catalog beside its place and link it in: nobody ever meets half of one, and of two
    processes that create at once the second uses the first one's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-catalog-", dir=path.parent) as folder:
            made = Path(folder) / path.name
            made.touch()
            _create_tables(made)
            if Path(f"{made}-wal").exists():
                # Closing moves everything from the log into the file; when that failed, the file alone is nothing.
                raise StorageFailed(f"The catalog cannot be written at {path}.", path=str(path))
            _link_in(made, path)
        _sync_folder(path.parent)
    except OSError as error:
        full = StorageFull if error.errno == errno.ENOSPC else StorageFailed
        raise full(f"The catalog cannot be created at {path}: {error.strerror}.", path=str(path)) from error


def _create_tables(path: Path) -> None:
    session = _connect(path, ("journal_mode=WAL", "synchronous=FULL"))
    try:
        session.execute("BEGIN IMMEDIATE")
        for statement in schema_statements():
            session.execute(statement)
        session.execute("COMMIT")
    finally:
        session.close()


def schema_statements() -> Iterator[str]:
    """The schema at HEAD as SQL, with the row that says so."""
    for table in METADATA.sorted_tables:
        yield str(CreateTable(table).compile(dialect=DIALECT))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=DIALECT))
    yield str(BIRTH.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))
    yield _REVISION_TABLE
    yield f"INSERT INTO alembic_version VALUES ('{migrations.HEAD}')"  # noqa: S608 a constant


def _link_in(made: Path, path: Path) -> None:
    try:
        os.link(made, path)
    except FileExistsError:
        return
    except OSError:
        # No hard links here: renaming is the next best, after one more look.
        if not path.exists():
            made.rename(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def revision_at(path: Path) -> str:
    """The schema's revision of a catalog, which is left as it is.

    Raises RegistryNotFound, TooNew, CatalogDamaged, StorageFailed.
    """
    if not path.exists():
        raise RegistryNotFound(f"There is no catalog at {path}.", path=str(path))
    session = _connect(path, _READ_PRAGMAS)
    try:
        return _known_revision(session, path)
    finally:
        session.close()


def _known_revision(session: SqliteSession, path: Path) -> str:
    revision = _revision(session)
    if revision is None:
        raise CatalogDamaged(f"{path} is not a catalog.", path=str(path))
    if revision not in migrations.KNOWN:
        raise TooNew(f"This catalog has schema {revision}; this Budwood knows up to {migrations.HEAD}.")
    return revision


def _revision(session: SqliteSession) -> str | None:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    if not session.execute(named):
        return None
    rows = session.execute("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def _migrate(path: Path, synchronous: str) -> None:
    """Run the missing migrations in one transaction; of two processes at once the second finds it done."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    session = _connect(path, ("foreign_keys=OFF", f"synchronous={synchronous}"))
    engine = create_engine("sqlite://", creator=lambda: session._connection, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            session.execute("BEGIN IMMEDIATE")
            migrations.upgrade(connection)
            connection.commit()
    except DBAPIError as error:
        raise translated(error.orig if isinstance(error.orig, Exception) else error, path) from error
    except sqlite3.Error as error:
        raise translated(error, path) from error
    finally:
        engine.dispose()
        session.close()


def _joined(compiled: Compiled, values: dict[str, object]) -> Sequence[Any] | Mapping[str, Any]:
    """All values, as the statement wants them."""
    return compiled.in_order({**compiled.fixed, **values} if compiled.fixed else values)


_OPEN: "weakref.WeakSet[SqliteCatalog]" = weakref.WeakSet()
_ABANDONED: list[object] = []


def _nothing() -> None:
    """There is no folder to remove."""


def _remove_folder(folder: str, made_by: int) -> None:
    # A forked child ends too, and the folder is its parent's.
    if os.getpid() == made_by:
        shutil.rmtree(folder, ignore_errors=True)


def _each(act: Callable[[SqliteCatalog], None]) -> Callable[[], None]:
    def act_on_each() -> None:
        for catalog in list(_OPEN):
            act(catalog)

    return act_on_each


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each(SqliteCatalog._before_fork),
        after_in_parent=_each(SqliteCatalog._after_fork_in_parent),
        after_in_child=_each(SqliteCatalog._after_fork_in_child),
    )
