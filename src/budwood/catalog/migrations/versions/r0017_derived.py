"""Blocks that are a function of others."""

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Nothing to change yet."""
