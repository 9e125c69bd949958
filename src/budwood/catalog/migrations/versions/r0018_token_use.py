"""What tenants used of an endpoint's tokens, period by period."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "token_use",
        sa.Column("endpoint_id", ID, autoincrement=False, nullable=False),
        sa.Column("tenant", TEXT, nullable=False),
        sa.Column("from_ms", ID, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("until_ms", "tokens", "refused_until_ms")),
        sa.PrimaryKeyConstraint("endpoint_id", "tenant", "from_ms", name=op.f("pk_token_use")),
        sqlite_with_rowid=False,
    )
    for columns in (["endpoint_id", "until_ms"], ["refused_until_ms"], ["until_ms"]):
        op.create_index(op.f("ix_token_use_" + "_".join(columns)), "token_use", columns, unique=False)
