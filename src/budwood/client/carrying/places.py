"""Where a source's artifacts may be read: folders of this machine, and places in object stores."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from budwood.client.carrying.buckets import Bucket, is_bucket
from budwood.client.carrying.folders import Folders
from budwood.client.carrying.locations import served_path
from budwood.domain.carrying.records import CarriedFile


@dataclass(frozen=True, slots=True)
class Places:
    """Folders are tried before buckets, where a location names neither; which of them has it is asked once."""

    folders: Folders
    buckets: tuple[Bucket, ...] = ()
    _known: dict[str, Folders | Bucket] = field(default_factory=dict)

    def files(self, location: str) -> Sequence[CarriedFile]:
        """By path. Raises SourceNotFound, UnsafeEntry, LimitExceeded, ServerUnreachable."""
        return self._holding(location).files(location)

    def open(self, location: str, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """A file below it, in pieces. Raises SourceNotFound, UnsafeEntry, StorageFailed, ServerUnreachable."""
        return self._holding(location).open(location, path)

    def _holding(self, location: str) -> Folders | Bucket:
        if location not in self._known:
            self._known[location] = self._asked(location)
        return self._known[location]

    def _asked(self, location: str) -> Folders | Bucket:
        held = [each for each in self.buckets if each.holds(location)]
        if not held:
            return self.folders
        if served_path(location) is None:
            return held[0]
        if self.folders.allowed and self.folders.files(location):
            return self.folders
        return next((each for each in held if each.files(location)), held[0])


def places_of(named: Sequence[str], beside: Sequence[Path] = ()) -> Places:
    """``named`` are folders and addresses that may be read, ``beside`` folders of the source's own."""
    folders = tuple(Path(each) for each in named if not is_bucket(each))
    return Places(Folders((*folders, *beside)), tuple(Bucket(each) for each in named if is_bucket(each)))
