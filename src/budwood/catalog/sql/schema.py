"""All tables together, and the one row that every catalog is born with."""

from typing import Final

from sqlalchemy import insert
from sqlalchemy.sql import ClauseElement

from budwood.catalog.sql import (
    artifact_tables,
    delivery_tables,
    derived_tables,
    evaluation_tables,
    gate_tables,
    ledger_tables,
    lineage_tables,
    listing_tables,
    mcp_tables,
    people_tables,
    quota_tables,
    retention_tables,
    standard_tables,
    storage_tier_tables,
    tables,
    trace_tables,
    tracking_tables,
)
from budwood.domain.names import DEFAULT_NAMESPACE

METADATA: Final = tables.METADATA
OTHERS: Final = (
    artifact_tables,
    delivery_tables,
    derived_tables,
    evaluation_tables,
    gate_tables,
    ledger_tables,
    lineage_tables,
    listing_tables,
    mcp_tables,
    people_tables,
    quota_tables,
    retention_tables,
    standard_tables,
    storage_tier_tables,
    trace_tables,
    tracking_tables,
)
"""Importing them puts their tables into the same metadata."""
BIRTH: Final[ClauseElement] = insert(people_tables.namespace).values(
    {
        "name": DEFAULT_NAMESPACE,
        **{column.name: 0 for column in people_tables.namespace.c if column.name not in ("id", "name")},
    }
)
"""The room of those who have not named one."""
