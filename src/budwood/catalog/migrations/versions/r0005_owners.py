"""Who stands behind a service account, and since when somebody is in a group."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing to change yet."""
