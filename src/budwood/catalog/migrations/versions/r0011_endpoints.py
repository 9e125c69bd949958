"""Endpoints, rollouts and what they observed."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nothing to change yet."""
