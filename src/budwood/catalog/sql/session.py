"""Statements built once from the tables, and the little a database must do to run them.

SQLAlchemy builds and compiles; the driver executes. Its own execution layer costs 10 to 25 µs a statement, a
third of the time a reference may take to resolve, and a compiled string with named values needs nothing of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sqlalchemy import ColumnElement, case
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]
Build = ClauseElement | Callable[[Dialect], ClauseElement]


class Statement:
    """One statement, compiled for each dialect at its first use. A function builds it where dialects differ."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> "Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            built = self._build if isinstance(self._build, ClauseElement) else self._build(dialect)
            found = self._compiled[dialect.name] = compile_for(dialect, built)
        return found


class Compiled:
    """SQL with named values; ``fixed`` are those the statement itself brought along."""

    __slots__ = ("fixed", "sql")

    def __init__(self, sql: str, fixed: Mapping[str, Any]) -> None:
        self.sql = sql
        self.fixed = fixed


class Session(Protocol):
    """One connection inside one transaction. Driver errors leave it as StorageFull, StorageFailed and so on."""

    @property
    def dialect(self) -> Dialect: ...

    def run(self, compiled: Compiled) -> list[Row]:
        """Execute what was compiled for this one question."""

    def all(self, statement: Statement, **values: object) -> list[Row]: ...
    def one(self, statement: Statement, **values: object) -> Row | None:
        """The first row."""

    def add(self, statement: Statement, **values: object) -> int:
        """Insert one row; the id the database gave it."""

    def change(self, statement: Statement, **values: object) -> int:
        """Execute; how many rows it touched."""

    def change_many(self, statement: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        """Execute once per row, in one call to the driver."""


def opaque(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, as a test that the database cannot turn into a choice of index."""
    return case((condition, 1), else_=0) == 1


def compile_for(dialect: Dialect, built: ClauseElement) -> Compiled:
    compiled = built.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    # Values still to come are compiled as None; those the statement brought along are not.
    fixed = {name: value for name, value in (compiled.params or {}).items() if value is not None}
    return Compiled(str(compiled), fixed)
