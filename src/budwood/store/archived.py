"""Objects that an object store keeps in an archive: they are listed and sized, and cannot be read before they are
restored there. S3 does that with Glacier Flexible, Deep Archive and the archives of Intelligent-Tiering, Azure with its
Archive tier; Google's classes can all be read at once.
"""

from typing import Final

from budwood.errors import Archived

_CODES: Final = ("InvalidObjectState", "ObjectNotInActiveTierError", "BlobArchived", "BlobBeingRehydrated")
"""What S3 and Azure call it, in the body of their answers."""


def archived(what: str, said: str) -> Archived | None:
    """The error for an object that the store says it has in an archive; None when it says something else."""
    if not any(code in said for code in _CODES):
        return None
    return Archived(f"{what} lies in an archive of its object store.", object=what)
