"""Traces, their spans and what people think of them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _trace()
    _trace_word()
    _span()
    _assessment()
    _trace_link()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _maybe(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=True) for name in names]


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _small(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.SmallInteger(), nullable=False) for name in names]


def _id(name: str) -> sa.Column[int]:
    return sa.Column(name, ID, nullable=False)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, ID, autoincrement=False, nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _of_trace(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name=op.f(f"fk_{table}_trace_id"), ondelete="CASCADE")


def _trace() -> None:
    op.create_table(
        "trace",
        _id("id"),
        _id("namespace_id"),
        *_words("trace"),
        _id("experiment_id"),
        *_big("at_ms"),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        *_words("state"),
        *_maybe("client_request", "request", "response"),
        *_small("told"),
        *_maybe("name", "session"),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in (
                *("input_tokens", "output_tokens", "total_tokens"),
                *("cache_read_input_tokens", "cache_creation_input_tokens"),
            )
        ),
        _primary("trace", "id"),
        _unique("trace", "namespace_id", "trace"),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiment.id"], name=op.f("fk_trace_experiment_id")),
        sqlite_autoincrement=True,
    )
    _index("trace", "experiment_id", "session")
    op.create_index(
        op.f("ix_trace_newest_first"), "trace", ["experiment_id", sa.text("at_ms DESC"), "trace"], unique=False
    )


def _trace_word() -> None:
    op.create_table(
        "trace_word",
        _key("trace_id"),
        sa.Column("is_tag", sa.SmallInteger(), autoincrement=False, nullable=False),
        *_words("key"),
        _id("experiment_id"),
        *_words("head", "value"),
        _of_trace("trace_word"),
        _primary("trace_word", "trace_id", "is_tag", "key"),
        sqlite_with_rowid=False,
    )
    _index("trace_word", "experiment_id", "is_tag", "key", "head", "trace_id")


def _span() -> None:
    op.create_table(
        "span",
        _key("trace_id"),
        *_words("span"),
        _id("experiment_id"),
        *_words("parent", "name", "type", "status"),
        *_big("start_ns", "end_ns"),
        *_maybe("model", "provider"),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("input_cost", "output_cost", "total_cost")),
        *_words("content"),
        _of_trace("span"),
        _primary("span", "trace_id", "span"),
    )
    _index("span", "experiment_id", "start_ns")


def _assessment() -> None:
    op.create_table(
        "assessment",
        _id("id"),
        _id("trace_id"),
        *_words("assessment"),
        _id("experiment_id"),
        *_words("kind", "name", "value"),
        sa.Column("amount", sa.Double(), nullable=True),
        *_small("is_number"),
        *_maybe("error"),
        *_words("source_type", "source"),
        *_maybe("span", "run", "rationale"),
        *_words("metadata"),
        *_maybe("overrides"),
        *_small("valid", "of_session"),
        *_big("created_ms", "updated_ms"),
        _primary("assessment", "id"),
        _unique("assessment", "trace_id", "assessment"),
        _of_trace("assessment"),
        sqlite_autoincrement=True,
    )
    _index("assessment", "experiment_id", "kind", "name", "trace_id")


def _trace_link() -> None:
    op.create_table(
        "trace_link",
        _key("namespace_id"),
        *_words("trace", "kind", "target"),
        _primary("trace_link", "namespace_id", "trace", "kind", "target"),
        sqlite_with_rowid=False,
    )
    _index("trace_link", "namespace_id", "kind", "target", "trace")
