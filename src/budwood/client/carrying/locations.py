"""Where artifacts lie, as sources write it: an address, a path, or a place that an MLflow server serves itself."""

from typing import Final

ARTIFACTS: Final = "mlflow-artifacts:"
"""Where an MLflow server keeps such a place, it alone knows."""


def served_path(location: str) -> str | None:
    """The path below its server's own root; None for a location that no server serves itself."""
    if not location.startswith(ARTIFACTS):
        return None
    rest = location.removeprefix(ARTIFACTS)
    # The name of the server may stand before it.
    return rest[2:].partition("/")[2] if rest.startswith("//") else rest
