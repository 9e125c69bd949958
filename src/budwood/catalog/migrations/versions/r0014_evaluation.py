"""Evaluation datasets and scorers, in MLflow's words."""

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Nothing to change yet."""
