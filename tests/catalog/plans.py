"""How a catalog in SQLite goes about what it is asked: the steps of a plan, and who reads whole tables."""

import re
from collections.abc import Iterator, Mapping
from types import ModuleType

from budwood.catalog.sql import sqlite
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.sqlite import SqliteCatalog


def statements_of(*modules: ModuleType) -> dict[str, Statement]:
    """By the name that each has in its module, those in a tuple or a mapping numbered."""
    return dict(named for module in modules for name, thing in vars(module).items() for named in _in(name, thing))


def _in(name: str, thing: object) -> Iterator[tuple[str, Statement]]:
    if isinstance(thing, Statement):
        yield name, thing
    elif isinstance(thing, dict | tuple):
        several = thing.values() if isinstance(thing, dict) else thing
        yield from ((f"{name} {at}", each) for at, each in enumerate(several) if isinstance(each, Statement))


def steps(catalog: SqliteCatalog, sql: str) -> list[str]:
    """How the database would go about it."""
    session = catalog._borrow()
    values = [None] * len(set(re.findall(r"\?\d+", sql))) or dict.fromkeys(re.findall(r":(\w+)", sql))
    plan = session._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    catalog._return(session)
    return [step[3] for step in plan]


def plans(catalog: SqliteCatalog, statements: Mapping[str, Statement]) -> dict[str, list[str]]:
    """The steps of each."""
    return {name: steps(catalog, each.compiled(sqlite.DIALECT).sql) for name, each in statements.items()}


def scanning(catalog: SqliteCatalog, statements: Mapping[str, Statement]) -> set[str]:
    """Those that read a whole table."""
    every = plans(catalog, statements)
    return {name for name, plan in every.items() if any(re.match("SCAN (?!CONSTANT)", step) for step in plan)}
