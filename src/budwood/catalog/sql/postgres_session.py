"""One connection to PostgreSQL: how it is opened, how statements run on it, and what its errors mean to a caller.

Statements are prepared at their first use and stay so. Everything travels in binary, every whole number as
BIGINT (by value it would be SMALLINT or INTEGER, and each mixture a statement of its own). Transaction control
goes to libpq directly: through the driver it costs ten times as much, more than a look-up itself.

The text of a DSN may hold a password, so it is never repeated; ``place`` is what errors show instead.
"""

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect
from sqlalchemy.sql.elements import BinaryExpression

from budwood.catalog.sql.postgres_line import Line
from budwood.catalog.sql.session import ANYTHING, Compiled, Doubles, Row, Statement, Wholes
from budwood.domain.limits import BUSY_S
from budwood.errors import (
    BadValue,
    BudwoodError,
    CatalogDamaged,
    RegistryBusy,
    RegistryNotFound,
    StorageFailed,
    StorageFull,
)

# Noticed after half a minute: a host that went away without a word must not hold a thread for hours.
_CONNECTION: Final[Mapping[str, str | int]] = {
    "application_name": "budwood",
    "connect_timeout": BUSY_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
TRAFFIC: Final = "budwood_traffic"
"""The channel on which it is said whose traffic was moved."""
_NOTIFY: Final = f"SELECT pg_notify('{TRAFFIC}', %(said)s)"

MANY: Final = 8
"""From so many rows on, lists of columns are less work than a statement each."""
_SETTINGS: Final = (
    "SET client_encoding = 'UTF8'",
    # Estimates of a general plan are far off at times, and compiling a query that reads fifty rows never pays.
    "SET jit = off",
    f"SET lock_timeout = '{BUSY_S}s'",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
# By the beginning of their SQLSTATE, the longest first.
_FAMILIES: Final[Mapping[str, type[BudwoodError]]] = {
    "53100": StorageFull,
    "53300": RegistryBusy,
    "55P03": RegistryBusy,
    "40001": RegistryBusy,
    "40P01": RegistryBusy,
    "57014": RegistryBusy,
    "57P03": RegistryBusy,
    "3D000": RegistryNotFound,
    "25006": StorageFailed,
    "42501": StorageFailed,
    # No such table, no such column, another type, a rule broken: our statements suit the schema that was checked.
    "42P01": CatalogDamaged,
    "42703": CatalogDamaged,
    "42804": CatalogDamaged,
    "42883": CatalogDamaged,
    "23": CatalogDamaged,
    "XX": CatalogDamaged,
    "08": StorageFailed,
    "25P": StorageFailed,
    "28": StorageFailed,
    "53": StorageFailed,
    "57P": StorageFailed,
    "58": StorageFailed,
}
_ADDRESS_HINT: Final = "Write postgresql://USER@HOST/DATABASE, with '%40' for an '@' in a name or password."

# The driver turns values into bytes by itself: text may hold half of a character, a number be too large.
_DRIVER_ERRORS: Final = (psycopg.Error, UnicodeError, OverflowError)


class ConnectionLost(StorageFailed):
    """The connection is gone; what was not committed is too."""


class PostgresDialect(PGDialect):
    """Compiles for the driver's named values. ``folding`` is a collation that knows the case of every letter."""

    def __init__(self, folding: str = "default") -> None:
        super().__init__(paramstyle="pyformat")  # type: ignore[no-untyped-call]
        self.folding = folding
        # Without it a backslash in text is doubled, as servers wanted it before 9.1.
        self._backslash_escapes = False


class _Compiler(PGCompiler):
    """Columns are ordered by code point (COLLATE "C"), which folds the case of ASCII letters alone."""

    def visit_ilike_op_binary(self, binary: BinaryExpression[bool], operator: Any, **words: Any) -> str:
        assert isinstance(self.dialect, PostgresDialect)
        text, pattern = self.process(binary.left, **words), self.process(binary.right, **words)
        return f"{text} COLLATE \"{self.dialect.folding}\" ILIKE {pattern} ESCAPE '\\'"


PostgresDialect.statement_compiler = _Compiler


class PostgresSession:
    """``sql.session.Session`` over one connection of the driver."""

    __slots__ = ("_connection", "_cursor", "_line", "_place", "dialect", "generation", "has_served")

    def __init__(
        self, connection: psycopg.Connection[Row], dialect: PostgresDialect, place: str, generation: int = 0
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._line = Line(connection)
        self._place = place
        self.dialect = dialect
        self.generation = generation
        self.has_served = False

    @property
    def is_idle(self) -> bool:
        """Whether the connection lives, outside any transaction."""
        return self._connection.pgconn.transaction_status == TransactionStatus.IDLE

    @property
    def is_lost(self) -> bool:
        return self._connection.closed

    def control(self, sql: str) -> tuple[str, ...]:
        """Run SQL without values: transaction control and settings. The first row of the last result, as text."""
        self.settle()
        try:
            done = self._connection.pgconn.exec_(sql.encode())
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error
        if done.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise self._translated(psycopg.errors.error_from_result(done))
        if done.ntuples == 0:
            return ((done.command_status or b"").decode(),)
        return tuple((done.get_value(0, column) or b"").decode() for column in range(done.nfields))

    def run(self, compiled: Compiled) -> list[Row]:
        self.settle()
        try:
            return self._cursor.execute(compiled.sql, compiled.fixed, prepare=False).fetchall()
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def all(self, statement: Statement, **values: object) -> list[Row]:
        return self._line.rows(self._asked(statement, values))

    def one(self, statement: Statement, **values: object) -> Row | None:
        found = self._line.rows(self._asked(statement, values), most=1)
        return found[0] if found else None

    def add(self, statement: Statement, **values: object) -> int:
        row = self.one(statement, **values)
        assert row is not None
        return int(row[0])

    def change(self, statement: Statement, **values: object) -> int:
        return self._asked(statement, values).command_tuples or 0

    def change_soon(self, statement: Statement, **values: object) -> None:
        self.change_many(statement, [values])

    def change_many(self, statement: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        if (together := statement.of_lists) is not None:
            rows = list(rows)
            if len(rows) >= MANY:
                statement, rows = together.statement, [together.values(rows)]
        compiled = statement.compiled(self.dialect)
        try:
            for row in rows:
                self._line.later(compiled.sql, _joined(compiled, row))
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def control_soon(self, sql: str) -> None:
        """Transaction control that goes with the next statement."""
        try:
            self._line.later(sql, {})
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def ring(self, endpoint_id: int = ANYTHING) -> None:
        try:
            self._line.later(_NOTIFY, {"said": str(endpoint_id)})
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def settle(self) -> None:
        """Everything that was asked for is done in the database when this returns."""
        try:
            self._line.settle()
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def forget(self) -> None:
        """Drop what was not sent yet: it would be rolled back."""
        self._line.forget()

    def _asked(self, statement: Statement, values: Mapping[str, object]) -> PGresult:
        compiled = statement.compiled(self.dialect)
        try:
            return self._line.ask(compiled.sql, _joined(compiled, values))
        except _DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def lend(self) -> psycopg.Connection[Row]:
        """The connection itself, for what the driver's own tools must do: migrations."""
        self.settle()
        return self._connection

    def close(self) -> None:
        self._line.close()
        with suppress(psycopg.Error):
            self._connection.close()

    def _translated(self, error: Exception) -> Exception:
        if not isinstance(error, psycopg.Error):
            return BadValue(f"A value cannot be stored: {error}.")
        # What carries no SQLSTATE comes from libpq, which at times finds out only later that nobody is there.
        from_library = error.sqlstate is None and type(error) in (psycopg.OperationalError, psycopg.DatabaseError)
        if self.is_lost or from_library:
            self.close()
            return ConnectionLost(f"The connection to {self._place} was lost: {first_line(error)}.")
        return translated(error, self._place)


def open_session(dsn: str, dialect: PostgresDialect, generation: int = 0) -> PostgresSession:
    """Raises BadValue for what is no DSN, RegistryNotFound for no such database, StorageFailed, RegistryBusy."""
    place = place_of(dsn)
    try:
        connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=0, **missing_from(dsn))
    except psycopg.Error as error:
        raise translated(error, place) from error
    connection.prepared_max = None
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(Wholes, _WholesDumper)
    connection.adapters.register_dumper(Doubles, _DoublesDumper)
    connection.adapters.register_loader("numeric", _WholeLoader)
    session = PostgresSession(connection, dialect, place, generation)
    try:
        session.control("; ".join(_SETTINGS))
    except BaseException:
        session.close()
        raise
    return session


def place_of(dsn: str) -> str:
    """Which database a DSN names, without the secrets in it. Raises BadValue."""
    words = _parsed(dsn)
    host, port, name = (str(words.get(key) or "") for key in ("host", "port", "dbname"))
    if "@" in host or (not port.replace(",", "").isdigit() and port):
        # A password with an '@' or ':' of its own was cut in two, and the rest would be shown as the host's name.
        raise BadValue("The database's address is not understood.", hint=_ADDRESS_HINT)
    host = host if not host.startswith("/") else "localhost"
    return f"postgresql://{host}{f':{port}' if port else ''}/{name}"


def translated(error: psycopg.Error, place: str) -> Exception:
    """The error of ours that says what the caller can do; a mistake in our own SQL stays what it is."""
    state = error.sqlstate or ""
    for length in (5, 3, 2):
        if family := _FAMILIES.get(state[:length]):
            return family(f"The catalog at {place}: {first_line(error)}.")
    if not state and isinstance(error, psycopg.DataError):
        return BadValue(f"A value cannot be stored: {first_line(error)}.")
    if not state and isinstance(error, psycopg.OperationalError):
        family = RegistryNotFound if _says_no_database(error) else StorageFailed
        return family(f"The catalog at {place} does not answer: {first_line(error)}.")
    return error


def first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


class _NumbersDumper(Dumper):
    """A list of numbers as PostgreSQL's binary array: dimensions, whether any is NULL, their type, how many, from 1."""

    format = Format.BINARY
    of: int
    code: str

    def dump(self, obj: list[Any]) -> bytes:
        """Raises DataError for a number that does not fit."""
        head = struct.pack("!iiIii", 1, None in obj, self.of, len(obj), 1)
        try:
            return head + b"".join(_NULL if each is None else struct.pack("!i" + self.code, 8, each) for each in obj)
        except struct.error as error:
            raise psycopg.DataError(str(error)) from error


class _WholesDumper(_NumbersDumper):
    oid, of, code = 1016, 20, "q"


class _DoublesDumper(_NumbersDumper):
    oid, of, code = 1022, 701, "d"


_NULL: Final = struct.pack("!i", -1)


class _WholeLoader(NumericBinaryLoader):
    """Sums of BIGINT come as NUMERIC; all of ours are whole."""

    def load(self, data: Any) -> Any:
        return int(super().load(data))


def _says_no_database(error: psycopg.OperationalError) -> bool:
    # A refused connection carries no SQLSTATE, only the server's words, and in the server's language.
    return 'database "' in str(error) and "does not exist" in str(error)


def missing_from(dsn: str) -> dict[str, Any]:
    """What a connection of ours has, unless the DSN says otherwise."""
    words = _parsed(dsn)
    return {key: value for key, value in _CONNECTION.items() if key not in words}


def _parsed(dsn: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(dsn))
    except psycopg.Error:
        # The reason quotes a part of the DSN, which may be the password.
        raise BadValue("The database's address is not understood.", hint=_ADDRESS_HINT) from None


def _joined(compiled: Compiled, values: Mapping[str, object]) -> Mapping[str, Any]:
    return {**compiled.fixed, **values} if compiled.fixed else values
