"""Experiments, runs, parameters, metrics and tags."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing to change yet."""
