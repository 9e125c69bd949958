"""A derived block leans on several, and is found by each of them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

ID_BYTES, DERIVED_DEPTH = 32, 3
ROWS = 1_000


def upgrade() -> None:
    """Noted for those there are. The index of bases, where their ids lie one behind the other, is for differences."""
    leaning = op.create_table(
        "leaning",
        sa.Column("base_id", sa.LargeBinary(), nullable=False),
        sa.Column("block_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("base_id", "block_id", name=op.f("pk_leaning")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_leaning_block_id"), "leaning", ["block_id"], unique=False)
    differences = sa.text("depth > 0 AND depth <> 3")
    op.drop_index(op.f("ix_block_base"), "block")
    op.create_index(
        op.f("ix_block_base"), "block", ["base"], unique=False, sqlite_where=differences, postgresql_where=differences
    )
    connection = op.get_bind()
    derived = sa.text("SELECT id, base FROM block WHERE depth = :depth AND id > :after ORDER BY id LIMIT :limit")
    after = b""
    while page := connection.execute(derived, {"depth": DERIVED_DEPTH, "after": after, "limit": ROWS}).all():
        pairs = {
            (bytes(base[at : at + ID_BYTES]), bytes(block))
            for block, base in page
            for at in range(0, len(base), ID_BYTES)
        }
        if pairs:
            rows = [{"base_id": base, "block_id": block} for base, block in sorted(pairs)]
            connection.execute(leaning.insert(), rows)
        after = bytes(page[-1][0])
