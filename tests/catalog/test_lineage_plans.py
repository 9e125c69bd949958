"""Every question about lineage and the ledger's tree goes by an index, whatever the size of the tables."""

import re

from budwood.catalog.sql import ledger_transaction, ledger_view, lineage_transaction, lineage_view, sqlite
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.sqlite import SqliteCatalog

NOT_TABLES = ("walk", "anon_", "CONSTANT")
SCANS = {"_OPENINGS_WITH", "_NEWEST"}
"""A text anywhere in a value is found by looking at all: seldom, and only to forget somebody. The newest checkpoint is
the last row of its table."""


def test_every_statement_goes_by_an_index() -> None:
    catalog = SqliteCatalog.in_memory()
    statements = {
        name: thing
        for module in (lineage_view, lineage_transaction, ledger_view, ledger_transaction)
        for name, thing in vars(module).items()
        if isinstance(thing, Statement)
    }
    assert len(statements) > 15
    session = catalog._borrow()
    scanning = set()
    for name, statement in statements.items():
        sql = statement.compiled(sqlite.DIALECT).sql
        values = dict.fromkeys(re.findall(r":(\w+)", sql))
        plan = session._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        steps = [step[3] for step in plan]
        if any(re.match(f"SCAN (?!{'|'.join(NOT_TABLES)})", step) and "USING" not in step for step in steps):
            scanning.add(name)
    catalog._return(session)
    catalog.close()
    assert scanning <= SCANS, scanning
