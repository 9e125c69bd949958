"""Gathering all that is said of a version, near or far: for cards and bills of materials."""

from budwood.client.gates import Gates
from budwood.client.version import Version
from budwood.domain.portrait import Portrait


def portrait_of(version: Version, gates: Gates) -> Portrait:
    """As it is now. Raises NotFound, ManifestDamaged."""
    detail = version.detail()
    # Not by a name that may come to mean another version while we read.
    exact = f"{detail.version.namespace}/{detail.version.model}@v{detail.version.number}"
    return Portrait(detail, version.manifest, gates.evidence(exact))
