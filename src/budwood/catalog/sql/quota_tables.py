"""The table of quotas: what tenants used of an endpoint's tokens in a period. It outlives the endpoint."""

from typing import Final

from sqlalchemy import Column, Index, Table

from budwood.catalog.sql.tables import METADATA, Id, Text, big

token_use: Final = Table(
    "token_use",
    METADATA,
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    # Empty where nobody says who asks.
    Column("tenant", Text, primary_key=True),
    Column("from_ms", Id, primary_key=True, autoincrement=False),
    big("until_ms"),
    big("tokens"),
    # 0 while the quota holds; then when its period ends.
    big("refused_until_ms"),
    Index(None, "endpoint_id", "until_ms"),
    Index(None, "refused_until_ms"),
    Index(None, "until_ms"),
    sqlite_with_rowid=False,
)
