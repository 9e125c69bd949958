"""What push, pull and reading are given: bytes to read and write, and a desk that knows the records.

These verbs run where the files are, which may be far from the registry. A House is a workplace (its desk asks the
catalog beside it); a client of a server brings one whose desk, index and objects speak HTTP.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.storage_tiers.values import Arrival
from budwood.domain.transfers import Before
from budwood.errors import BudwoodError
from budwood.store.api import BlockIndex, Objects
from budwood.store.cache import BlockCache
from budwood.store.read import BlockReader
from budwood.verbs.draft import Draft, Wishes


class Lease(Protocol):
    """A push under way: while it lives, no sweep touches what was written under it."""

    @property
    def id(self) -> str: ...
    @property
    def index(self) -> BlockIndex:
        """The blocks that a version written under it may share or lean on."""

    def new_pack_name(self) -> str:
        """A fresh name for a pack; keeps the lease alive. Raises LeaseLost."""

    def keep_alive(self) -> None:
        """Renew it when some of its time is gone; cheap otherwise, and asked from any thread. Raises LeaseLost."""

    def drop(self) -> None:
        """For a push that published nothing."""


class Desk(Protocol):
    """What a push or a pull asks about records. Raises what the verbs raise."""

    def version(self, reference: str) -> VersionRecord:
        """The version a reference names. Raises BadReference, NotFound."""

    def note_use(self, version: VersionRecord) -> None:
        """It was pulled: what nobody pulls may go cold. Never fails."""

    def look(self, target: Reference, parents: Sequence[str]) -> Before:
        """Raises NotFound for a parent that is not there."""

    def candidates(
        self, target: Reference, parents: Sequence[VersionRecord], structure: str, probes: Sequence[int] = ()
    ) -> Sequence[VersionRecord]:
        """Versions that may serve as bases, nearest first; behind them those that tensors may be functions of."""

    def lease(self, target: Reference, *, small: bool = False) -> Lease:
        """Begin to write for a model. ``small``: files that may be published in one request (limits.AT_ONCE_BYTES)."""

    def publish(self, draft: Draft, target: Reference, wishes: Wishes, lease: Lease) -> VersionRecord:
        """Make a written version visible, and end the lease."""

    def reuse(
        self, version: VersionRecord, aliases: tuple[str, ...], tags: Mapping[str, str], lease: Lease | None
    ) -> VersionRecord:
        """Give aliases and tags to a version that holds these files already, and end the lease."""


class Reads(Protocol):
    """Where blocks are read from, by so many threads."""

    @property
    def threads(self) -> int: ...
    def reader(self) -> BlockReader:
        """A reader of blocks for one operation."""


class Workplace(Reads, Protocol):
    """``scratch`` is a folder for caches that may be lost. ``pack_bytes`` is how large packs grow before the next one
    begins; ``checks`` whether what was encoded is decoded and compared here, and not by whoever receives it."""

    @property
    def desk(self) -> Desk: ...
    def arrival(self, namespace: str) -> Arrival:
        """How a push to that namespace writes."""

    @property
    def objects(self) -> Objects: ...
    @property
    def index(self) -> BlockIndex: ...
    @property
    def clock(self) -> Callable[[], int]: ...
    @property
    def ids(self) -> Callable[[], str]: ...
    @property
    def author(self) -> str: ...
    @property
    def scratch(self) -> Path | None: ...
    @property
    def checks(self) -> bool: ...
    @property
    def cache(self) -> BlockCache | None:
        """Blocks that were brought to this machine before; ``reader`` reads them, too."""

    def pack_bytes(self, logical_bytes: int) -> int:
        """How large packs should be in a push of so many bytes."""

    def owns(self, path: Path) -> bool:
        """Whether the file, by its resolved path, is the registry's own."""


__all__ = ["Before", "Desk", "Lease", "Reads", "Workplace", "leased"]


@contextmanager
def leased(desk: Desk, target: Reference, *, small: bool = False) -> Iterator[Lease]:
    """Hold a lease for the length of the block; publishing or dropping it is the block's task when all goes well."""
    held = desk.lease(target, small=small)
    try:
        yield held
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            held.drop()
        raise
