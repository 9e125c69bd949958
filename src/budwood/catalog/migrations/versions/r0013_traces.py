"""Traces, their spans and what people think of them."""

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Nothing to change yet."""
