"""The tables of traces: what a client told of a request, its spans, and what is thought of it.

A trace's name, session and tokens stand beside it though they are also among its words: they are what is counted.
``content`` of a span is JSON whose attributes are JSON texts again, so that whatever a value holds, it is read alike
by every database. The ids of traces are their clients', and so are unique in a namespace only.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, SmallInteger, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, words
from budwood.catalog.sql.tracking_tables import small


def of_trace() -> Column[int]:
    return Column("trace_id", Id, ForeignKey("trace.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


def maybe_text(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


def maybe_big(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=True)


def maybe_real(name: str) -> Column[float]:
    return Column(name, Double, nullable=True)


trace: Final = Table(
    "trace",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("trace"),
    Column("experiment_id", Id, ForeignKey("experiment.id"), nullable=False),
    big("at_ms"),
    maybe_big("duration_ms"),
    words("state"),
    maybe_text("client_request"),
    maybe_text("request"),
    maybe_text("response"),
    small("told"),
    maybe_text("name"),
    maybe_text("session"),
    maybe_big("input_tokens"),
    maybe_big("output_tokens"),
    maybe_big("total_tokens"),
    maybe_big("cache_read_input_tokens"),
    maybe_big("cache_creation_input_tokens"),
    UniqueConstraint("namespace_id", "trace"),
    Index(None, "experiment_id", "session"),
    sqlite_autoincrement=True,
)
# As traces are listed: the newest first, and those of one moment by their ids.
Index("ix_trace_newest_first", trace.c.experiment_id, trace.c.at_ms.desc(), trace.c.trace)

trace_word: Final = Table(
    "trace_word",
    METADATA,
    of_trace(),
    # Whether it is a tag, which may change, or metadata.
    Column("is_tag", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("experiment_id", Id, nullable=False),
    words("head"),
    words("value"),
    Index(None, "experiment_id", "is_tag", "key", "head", "trace_id"),
    sqlite_with_rowid=False,
)

span: Final = Table(
    "span",
    METADATA,
    of_trace(),
    Column("span", Text, primary_key=True),
    Column("experiment_id", Id, nullable=False),
    words("parent"),
    words("name"),
    words("type"),
    words("status"),
    big("start_ns"),
    big("end_ns"),
    maybe_text("model"),
    maybe_text("provider"),
    maybe_real("input_cost"),
    maybe_real("output_cost"),
    maybe_real("total_cost"),
    words("content"),
    Index(None, "experiment_id", "start_ns"),
)

assessment: Final = Table(
    "assessment",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("trace_id", Id, ForeignKey("trace.id", ondelete="CASCADE"), nullable=False),
    words("assessment"),
    Column("experiment_id", Id, nullable=False),
    words("kind"),
    words("name"),
    words("value"),
    # What it counts as: of a yes or a no, 1 or 0; ``is_number`` where a number was said.
    maybe_real("amount"),
    small("is_number"),
    maybe_text("error"),
    words("source_type"),
    words("source"),
    maybe_text("span"),
    maybe_text("run"),
    maybe_text("rationale"),
    words("metadata"),
    maybe_text("overrides"),
    small("valid"),
    small("of_session"),
    big("created_ms"),
    big("updated_ms"),
    UniqueConstraint("trace_id", "assessment"),
    Index(None, "experiment_id", "kind", "name", "trace_id"),
    sqlite_autoincrement=True,
)

# By the trace's own id: clients link traces that are still on their way.
trace_link: Final = Table(
    "trace_link",
    METADATA,
    Column("namespace_id", Id, primary_key=True, autoincrement=False),
    Column("trace", Text, primary_key=True),
    # "run" or "prompt", and the id of the run or the name and number of the prompt.
    Column("kind", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Index(None, "namespace_id", "kind", "target", "trace"),
    sqlite_with_rowid=False,
)
