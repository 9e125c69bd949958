"""The result of a query: its rows hashed as they come, its columns and their figures. Rows are never kept.

A database is asked inside a transaction that can only read, one statement that selects. The statement may have come
out of a registry: somebody else wrote it. So what could write is refused twice, by looking at its words here and by
the database, and an address is never taken from a registry but always given by whoever asks.

Each row is written in one canonical form (a JSON array; ``_piece``). In any order, the hash of a result is that of
the sum of its rows' hashes, of 512 numbers of 64 bits each: equal rows count as often as they come, and no memory
grows with them. In order, it is the SHA-256 of the rows one after the other. Names of columns are part of both.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import UUID

from budwood.client.datasets.tally import Tally
from budwood.domain.dataset import Fingerprint, Form
from budwood.domain.limits import DATASET_COLUMNS, SQL_BYTES
from budwood.errors import BadValue, FrameworkMissing, LimitExceeded, NotOffered, SourceNotFound, TargetUnreachable

if TYPE_CHECKING:
    import numpy as np
    from sqlalchemy import URL

ROWS_AT_ONCE: Final = 4_096
LANES: Final = 512
_READS: Final = re.compile(r"(?:select|with|values|table)\b", re.IGNORECASE)
_SECRET: Final = re.compile(r"passw|pwd|secret|token|key|cred|auth", re.IGNORECASE)
_SQLITE_ALLOWED: Final = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_READ_ONLY: Final = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "START TRANSACTION READ ONLY",
    "mariadb": "START TRANSACTION READ ONLY",
}


def fingerprint_query(
    url: str,
    query: str,
    *,
    ordered: bool = False,
    password: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> Fingerprint:
    """Run a query and say what came. ``url`` is SQLAlchemy's; its password is used, and not kept.

    Raises BadValue, LimitExceeded, NotOffered, FrameworkMissing, SourceNotFound, TargetUnreachable.
    """
    query = check_query(query)
    address, kept = _address(url), kept_address(url)
    rows = _Rows(ordered=ordered)
    is_sqlite = address.get_backend_name() == "sqlite"
    asked = _sqlite(_sqlite_path(address), query) if is_sqlite else _server(address, password, query)
    with asked as result:
        _read(result, rows, progress)
    return Fingerprint(
        Form.SQL,
        source=kept,
        sha256=rows.sha256,
        pointer=True,
        rows=rows.count,
        columns=tuple(tally.column(name) for name, tally in zip(rows.names, rows.tallies, strict=True)),
        statistics=tuple(tally.statistics(name) for name, tally in zip(rows.names, rows.tallies, strict=True)),
        query=query,
        ordered=ordered,
    )


def check_query(query: str) -> str:
    """One statement that reads, without what ends it. Raises BadValue, LimitExceeded."""
    if len(query.encode("utf-8", "surrogatepass")) > SQL_BYTES:
        raise LimitExceeded(f"A query has at most {SQL_BYTES} bytes.", limit="SQL_BYTES")
    statement = query.strip().rstrip(";").rstrip()
    bare = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()+", "", statement, flags=re.DOTALL)
    if not _READS.match(bare):
        raise BadValue("The query does not begin with SELECT, WITH, VALUES or TABLE.", hint="A query only reads.")
    if ";" in statement:
        hint = "Give one statement; where a text needs a semicolon, write chr(59) or char(59)."
        raise BadValue("The query holds a semicolon.", hint=hint)
    return statement


def kept_address(url: str) -> str:
    """A database's address without its password; a file by its whole path. Raises BadValue, NotOffered."""
    from sqlalchemy import URL

    address = _address(url)
    for name in address.query:
        if _SECRET.search(name):
            hint = "Give it without: in a password file, or as the database's own tools take it."
            raise BadValue(f"The address holds what looks like a secret, in its parameter {name[:80]!r}.", hint=hint)
    if address.get_backend_name() == "sqlite":
        return str(address.set(database=str(_sqlite_path(address))).render_as_string())
    bare = URL.create(
        address.drivername, address.username, None, address.host, address.port, address.database, address.query
    )
    return str(bare.render_as_string())


def _address(url: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, ValueError) as error:
        hint = "Write it as SQLAlchemy does: sqlite:///data.db, postgresql+psycopg://user@host/database."
        raise BadValue("The address of the database cannot be read.", hint=hint) from error
    if backend not in ("sqlite", *_READ_ONLY):
        hint = "Offered are sqlite, postgresql, mysql and mariadb: what only reads can be held to it there."
        raise NotOffered(f"Queries to {backend[:40]!r} are not offered.", hint=hint)
    return address


@dataclass(frozen=True, slots=True)
class _Result:
    """What a query gives: the names of its columns, and its rows, some at a time; none are left at the end."""

    names: Sequence[str]
    some: Callable[[int], Sequence[Sequence[object]]]


@contextmanager
def _server(address: "URL", password: str, query: str) -> Iterator[_Result]:
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    backend = address.get_backend_name()
    try:
        engine = create_engine(address.set(password=password) if password else address, poolclass=NullPool)
    except (ImportError, NoSuchModuleError) as error:
        hint = "pip install 'budwood[postgres]', or the driver that the address names."
        raise FrameworkMissing(f"The driver for {backend} is not installed.", hint=hint) from error
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(_READ_ONLY[backend]))
    try:
        with engine.connect() as connection, connection.begin():
            # Without parameters a '%' or ':' in the query is itself.
            options = {"stream_results": True, "no_parameters": True, "yield_per": ROWS_AT_ONCE}
            with closing(connection.exec_driver_sql(query, execution_options=options)) as result:
                yield _Result(list(result.keys()) if result.returns_rows else [], result.fetchmany)
    except SQLAlchemyError as error:
        raise _refused(getattr(error, "orig", None) or error) from error
    finally:
        engine.dispose()


