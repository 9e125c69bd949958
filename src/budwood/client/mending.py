"""Verify and mend: where the registry's files are, from a backup too; over a server, from what its store holds."""

from pathlib import Path

from budwood.client.near import Near
from budwood.client.place import Place
from budwood.domain.asks import Verify
from budwood.domain.results import Verified
from budwood.domain.routes.storage_tiers import MEND
from budwood.errors import NotOffered
from budwood.store.api import Progress
from budwood.verbs import mend


def verify_and_mend(place: Place, backup: str | Path, *, read_data: bool, progress: Progress) -> Verified:
    """Raises NoBackup, NotOffered for a backup with a server, StorageFull, StorageFailed."""
    if isinstance(place, Near):
        folder = Path(backup) if backup else None
        return mend.verify_and_mend(place.house, read_data=read_data, backup=folder, progress=progress)
    if backup:
        raise NotOffered("A server does not see a backup on this machine.", hint="Mend where the registry's files are.")
    found: Verified = place.ask(MEND, body=Verify(read_data))
    return found
