"""Files of runs and logged models, and logged models."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing to change yet."""
