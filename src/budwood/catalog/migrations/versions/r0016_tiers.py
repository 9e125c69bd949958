"""Hot, warm and cold: where blocks lie, and policies that say so."""

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Nothing to change yet."""
