"""The tables of a registry that several people share: tenants, who may do what, and what is on its way to others.

Who a role is granted to is one number for people and one for teams (``to_team``), so that one index answers both.
A secret is here as its SHA-256, except where it must be used again (webhooks, signing keys).
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, SmallInteger, Table, UniqueConstraint
from sqlalchemy import text as sql

from budwood.catalog.sql.tables import METADATA, Id, Text, big, blob, words

namespace: Final = Table(
    "namespace",
    METADATA,
    Column("id", Id, primary_key=True),
    words("name"),
    big("created_ms"),
    # Counted in the transaction that changes them: encoded bytes the tenant sent, and its versions.
    big("bytes"),
    big("versions"),
    big("quota_bytes"),
    big("quota_versions"),
    big("quota_uploads"),
    big("quota_requests"),
    big("edit"),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

principal: Final = Table(
    "principal",
    METADATA,
    Column("id", Id, primary_key=True),
    words("name"),
    words("kind"),
    big("created_ms"),
    words("email"),
    Column("is_admin", SmallInteger, nullable=False),
    big("disabled_ms"),
    words("issuer"),
    words("subject"),
    # With what stands here while nobody said: columns that came later.
    Column("owner", Text, nullable=False, server_default=""),
    Column("earlier_owners", Text, nullable=False, server_default="[]"),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)
Index(
    None,
    principal.c.issuer,
    principal.c.subject,
    unique=True,
    sqlite_where=sql("issuer <> ''"),
    postgresql_where=sql("issuer <> ''"),
)

team: Final = Table(
    "team",
    METADATA,
    Column("id", Id, primary_key=True),
    words("name"),
    big("created_ms"),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

member: Final = Table(
    "member",
    METADATA,
    Column("team_id", Id, ForeignKey("team.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("principal_id", Id, ForeignKey("principal.id"), primary_key=True, autoincrement=False),
    Column("since_ms", BigInteger, nullable=False, server_default="0"),
    Column("added_by", Text, nullable=False, server_default=""),
    Index(None, "principal_id", "team_id"),
    sqlite_with_rowid=False,
)

granted: Final = Table(
    "granted",
    METADATA,
    Column("namespace_id", Id, ForeignKey("namespace.id"), primary_key=True, autoincrement=False),
    Column("to_team", SmallInteger, primary_key=True, autoincrement=False),
    Column("to_id", Id, primary_key=True, autoincrement=False),
    Column("role", Text, primary_key=True),
    words("granted_by"),
    big("granted_ms"),
    Index(None, "to_team", "to_id", "namespace_id"),
    sqlite_with_rowid=False,
)

token: Final = Table(
    "token",
    METADATA,
    Column("id", Text, primary_key=True),
    blob("hash"),
    Column("principal_id", Id, ForeignKey("principal.id"), nullable=False),
    words("name"),
    # NULL: all that the principal may do.
    Column("scopes", Text),
    big("created_ms"),
    big("expires_ms"),
    big("revoked_ms"),
    big("used_ms"),
    UniqueConstraint("hash"),
    Index(None, "principal_id", "created_ms"),
)

trust: Final = Table(
    "trust",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, ForeignKey("namespace.id"), nullable=False),
    words("issuer"),
    words("audience"),
    words("subject"),
    words("role"),
    words("claims"),
    big("created_ms"),
    words("created_by"),
    Index(None, "issuer", "subject"),
    Index(None, "namespace_id", "id"),
    sqlite_autoincrement=True,
)

webhook: Final = Table(
    "webhook",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("namespace_id", Id, ForeignKey("namespace.id"), nullable=False),
    words("url"),
    words("actions"),
    Column("active", SmallInteger, nullable=False),
    blob("secret"),
    big("created_ms"),
    words("created_by"),
    big("edit"),
    Column("kind", Text, nullable=False, server_default="ledger"),
    Index(None, "namespace_id", "id"),
    sqlite_autoincrement=True,
)

delivery: Final = Table(
    "delivery",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    big("sequence"),
    words("state"),
    big("attempts"),
    big("next_ms"),
    big("status"),
    words("error"),
    big("at_ms"),
    Index(None, "webhook_id", "id"),
    Index(None, "state", "next_ms", "id"),
    sqlite_autoincrement=True,
)

# What a write answered, so that asking again gives the same answer and does nothing.
answer: Final = Table(
    "answer",
    METADATA,
    Column("principal_id", Id, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    blob("digest"),
    big("at_ms"),
    big("status"),
    blob("body"),
    Index(None, "at_ms"),
)

# Blocks of pushes under way, which no version names yet.
staged: Final = Table(
    "staged",
    METADATA,
    Column("lease_id", Text, primary_key=True),
    Column("block_id", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

# Blocks that lie in another tenant's pack and that this one proved to have, with the bytes it sent for them.
holding: Final = Table(
    "holding",
    METADATA,
    Column("block_id", LargeBinary, primary_key=True),
    Column("namespace_id", Id, primary_key=True, autoincrement=False),
    big("length"),
    sqlite_with_rowid=False,
)

signing_key: Final = Table(
    "signing_key",
    METADATA,
    Column("id", Text, primary_key=True),
    blob("secret"),
    big("created_ms"),
    big("retired_ms"),
)

meta: Final = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    words("value"),
)
