"""What a namespace asks of a version's facts, and which namespaces may descend from it."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing to change yet."""
