"""Endpoints, rollouts and what they observed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _endpoint()
    _routing()
    _clients()
    _gateway()
    _rollout()
    _served()
    _observation()
    _compared()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _id(name: str = "id", *, given: bool = False) -> sa.Column[int]:
    return sa.Column(name, ID, nullable=False, autoincrement=False if given else "auto")


def _endpoint() -> None:
    op.create_table(
        "endpoint",
        _id(),
        _id("namespace_id"),
        *_words("name", "text", "author"),
        *_big("created_ms", "generation", "gone", "removed_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
        sa.UniqueConstraint("namespace_id", "name", "gone", name=op.f("uq_endpoint_namespace_id_name_gone")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_endpoint_gone_id"), "endpoint", ["gone", "id"], unique=False)


def _routing() -> None:
    op.create_table(
        "routing",
        _id("endpoint_id", given=True),
        _id("generation", given=True),
        *_big("at_ms"),
        *_words("body"),
        sa.PrimaryKeyConstraint("endpoint_id", "generation", name=op.f("pk_routing")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_routing_endpoint_id_at_ms"), "routing", ["endpoint_id", "at_ms"], unique=False)


def _clients() -> None:
    op.create_table(
        "endpoint_client",
        _id("endpoint_id", given=True),
        *_words("name", "key", "author"),
        *_big("created_ms"),
        sa.PrimaryKeyConstraint("endpoint_id", "name", name=op.f("pk_endpoint_client")),
        sqlite_with_rowid=False,
    )


def _gateway() -> None:
    op.create_table("gateway", *_words("name", "body"), sa.PrimaryKeyConstraint("name", name=op.f("pk_gateway")))


def _rollout() -> None:
    op.create_table(
        "rollout",
        _id(),
        _id("endpoint_id"),
        sa.Column("running", sa.SmallInteger(), nullable=False),
        *_big("fence"),
        *_words("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rollout_endpoint_id_id"), "rollout", ["endpoint_id", "id"], unique=False)
    op.create_index(op.f("ix_rollout_running_id"), "rollout", ["running", "id"], unique=False)
    op.create_table(
        "rollout_event",
        _id("rollout_id", given=True),
        _id("number", given=True),
        *_words("body"),
        sa.PrimaryKeyConstraint("rollout_id", "number", name=op.f("pk_rollout_event")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counted",
        _id("rollout_id", given=True),
        *_words("body"),
        sa.Column("users", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", name=op.f("pk_counted")),
    )


def _served() -> None:
    op.create_table(
        "served",
        *_words("request"),
        *_big("at_ms"),
        _id("endpoint_id"),
        *_big("generation", "number", "code", "latency_us"),
        *_words("unit"),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_served")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_served_at_ms"), "served", ["at_ms"], unique=False)


def _observation() -> None:
    op.create_table(
        "observation",
        _id(),
        _id("endpoint_id"),
        *_words("metric", "unit"),
        *_big("at_ms"),
        sa.Column("value", sa.Double(), nullable=False),
        *_big("by_request", "received_ms"),
        *_words("fields"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observation")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_observation_endpoint_id_id"), "observation", ["endpoint_id", "id"], unique=False)


def _compared() -> None:
    op.create_table(
        "waiting",
        _id("endpoint_id", given=True),
        *_words("request"),
        *_big("at_ms"),
        *_words("body"),
        sa.PrimaryKeyConstraint("endpoint_id", "request", name=op.f("pk_waiting")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_waiting_at_ms"), "waiting", ["at_ms"], unique=False)
    op.create_table(
        "disagreement",
        _id("rollout_id", given=True),
        _id("number", given=True),
        *_words("body"),
        sa.PrimaryKeyConstraint("rollout_id", "number", name=op.f("pk_disagreement")),
        sqlite_with_rowid=False,
    )