@contextmanager
def _sqlite(path: Path, query: str) -> Iterator[_Result]:
    if not path.is_file():
        raise SourceNotFound(f"There is no database {str(path)!r}.", path=str(path))
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        with closing(connection):
            connection.execute("PRAGMA query_only = ON")
            # No ATTACH (it makes files), no PRAGMA, no extension: a query that was not written here only selects.
            connection.set_authorizer(_allowed)
            cursor = connection.execute(query)
            yield _Result([str(column[0]) for column in cursor.description or ()], cursor.fetchmany)
    except sqlite3.Error as error:
        raise _refused(error) from error


def _refused(error: BaseException) -> TargetUnreachable:
    told = str(error).partition("\n")[0][:300].rstrip(".")
    return TargetUnreachable(f"The database says: {told}.", hint=_DATABASE_HINT)


def _sqlite_path(address: "URL") -> Path:
    if not address.database or address.database == ":memory:" or address.database.startswith("file:"):
        raise BadValue("A database in memory cannot be found again.", hint="Write sqlite:///PATH.")
    return Path(address.database).expanduser().absolute()


def _allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    is_loading = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
    return sqlite3.SQLITE_OK if action in _SQLITE_ALLOWED and not is_loading else sqlite3.SQLITE_DENY


def _read(result: _Result, rows: "_Rows", progress: Callable[[int], None]) -> None:
    if not result.names:
        raise BadValue("The query gives no rows.", hint="A query only reads.")
    if len(result.names) > DATASET_COLUMNS:
        raise LimitExceeded(f"The query gives {len(result.names)} columns.", limit="DATASET_COLUMNS")
    rows.begin(result.names)
    while some := result.some(ROWS_AT_ONCE):
        rows.add([tuple(row) for row in some])
        progress(len(some))


class _Rows:
    """The rows of a result as they come."""

    def __init__(self, *, ordered: bool) -> None:
        self.names: list[str] = []
        self.tallies: list[Tally] = []
        self.count = 0
        self._sha = hashlib.sha256()
        self._ordered = ordered
        self._lanes: np.ndarray | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Two columns of one name are told apart by their number."""
        taken: dict[str, None] = {}
        for number, name in enumerate(names, 1):
            taken[f"{name} ({number})" if name in taken else name] = None
        self.names = list(taken)
        self.tallies = [Tally() for _ in names]
        self._sha.update(b"rows in order\n" if self._ordered else b"rows in any order\n")
        self._sha.update(_line(names) + b"\n")

    def add(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Raises BadValue for what has no canonical form."""
        lines = [self._written(row) for row in rows]
        self.count += len(rows)
        if self._ordered:
            for line in lines:
                self._sha.update(line + b"\n")
        else:
            self._sum(lines)
        for tally, values in zip(self.tallies, zip(*rows, strict=True), strict=True):
            tally.add_values(values)

    @property
    def sha256(self) -> str:
        """Of what was added so far."""
        sha = self._sha.copy()
        if not self._ordered:
            sha.update(b"%d\n" % self.count)
            sha.update(self._lanes.astype("<u8").tobytes() if self._lanes is not None else b"")
        return sha.hexdigest()

    def _sum(self, lines: Sequence[bytes]) -> None:
        import numpy as np
        from blake3 import blake3

        joined = b"".join([blake3(line).digest(length=8 * LANES) for line in lines])
        summed = np.frombuffer(joined, "<u8").reshape(-1, LANES).sum(axis=0, dtype=np.uint64)
        self._lanes = summed if self._lanes is None else self._lanes + summed

    def _written(self, row: Sequence[object]) -> bytes:
        try:
            return _line([_piece(value) for value in row])
        except TypeError as error:
            hint = "Cast it to text in the query."
            raise BadValue(f"Row {self.count + 1} holds a {error}, which has no one form.", hint=hint) from error


def _line(row: Sequence[object]) -> bytes:
    return json.dumps(row, ensure_ascii=True, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def _piece(value: object) -> Any:
    """A value as JSON, each type in a form of its own, so that 1 and '1' differ. Raises TypeError with its type."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else {"float": str(value)}
    for kinds, word, text in _FORMS:
        if isinstance(value, kinds):
            return {word: text(value)}
    if isinstance(value, list | tuple):
        return [_piece(each) for each in value]
    if isinstance(value, dict):
        return {"object": {str(key): _piece(each) for key, each in value.items()}}
    raise TypeError(type(value).__name__)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()


_FORMS: Final[Sequence[tuple[Any, str, Callable[[Any], Any]]]] = (
    (Decimal, "decimal", lambda value: format(value, "f")),
    ((bytes, bytearray, memoryview), "bytes", lambda value: bytes(value).hex()),
    (datetime, "timestamp", _moment),
    (date, "date", date.isoformat),
    (time, "time", time.isoformat),
    (timedelta, "microseconds", lambda value: value // timedelta(microseconds=1)),
    (UUID, "uuid", str),
)
_DATABASE_HINT: Final = "Check the address, the password and the query; ask as somebody who may read."
