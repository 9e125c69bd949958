"""The tables of listings: what is said of models, versions and webhooks in another tool's words.

Every model and every version has its row from birth, so that no listing needs an outer join. A version's short tags
are in ``tag``, where our own search finds them; ``version_text`` has those that are too long for it or oddly named.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from budwood.catalog.sql.tables import METADATA, Id, Text, big, words


def _of(name: str, target: str) -> Column[int]:
    return Column(name, Id, ForeignKey(target, ondelete="CASCADE"), primary_key=True, autoincrement=False)


model_listing: Final = Table(
    "model_listing",
    METADATA,
    _of("model_id", "model.id"),
    big("namespace_id"),
    words("title"),
    big("updated_ms"),
    words("description"),
    UniqueConstraint("namespace_id", "title"),
    Index(None, "namespace_id", "updated_ms"),
)

model_tag: Final = Table(
    "model_tag",
    METADATA,
    _of("model_id", "model.id"),
    Column("key", Text, primary_key=True),
    big("namespace_id"),
    words("head"),
    words("value"),
    Index(None, "namespace_id", "key", "head", "model_id"),
    sqlite_with_rowid=False,
)

version_listing: Final = Table(
    "version_listing",
    METADATA,
    _of("version_id", "version.id"),
    Column("model_id", Id, nullable=False),
    big("namespace_id"),
    big("updated_ms"),
    words("run"),
    words("logged"),
    words("source"),
    words("location"),
    words("run_link"),
    words("description"),
    Index(None, "namespace_id", "updated_ms"),
    Index(None, "model_id", "updated_ms"),
    Index(None, "namespace_id", "run", "version_id"),
)

version_text: Final = Table(
    "version_text",
    METADATA,
    _of("version_id", "version.id"),
    Column("key", Text, primary_key=True),
    words("value"),
    sqlite_with_rowid=False,
)

webhook_listing: Final = Table(
    "webhook_listing",
    METADATA,
    _of("webhook_id", "webhook.id"),
    words("title"),
    words("description"),
    words("events"),
    big("updated_ms"),
)
