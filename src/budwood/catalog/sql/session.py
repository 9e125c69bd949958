"""Statements built once from the tables, and the little a database must do to run them.

SQLAlchemy builds and compiles; the driver executes. Its own execution layer costs 10 to 25 µs a statement, a
third of the time a reference may take to resolve, and a compiled string with named values needs nothing of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Select, case
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

from budwood.catalog.sql.numbered import Numbered, for_sqlite
from budwood.errors import CatalogDamaged

Row = tuple[Any, ...]
Word = TypeVar("Word", bound=StrEnum)
Build = ClauseElement | Callable[[Dialect], ClauseElement]


class Statement:
    """One statement, compiled for each dialect at its first use. A function builds it where dialects differ.

    ``of_lists`` is the same for many rows at once, where a database takes lists. Where there is none, many rows are
    many statements.
    """

    __slots__ = ("_build", "_compiled", "of_lists")

    def __init__(self, build: Build, of_lists: "OfLists | None" = None) -> None:
        self._build = build
        self._compiled: dict[str, Compiled] = {}
        self.of_lists = of_lists

    def compiled(self, dialect: Dialect) -> "Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            built = self._build if isinstance(self._build, ClauseElement) else self._build(dialect)
            found = self._compiled[dialect.name] = _Form.of(dialect, built).with_values()
        return found


@dataclass(frozen=True, slots=True)
class OfLists:
    """A statement whose values are lists, one a column. ``kinds`` says which hold numbers: by themselves these would
    be of the type that the numbers of the day happen to fit."""

    statement: Statement
    kinds: Mapping[str, "type[Wholes] | type[Doubles]"]

    def values(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Of rows that all name the same columns."""
        return {name: self.kinds.get(name, list)(row[name] for row in rows) for name in rows[0]}


class Wholes(list[Any]):
    """Numbers of a BIGINT column, or what is narrower; None where there is none."""


class Doubles(list[Any]):
    """Numbers of a column with fractions; None where there is none."""


class Compiled:
    """SQL with values by name; ``fixed`` are those the statement itself brought along.

    ``types`` says of each selected column which types its values may have; nothing of what is computed. ``names`` are
    those of the values in the order in which the SQL wants them; none where it wants them by name.
    """

    __slots__ = ("_seen", "fixed", "in_order", "names", "sql", "types")

    def __init__(
        self, sql: str, fixed: Mapping[str, Any], types: Sequence[frozenset[type]] = (), names: Sequence[str] = ()
    ) -> None:
        self.sql = sql
        self.fixed = fixed
        self.types = types
        self.names = names
        self.in_order = _in_order(names)
        self._seen: set[tuple[type, ...]] = set()

    def at(self, **values: object) -> "Compiled":
        """The same question with more values, or others."""
        return Compiled(self.sql, {**self.fixed, **values}, names=self.names)

    def fits(self, row: Row) -> bool:
        """Whether the values have their columns' types: SQLite keeps whatever a damaged page says."""
        found = tuple(map(type, row))
        if found in self._seen:
            return True
        if not all(each in allowed for each, allowed in zip(found, self.types, strict=False) if allowed):
            return False
        self._seen.add(found)
        return True


ANYTHING: Final = 0
"""Where an endpoint's id could stand."""


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

    def change_soon(self, statement: Statement, **values: object) -> None:
        """Execute, where nobody asks how many rows: it may go with what comes next, which raises what went wrong."""

    def change_many(self, statement: Statement, rows: Iterable[Mapping[str, object]]) -> None:
        """Execute once per row, as ``change_soon`` does."""

    def ring(self, endpoint_id: int = ANYTHING) -> None:
        """When this is committed, tell whoever listens, in any process, that traffic was moved: an endpoint's, or that
        more may have changed."""


def opaque(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, as a test that the database cannot turn into a choice of index."""
    return case((condition, 1), else_=0) == 1


def known(words: type[Word], word: str) -> Word:
    """A row's word as one of ours. Raises CatalogDamaged for one that never was."""
    try:
        return words(word)
    except ValueError as error:
        raise CatalogDamaged(f"The catalog holds {word[:40]!r} where a {words.__name__} stands.") from error


def compile_for(dialect: Dialect, built: ClauseElement) -> Compiled:
    """A question that brings its values. One that was built alike before, but for them, is not compiled again: that
    takes longer than most answers."""
    key = built._generate_cache_key()
    form = _FORMS.get((dialect, key.key)) if key is not None else None
    if form is None:
        form = _Form.of(dialect, built, key)
        # A list is written out, one value after the other: another is another text.
        if form.compiler.post_compile_params:
            return form.with_values()
        if key is not None:
            _FORMS[dialect, key.key] = form
    return form.with_values(key)


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement without its values."""

    sql: str
    types: Sequence[frozenset[type]]
    names: Sequence[str]
    compiler: SQLCompiler

    @classmethod
    def of(cls, dialect: Dialect, built: ClauseElement, key: CacheKey | None = None) -> "_Form":
        compiler = built.compile(dialect=dialect, cache_key=key, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiler, SQLCompiler)
        types = _types_of(built) if isinstance(built, Select) else ()
        # PostgreSQL's statements are numbered where they are prepared; its driver takes the others by name.
        written = for_sqlite(str(compiler)) if dialect.name == "sqlite" else Numbered(str(compiler), ())
        return cls(written.sql, types, written.names, compiler)

    def with_values(self, key: CacheKey | None = None) -> Compiled:
        """Those of the statement with this key; without one, those of the statement it was compiled from."""
        if key is None:
            values = self.compiler.params
        else:
            values = self.compiler.construct_params(extracted_parameters=key.bindparams)
        # Values still to come are compiled as None; those the statement brought along are not.
        fixed = {name: value for name, value in values.items() if value is not None}
        return Compiled(self.sql, fixed, self.types, self.names)


SHAPES: Final = 200
"""So many questions are remembered; each takes some tens of kilobytes."""
_FORMS: Final[LRUCache[tuple[Dialect, Any], _Form]] = LRUCache(SHAPES)


def _in_order(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any] | Mapping[str, Any]]:
    """What takes the values with these names out of a mapping; all of it where there are no names."""
    if len(names) > 1:
        return itemgetter(*names)
    if names:
        return lambda values: [values[names[0]]]
    return lambda values: values


def _types_of(built: "Select[Any]") -> Sequence[frozenset[type]]:
    # The rows of an outer join lack whole tables.
    joins_outer = any(getattr(part, "isouter", False) for part in visitors.iterate(built))
    return [
        frozenset({column.type.python_type, *([type(None)] if column.nullable or joins_outer else [])})
        if isinstance(column, Column)
        else frozenset()
        for column in built.selected_columns
    ]
