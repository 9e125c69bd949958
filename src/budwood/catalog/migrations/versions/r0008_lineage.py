"""What lineage needs to be walked in one query."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nothing to change yet."""
