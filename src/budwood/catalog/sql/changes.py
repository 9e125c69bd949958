"""The shapes of a change that every table knows: a row, one that is numbered, one in another's place, one at most."""

from collections.abc import Callable, Sequence

from sqlalchemy import Table, bindparam, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from budwood.catalog.sql.session import Statement


def insert_row(table: Table) -> Statement:
    """One row, every column named."""
    return Statement(insert(table).values({column.name: bindparam(column.name) for column in table.c}))


def insert_numbered(table: Table) -> Statement:
    """One row whose id the database gives; for ``Session.add``."""
    row = insert(table).values({column.name: bindparam(column.name) for column in table.c if column.name != "id"})
    # SQLite tells the id without being asked, and before 3.35 cannot be asked.
    return Statement(lambda dialect: row if dialect.name == "sqlite" else row.returning(table.c.id))


def upsert(table: Table, *key: str) -> Statement:
    """One row in the place of the one with this key, where there is one."""
    return Statement(_upsert_builder(table, key, [column.name for column in table.c if column.name not in key]))


def add_once(table: Table, *key: str) -> Statement:
    """One row, unless there is one with this key, which stays as it is."""
    return Statement(_upsert_builder(table, key, ()))


def _upsert_builder(table: Table, key: Sequence[str], changes: Sequence[str]) -> Callable[[Dialect], ClauseElement]:
    def build(dialect: Dialect) -> ClauseElement:
        # Both dialects spell it alike, but each has its own class for it.
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as insert_or
        else:
            from sqlalchemy.dialects.sqlite import insert as insert_or  # type: ignore[assignment]
        row = insert_or(table)
        changed = {name: row.excluded[name] for name in changes}
        if not changed:
            return row.on_conflict_do_nothing(index_elements=list(key))
        return row.on_conflict_do_update(index_elements=list(key), set_=changed)

    return build
