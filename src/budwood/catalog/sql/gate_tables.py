"""The tables of gates: policies, evidence, promotions and reviews. Rows are added; a promotion alone changes.

They outlive what they are about: no key binds them to a namespace, a model or a version that may be removed.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, big, words

policy: Final = Table(
    "policy",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("name"),
    big("number"),
    words("digest"),
    words("body"),
    words("author"),
    big("created_ms"),
    big("removed_ms"),
    # 1 for the newest edition that was not removed.
    Column("in_force", SmallInteger, nullable=False),
    UniqueConstraint("namespace_id", "name", "number"),
    Index(None, "namespace_id", "in_force", "name"),
    sqlite_autoincrement=True,
)

tier: Final = Table(
    "tier",
    METADATA,
    Column("model_id", Id, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    words("tier"),
    words("author"),
    big("at_ms"),
)

evidence: Final = Table(
    "evidence",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    words("subject"),
    words("kind"),
    words("author"),
    big("at_ms"),
    words("digest"),
    # The whole record as canonical JSON, without its id.
    words("body"),
    Index(None, "namespace_id", "subject", "id"),
    sqlite_autoincrement=True,
)

promotion: Final = Table(
    "promotion",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, nullable=False),
    # Not keys: a promotion outlives what it was about.
    words("model"),
    big("model_id"),
    big("version_id"),
    big("version_number"),
    words("digest"),
    words("pointer"),
    words("requester"),
    words("reason"),
    big("requested_ms"),
    words("binds"),
    words("state"),
    big("decided_ms"),
    words("decided_by"),
    words("checks"),
    Column("broke_glass", SmallInteger, nullable=False),
    big("due_ms"),
    words("looked_by"),
    Column("overdue_ms", BigInteger, nullable=False, server_default="0"),
    Index(None, "namespace_id", "id"),
    Index(None, "namespace_id", "state", "id"),
    Index(None, "version_id", "pointer", "id"),
    Index(None, "namespace_id", "broke_glass", "looked_by", "id"),
    Index(None, "broke_glass", "looked_by", "due_ms", "id"),
    sqlite_autoincrement=True,
)

review: Final = Table(
    "review",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("promotion_id", Id, ForeignKey("promotion.id"), nullable=False),
    words("body"),
    Index(None, "promotion_id", "id"),
    sqlite_autoincrement=True,
)
