"""Every question about lineage and the ledger's tree goes by an index, whatever the size of the tables."""

import re

from budwood.catalog.sql import ledger_transaction, ledger_view, lineage_transaction, lineage_view
from budwood.catalog.sql.sqlite import SqliteCatalog

from .plans import plans, statements_of

NOT_TABLES = ("walk", "anon_", "CONSTANT")
SCANS = {"_OPENINGS_WITH", "_NEWEST"}
"""A text anywhere in a value is found by looking at all: seldom, and only to forget somebody. The newest checkpoint is
the last row of its table."""


def test_every_statement_goes_by_an_index() -> None:
    catalog = SqliteCatalog.in_memory()
    statements = statements_of(lineage_view, lineage_transaction, ledger_view, ledger_transaction)
    assert len(statements) > 15
    whole = re.compile(f"SCAN (?!{'|'.join(NOT_TABLES)})")
    every = plans(catalog, statements)
    scans = {name for name, plan in every.items() if any(whole.match(s) and "USING" not in s for s in plan)}
    catalog.close()
    assert scans <= SCANS, scans
