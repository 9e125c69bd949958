"""What several people share: namespaces with their quotas, who may do what, webhooks, and writes that were answered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _answer()
    _holding()
    _meta()
    _namespace()
    _principal()
    _signing_key()
    _staged()
    _team()
    _granted()
    _member()
    _token()
    _trust()
    _webhook()
    _delivery()
    _fill()


def _fill() -> None:
    """The room of those who have not named one: it is there from birth."""
    columns = "created_ms, bytes, versions, quota_bytes, quota_versions, quota_uploads, quota_requests, edit"
    op.execute(f"INSERT INTO namespace (name, {columns}) VALUES ('default', 0, 0, 0, 0, 0, 0, 0, 0)")  # noqa: S608


def _answer() -> None:
    op.create_table(
        "answer",
        sa.Column("principal_id", ID, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", "key", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_at_ms"), "answer", ["at_ms"], unique=False)


def _holding() -> None:
    op.create_table(
        "holding",
        sa.Column("block_id", sa.LargeBinary(), nullable=False),
        sa.Column("namespace_id", ID, autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("block_id", "namespace_id", name=op.f("pk_holding")),
        sqlite_with_rowid=False,
    )


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )


def _namespace() -> None:
    op.create_table(
        "namespace",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("versions", sa.BigInteger(), nullable=False),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=False),
        sa.Column("quota_versions", sa.BigInteger(), nullable=False),
        sa.Column("quota_uploads", sa.BigInteger(), nullable=False),
        sa.Column("quota_requests", sa.BigInteger(), nullable=False),
        sa.Column("edit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_namespace")),
        sa.UniqueConstraint("name", name=op.f("uq_namespace_name")),
        sqlite_autoincrement=True,
    )


def _principal() -> None:
    op.create_table(
        "principal",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("is_admin", sa.SmallInteger(), nullable=False),
        sa.Column("disabled_ms", sa.BigInteger(), nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principal")),
        sa.UniqueConstraint("name", name=op.f("uq_principal_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_principal_issuer_subject"),
        "principal",
        ["issuer", "subject"],
        unique=True,
        sqlite_where=sa.text("issuer <> ''"),
        postgresql_where=sa.text("issuer <> ''"),
    )


def _signing_key() -> None:
    op.create_table(
        "signing_key",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("retired_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_key")),
    )


def _staged() -> None:
    op.create_table(
        "staged",
        sa.Column("lease_id", TEXT, nullable=False),
        sa.Column("block_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", "block_id", name=op.f("pk_staged")),
        sqlite_with_rowid=False,
    )


def _team() -> None:
    op.create_table(
        "team",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team")),
        sa.UniqueConstraint("name", name=op.f("uq_team_name")),
        sqlite_autoincrement=True,
    )


def _granted() -> None:
    op.create_table(
        "granted",
        sa.Column("namespace_id", ID, autoincrement=False, nullable=False),
        sa.Column("to_team", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("to_id", ID, autoincrement=False, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("granted_by", TEXT, nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"], name=op.f("fk_granted_namespace_id")),
        sa.PrimaryKeyConstraint("namespace_id", "to_team", "to_id", "role", name=op.f("pk_granted")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_granted_to_team_to_id_namespace_id"), "granted", ["to_team", "to_id", "namespace_id"], unique=False
    )


def _member() -> None:
    op.create_table(
        "member",
        sa.Column("team_id", ID, autoincrement=False, nullable=False),
        sa.Column("principal_id", ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_member_team_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_member_principal_id")),
        sa.PrimaryKeyConstraint("team_id", "principal_id", name=op.f("pk_member")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_member_principal_id_team_id"), "member", ["principal_id", "team_id"], unique=False)


def _token() -> None:
    op.create_table(
        "token",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("principal_id", ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_token_hash")),
        sa.ForeignKeyConstraint(["principal_id"], ["principal.id"], name=op.f("fk_token_principal_id")),
    )
    op.create_index(op.f("ix_token_principal_id_created_ms"), "token", ["principal_id", "created_ms"], unique=False)


def _trust() -> None:
    op.create_table(
        "trust",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("claims", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"], name=op.f("fk_trust_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_trust_issuer_subject"), "trust", ["issuer", "subject"], unique=False)
    op.create_index(op.f("ix_trust_namespace_id_id"), "trust", ["namespace_id", "id"], unique=False)


def _webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", ID, nullable=False),
        sa.Column("namespace_id", ID, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("actions", TEXT, nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("edit", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespace.id"], name=op.f("fk_webhook_namespace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhook_namespace_id_id"), "webhook", ["namespace_id", "id"], unique=False)


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_delivery_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_delivery_state_next_ms_id"), "delivery", ["state", "next_ms", "id"], unique=False)
    op.create_index(op.f("ix_delivery_webhook_id_id"), "delivery", ["webhook_id", "id"], unique=False)
