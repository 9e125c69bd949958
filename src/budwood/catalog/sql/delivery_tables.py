"""The tables of traffic: endpoints, routings, gateways, rollouts, requests that were answered, what was seen later.

They outlive what they are about: no key binds them to a namespace, a model or a version that may be removed.
"""

from typing import Final

from sqlalchemy import Column, Double, Index, SmallInteger, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, blob, words

endpoint: Final = Table(
    "endpoint",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("name"),
    words("text"),
    words("author"),
    big("created_ms"),
    big("generation"),
    # 0 while it is there; then its id, so that the name is free again.
    big("gone"),
    big("removed_ms"),
    UniqueConstraint("namespace_id", "name", "gone"),
    Index(None, "gone", "id"),
    sqlite_autoincrement=True,
)

routing: Final = Table(
    "routing",
    METADATA,
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    Column("generation", Id, primary_key=True, autoincrement=False),
    big("at_ms"),
    # The whole record as canonical JSON.
    words("body"),
    Index(None, "endpoint_id", "at_ms"),
    sqlite_with_rowid=False,
)

endpoint_client: Final = Table(
    "endpoint_client",
    METADATA,
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    # As it is: a gateway compares what clients send with it.
    words("key"),
    words("author"),
    big("created_ms"),
    sqlite_with_rowid=False,
)

gateway: Final = Table(
    "gateway",
    METADATA,
    Column("name", Text, primary_key=True),
    words("body"),
)

# What each gateway has of each endpoint. A row is written when that changes.
taken: Final = Table(
    "taken",
    METADATA,
    Column("gateway", Text, primary_key=True),
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    big("generation"),
    Index(None, "endpoint_id"),
    sqlite_with_rowid=False,
)

rollout: Final = Table(
    "rollout",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("endpoint_id", Id, nullable=False),
    Column("running", SmallInteger, nullable=False),
    big("fence"),
    # The whole record as canonical JSON, without its id.
    words("body"),
    Index(None, "endpoint_id", "id"),
    Index(None, "running", "id"),
    sqlite_autoincrement=True,
)

rollout_event: Final = Table(
    "rollout_event",
    METADATA,
    Column("rollout_id", Id, primary_key=True, autoincrement=False),
    Column("number", Id, primary_key=True, autoincrement=False),
    words("body"),
    sqlite_with_rowid=False,
)

counted: Final = Table(
    "counted",
    METADATA,
    Column("rollout_id", Id, primary_key=True, autoincrement=False),
    words("body"),
    blob("users"),
)

# Who answered what (domain/traffic/runs.py): ids are random, and by them each request would be a page.
served_run: Final = Table(
    "served_run",
    METADATA,
    Column("id", Id, primary_key=True),
    big("from_ms"),
    big("until_ms"),
    big("requests"),
    big("slots"),
    Index(None, "until_ms"),
    sqlite_autoincrement=True,
)

served_slot: Final = Table(
    "served_slot",
    METADATA,
    Column("run_id", Id, primary_key=True, autoincrement=False),
    Column("slot", Id, primary_key=True, autoincrement=False),
    blob("body"),
    sqlite_with_rowid=False,
)

observation: Final = Table(
    "observation",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("endpoint_id", Id, nullable=False),
    words("metric"),
    words("unit"),
    big("at_ms"),
    Column("value", Double, nullable=False),
    big("by_request"),
    big("received_ms"),
    # A JSON object.
    words("fields"),
    Index(None, "endpoint_id", "id"),
    sqlite_autoincrement=True,
)

# One side of a pair, until the other comes.
waiting: Final = Table(
    "waiting",
    METADATA,
    Column("endpoint_id", Id, primary_key=True, autoincrement=False),
    Column("request", Text, primary_key=True),
    big("at_ms"),
    words("body"),
    Index(None, "at_ms"),
    sqlite_with_rowid=False,
)

disagreement: Final = Table(
    "disagreement",
    METADATA,
    Column("rollout_id", Id, primary_key=True, autoincrement=False),
    Column("number", Id, primary_key=True, autoincrement=False),
    words("body"),
    sqlite_with_rowid=False,
)
