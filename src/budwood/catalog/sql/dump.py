"""The whole catalog as rows, table by table: what a backup writes and a restore reads, the same for every database.

Rows are read in the order of their primary key, a page at a time. Ids that come from a sequence are kept with the
last number it gave, so that a restored catalog never gives a number twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import LargeBinary, Table, TextClause, bindparam, select, text, tuple_
from sqlalchemy.engine import Dialect

from budwood.catalog.sql.changes import insert_row
from budwood.catalog.sql.schema import METADATA
from budwood.catalog.sql.session import Row, Session, Statement
from budwood.domain.batches import batched
from budwood.store.archive import TableShape

LEFT_OUT: Final = frozenset({"lease", "staged"})
"""What speaks of work under way, which a restored registry has none of."""
PAGE: Final = 5_000


def shapes() -> tuple[TableShape, ...]:
    """Every table a backup holds, parents before children."""
    return tuple(_shape(table) for table in METADATA.sorted_tables if table.name not in LEFT_OUT)


def rows_of(session: Session, name: str) -> Iterator[Sequence[Row]]:
    """A table's rows in pages, by primary key."""
    first, following = _reading(name)
    keys = [index for index, column in enumerate(METADATA.tables[name].columns) if column.primary_key]
    page = session.all(first, limit=PAGE)
    while page:
        yield page
        last = {f"key{number}": page[-1][index] for number, index in enumerate(keys)}
        page = session.all(following, limit=PAGE, **last)


def counters(session: Session) -> dict[str, int]:
    """The last number each sequence gave, by table; those that gave none are left out."""
    found = {name: session.one(_counter(name)) for name in _counted()}
    return {name: int(row[0]) for name, row in found.items() if row is not None and row[0]}


def load(session: Session, name: str, rows: Iterable[Sequence[Any]]) -> None:
    """Put rows into a table, as ``rows_of`` gave them."""
    columns = [column.name for column in METADATA.tables[name].columns]
    given = (dict(zip(columns, row, strict=True)) for row in rows)
    for page in batched(given, PAGE):
        session.change_many(_inserting(name), page)


def empty(session: Session, name: str) -> None:
    """Take every row out of a table: a new catalog is born with a few."""
    session.change(_emptying(name))


def count_on(session: Session, name: str, last: int) -> None:
    """Let a table's sequence go on behind ``last``."""
    *before, statement = _counting_on(session.dialect.name, name)
    for earlier in before:
        session.change(earlier)
    session.change(statement, last=last)


def _shape(table: Table) -> TableShape:
    columns = tuple(table.columns)
    return TableShape(
        table.name,
        tuple(column.name for column in columns),
        tuple(column.name for column in columns if isinstance(column.type, LargeBinary)),
    )


@cache
def _reading(name: str) -> tuple[Statement, Statement]:
    table = METADATA.tables[name]
    keys = list(table.primary_key.columns)
    page = select(*table.columns).order_by(*keys).limit(bindparam("limit"))
    behind = tuple_(*keys) > tuple_(*(bindparam(f"key{number}", type_=key.type) for number, key in enumerate(keys)))
    return Statement(page), Statement(page.where(behind))


@cache
def _inserting(name: str) -> Statement:
    return insert_row(METADATA.tables[name])


@cache
def _emptying(name: str) -> Statement:
    return Statement(METADATA.tables[name].delete())


@cache
def _counted() -> tuple[str, ...]:
    return tuple(
        table.name
        for table in METADATA.sorted_tables
        if table.name not in LEFT_OUT and table.autoincrement_column is not None and "id" in table.columns
    )


@cache
def _counter(name: str) -> Statement:
    def build(dialect: Dialect) -> TextClause:
        if dialect.name == "sqlite":
            # Some tables count by their highest id alone here; PostgreSQL has a sequence for each.
            return text(
                f"SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{name}'), 0),"  # noqa: S608 ours
                f" coalesce(max(id), 0)) FROM {name}"
            )
        return text(f"SELECT last_value FROM pg_sequences WHERE sequencename = '{name}_id_seq'")  # noqa: S608

    return Statement(build)


@cache
def _counting_on(dialect_name: str, name: str) -> tuple[Statement, ...]:
    if dialect_name == "sqlite":
        forget = text(f"DELETE FROM sqlite_sequence WHERE name = '{name}'")  # noqa: S608 a table of ours
        remember = text(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{name}', :last)")  # noqa: S608
        return Statement(forget), Statement(remember)
    return (Statement(text(f"SELECT setval('{name}_id_seq', :last)")),)
