"""The catalog in PostgreSQL: opening, snapshots for readers, the one writer, commits whose answer was lost, forks.

There is one writer at a time over all processes and hosts: a transaction takes the advisory lock ``WRITE_LOCK``
before its first look, so it sees everything that was committed, ledger numbers stay dense, and ``write`` is
serialisable without ever being run again. Within a process writers share commits (``writer.py``). Readers hold
one snapshot each, of a connection from a small pool.

A connection that breaks at COMMIT leaves open whether it happened. The transaction's number is known from its
beginning, so the server is asked; only when it does not answer either is the caller told that nobody knows.

The schema is never changed by opening: ``budwood db upgrade`` does that (``migrations``).
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Final, TypeVar

from sqlalchemy import func, select
from sqlalchemy.schema import ForeignKey

from budwood.catalog import migrations
from budwood.catalog.api import Done, Transaction, View
from budwood.catalog.sql.folder_bell import Heard
from budwood.catalog.sql.ledger_transaction import FRESH, Salts
from budwood.catalog.sql.postgres_bell import PostgresBell
from budwood.catalog.sql.postgres_session import (
    ConnectionLost,
    PostgresDialect,
    PostgresSession,
    open_session,
    place_of,
)
from budwood.catalog.sql.schema import METADATA
from budwood.catalog.sql.session import compile_for
from budwood.catalog.sql.transaction import SqlTransaction
from budwood.catalog.sql.view import SqlView
from budwood.catalog.sql.writer import GroupWriter
from budwood.domain.limits import BUSY_S, POSTGRES_READERS, READERS_KEPT, STALLED_WRITE_S
from budwood.errors import BudwoodError, CatalogDamaged, RegistryBusy, RegistryNotFound, StorageFailed, TooNew, TooOld

T = TypeVar("T")
# "budwood" in letters; locks are per database, and other programs' numbers are small or random.
WRITE_LOCK: Final = 0x627564776F6F64
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_LOCK: Final = f"SELECT pg_advisory_xact_lock({WRITE_LOCK}), pg_current_xact_id()"
_BEGIN_AND_LOCK: Final = f"{_BEGIN_WRITE}; {_LOCK}"
# What is not waited for is on the disk within a second, and with the next that is at the latest.
_BEGIN_UNSYNCED: Final = f"{_BEGIN_WRITE}; SET LOCAL synchronous_commit = off; {_LOCK}"
# A writer that stopped without dying would keep all others out; a reader may look at its snapshot for hours.
_END_SILENT: Final = f"SET idle_in_transaction_session_timeout = '{STALLED_WRITE_S}s'"
_UPGRADE: Final = "Run 'budwood db upgrade', once, where no other release writes to this database."
_END_BACKEND: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid ="
_ASK_AGAIN_S: Final = 0.2
# The first that the server has: with an ASCII database, its own default would fold ASCII letters alone.
_FOLDINGS: Final = ("pg_c_utf8", "und-x-icu", "C.utf8", "C.UTF-8", "en_US.utf8", "en_US.UTF-8")


class PostgresCatalog:
    """``catalog.api.Catalog`` in the database that ``dsn`` names (a URL, or libpq's ``key=value`` words).

    Raises RegistryNotFound when there is no catalog, TooOld, TooNew, CatalogDamaged, StorageFailed, RegistryBusy,
    BadValue for a DSN that is none.
    """

    def __init__(self, dsn: str, *, salts: Salts = FRESH) -> None:
        self._salts = salts
        self._dsn = dsn
        self.place = place_of(dsn)
        self._dialect = PostgresDialect()
        self._closed = False
        # Counts forks: a connection of an earlier generation belongs to another process.
        self._generation = 0
        self._start()
        session = open_session(dsn, self._dialect)
        try:
            self._check(session)
            self._dialect = PostgresDialect(_folding(session))
        finally:
            session.close()
        _OPEN.add(self)

    def read(self) -> AbstractContextManager[View]:
        return _Reading(self)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._writer.write(work)

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        return self._writer.write_behind(work)

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        self._writer.write_soon(work, done)

    def hear(self, heard: Heard) -> Callable[[], None]:
        """``heard`` is called whenever anybody has moved traffic. What is returned ends that."""
        return PostgresBell(self._dsn, heard).close

    def check(self) -> Iterator[str]:
        """Reads every row of every table, and looks for rows whose parent is gone."""
        with _Reading(self) as view:
            session = view._session
            assert isinstance(session, PostgresSession)
            try:
                for table in METADATA.sorted_tables:
                    session.control(f'SELECT count(whole::text) FROM "{table.name}" whole')  # noqa: S608 our own names
                    for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
                        yield from _orphans(session, key)
            except CatalogDamaged as error:
                yield error.message

    def close(self) -> None:
        _OPEN.discard(self)
        self._closed = True
        self._writer.close()
        while self._idle:
            self._idle.pop().close()

    def _start(self) -> None:
        self._idle: list[PostgresSession] = []
        self._places = threading.BoundedSemaphore(POSTGRES_READERS)
        self._writer = GroupWriter(lambda: _PostgresBatch(self._open_writer, self._salts))

    def _check(self, session: PostgresSession) -> None:
        (encoding,) = session.control("SHOW server_encoding")
        if encoding != "UTF8":
            raise StorageFailed(
                f"{self.place} stores text as {encoding}.", hint="Make the database with ENCODING UTF8."
            )
        revision = revision_of(session)
        if revision is None:
            raise RegistryNotFound(f"There is no catalog in {self.place}.", hint=_UPGRADE)
        if revision not in migrations.KNOWN:
            raise TooNew(f"This catalog has schema {revision}; this Budwood knows up to {migrations.HEAD}.")
        if revision != migrations.HEAD:
            raise TooOld(f"{self.place} has schema {revision}; this Budwood needs {migrations.HEAD}.")

    def _open_session(self) -> PostgresSession:
        return open_session(self._dsn, self._dialect, self._generation)

    def _open_writer(self) -> PostgresSession:
        session = self._open_session()
        try:
            session.control(_END_SILENT)
        except BaseException:
            session.close()
            raise
        return session

    def _borrow(self) -> PostgresSession:
        if self._closed:
            raise StorageFailed("The catalog was closed.", hint="Open the registry again.")
        if not self._places.acquire(timeout=BUSY_S):
            message = f"{POSTGRES_READERS} readers are at work already."
            raise RegistryBusy(message, limit="POSTGRES_READERS")
        try:
            return self._idle.pop()
        except IndexError:
            try:
                return self._open_session()
            except BaseException:
                self._places.release()
                raise

    def _return(self, session: PostgresSession) -> None:
        if session.generation != self._generation:
            _ABANDONED.append(session)
            return
        if self._closed or not session.is_idle or len(self._idle) >= READERS_KEPT:
            session.close()
        else:
            self._idle.append(session)
        self._places.release()

    def _after_fork_in_child(self) -> None:
        # The server would take a word from here for the parent's, so what was open is never touched again.
        _ABANDONED.extend((self._writer, self._idle))
        self._generation += 1
        self._start()


def revision_of(session: PostgresSession) -> str | None:
    """The schema's revision; None for a database without a catalog."""
    if session.control("SELECT to_regclass('alembic_version') IS NULL") == ("t",):
        return None
    if session.control("SELECT count(*) FROM alembic_version") != ("1",):
        raise CatalogDamaged("The table alembic_version does not have one row.")
    return session.control("SELECT version_num FROM alembic_version")[0]


class _Reading:
    """One snapshot: the first read fixes it, leaving ends it."""

    __slots__ = ("_catalog", "_session")

    def __init__(self, catalog: PostgresCatalog) -> None:
        self._catalog = catalog

    def __enter__(self) -> SqlView:
        while True:
            session = self._session = self._catalog._borrow()
            was_idle = session.has_served
            try:
                session.control(_BEGIN_READ)
                session.has_served = True
                return SqlView(session)
            except BaseException as error:
                self._catalog._return(session)
                # It lay idle while the server went away. Nothing was read yet, so another one does as well.
                if not (was_idle and isinstance(error, ConnectionLost)):
                    raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        if session.generation == self._catalog._generation:
            with suppress(BudwoodError):
                session.control("ROLLBACK")
        self._catalog._return(session)


class _PostgresBatch:
    """``writer.Batch`` over one connection, which it opens again when it finds it gone before anything was done."""

    def __init__(self, open_session: Callable[[], PostgresSession], salts: Salts) -> None:
        self._open_session = open_session
        self._salts = salts
        self._session = open_session()
        self.transaction = SqlTransaction(self._session, salts)
        self._number = ""
        self._kept = False

    def begin(self, *, small: bool, synced: bool) -> None:
        self._kept = False
        self.transaction.forget()
        begin = _BEGIN_AND_LOCK if synced else _BEGIN_UNSYNCED
        try:
            self._number = self._session.control(begin)[1]
        except ConnectionLost:
            self._reopen()
            self._number = self._session.control(begin)[1]

    def mark(self) -> None:
        # They go with the work's first question: each journey costs as much as a look-up.
        if self._kept:
            self._session.control_soon("RELEASE work")
        self._session.control_soon("SAVEPOINT work")
        self._kept = False

    def settle(self) -> None:
        self._session.settle()

    def keep(self) -> None:
        self._kept = True

    def undo(self) -> bool:
        self.transaction.forget()
        # The mark itself may not have been sent yet; without it this would return to the one before.
        with suppress(BudwoodError):
            self._session.settle()
        if self._session.is_lost:
            return False
        try:
            self._session.control("ROLLBACK TO work; RELEASE work")
        except ConnectionLost:
            return False
        return True

    def commit(self) -> None:
        try:
            (done,) = self._session.control("COMMIT")
        except ConnectionLost as error:
            self._settle(error)
        else:
            if done != "COMMIT":
                raise StorageFailed("The database dropped a batch.")

    def roll_back(self) -> None:
        self._session.forget()
        if not self._session.is_lost:
            with suppress(BudwoodError):
                self._session.control("ROLLBACK")

    def close(self) -> None:
        self._session.close()

    def _reopen(self) -> None:
        self._session.close()
        self._session = self._open_session()
        self.transaction = SqlTransaction(self._session, self._salts)

    def _settle(self, lost: ConnectionLost) -> None:
        """Find out whether the commit happened. Raises StorageFailed when it did not, or when that stays unknown."""
        give_up = time.monotonic() + BUSY_S
        while True:
            try:
                self._reopen()
                # The server may not know yet that nobody listens there; what holds the lock is still at work.
                self._session.control(f"{_END_BACKEND} '{self._number}'::xid8::xid")
                self._session.control(f"SELECT pg_advisory_lock({WRITE_LOCK}), pg_advisory_unlock({WRITE_LOCK})")
                (status,) = self._session.control(f"SELECT pg_xact_status('{self._number}'::xid8)")
                break
            except (StorageFailed, RegistryBusy):
                if time.monotonic() > give_up:
                    raise _unknown(lost) from lost
                time.sleep(_ASK_AGAIN_S)
        if status != "committed":
            raise StorageFailed(f"{lost.message} Nothing was written.") from lost


def _unknown(lost: ConnectionLost) -> StorageFailed:
    message = f"{lost.message} It happened during the commit: this may or may not have been written."
    return StorageFailed(message, hint="Look whether it is there before doing it again.", outcome="unknown")


def _folding(session: PostgresSession) -> str:
    names = ", ".join(f"'{name}'" for name in _FOLDINGS)
    found = session.control(
        f"SELECT coalesce(string_agg(collname, ' '), '') FROM pg_collation WHERE collname IN ({names})"  # noqa: S608 constants
        " AND collencoding IN (-1, pg_char_to_encoding('UTF8'))"
    )[0].split()
    return next((name for name in _FOLDINGS if name in found), "default")


def _orphans(session: PostgresSession, key: ForeignKey) -> Iterator[str]:
    child, parent = key.parent, key.column
    found = select(func.count()).where(child.is_not(None), ~select(parent).where(parent == child).exists())
    count = session.run(compile_for(session.dialect, found))[0][0]
    if count:
        yield f"{count} rows of {child.table.name} name a row of {parent.table.name} that is not there"


_OPEN: "weakref.WeakSet[PostgresCatalog]" = weakref.WeakSet()
_ABANDONED: list[object] = []


def _after_fork_in_child() -> None:
    for catalog in list(_OPEN):
        catalog._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
