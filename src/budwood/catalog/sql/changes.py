"""The shapes of a change that every table knows: a row, one that is numbered, one in another's place, one at most."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Double, Integer, Table, bindparam, cast, func, insert, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from budwood.catalog.sql.session import Doubles, OfLists, Statement, Wholes

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert


def insert_row(table: Table) -> Statement:
    """One row, every column named."""
    row = insert(table).values({column.name: bindparam(column.name) for column in table.c})
    return Statement(row, _of_lists(table, lambda rows: rows))


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
    many = _of_lists(table, lambda rows: rows.on_conflict_do_nothing(index_elements=list(key)))
    return Statement(_upsert_builder(table, key, ()), many)


def _of_lists(table: Table, finish: "Callable[[PostgresInsert], PostgresInsert]") -> OfLists:
    whole = {column.name: Wholes for column in table.c if isinstance(column.type, Integer)}
    doubles = {column.name: Doubles for column in table.c if isinstance(column.type, Double)}
    return OfLists(Statement(lambda dialect: finish(_from_lists(table))), {**whole, **doubles})


def _from_lists(table: Table) -> "PostgresInsert":
    """PostgreSQL takes a list for each column, and a thousand rows cost it little more than ten."""
    from sqlalchemy.dialects.postgresql import ARRAY
    from sqlalchemy.dialects.postgresql import insert as insert_or

    names = [column.name for column in table.c]
    lists = (cast(bindparam(column.name), ARRAY(column.type)) for column in table.c)
    given = func.unnest(*lists).table_valued(*names).render_derived(name="given")
    return insert_or(table).from_select(names, select(*(given.c[name] for name in names)))


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
