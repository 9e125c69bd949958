"""Who stands behind a service account, since when one is in a group, and whether a broken glass was seen in time."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("principal", sa.Column("owner", TEXT, nullable=False, server_default=""))
    op.add_column("principal", sa.Column("earlier_owners", TEXT, nullable=False, server_default="[]"))
    op.add_column("member", sa.Column("since_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("member", sa.Column("added_by", TEXT, nullable=False, server_default=""))
    op.add_column("promotion", sa.Column("overdue_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index(
        op.f("ix_promotion_broke_glass_looked_by_due_ms_id"),
        "promotion",
        ["broke_glass", "looked_by", "due_ms", "id"],
    )
    # Nobody wrote down when those who are in a group came. Not after the last thing that was done here: with that,
    # none of them counts for a request that is open already by a membership that may be younger than it.
    op.execute("UPDATE member SET since_ms = (SELECT coalesce(max(at_ms), 0) FROM ledger)")
