"""The workplace of a client whose registry is a server: files are here, records and bytes are there."""

from collections.abc import Callable
from pathlib import Path

from budwood.client.far.blobs import Blobs
from budwood.client.far.desk import FarDesk
from budwood.client.far.index import AddressBook, FarIndex
from budwood.client.far.objects import FarObjects
from budwood.client.far.transport import Transport
from budwood.client.far.upload import Uploads
from budwood.domain.limits import PARCEL_BYTES, PARCEL_BYTES_LEAST
from budwood.domain.routes import blobs as blob_routes
from budwood.domain.storage_tiers.values import Arrival
from budwood.domain.transfers import FindBlocks, FoundBlocks
from budwood.store.cache import BlockCache
from budwood.store.read import BlockReader

PARCELS: int = 64
"""A push is sent in about so many packs: one that is cut short is sent again whole."""
FEW_PARCELS: int = 20
"""With fewer than twice so many, two at once would be more than a twentieth of it."""


class FarWork:
    """``workplace.Workplace`` over a server. ``author`` is who the server knows the caller as."""

    def __init__(
        self,
        transport: Transport,
        *,
        author: str,
        threads: int,
        clock: Callable[[], int],
        ids: Callable[[], str],
        scratch: Path | None = None,
        push_as: Arrival = Arrival.SMALL,
        cache: BlockCache | None = None,
    ) -> None:
        self._push_as = push_as
        self.cache = cache
        blobs, book = Blobs(transport.url), AddressBook()
        uploads = Uploads(transport, blobs)
        self.author, self.threads, self.scratch = author, threads, scratch
        self.clock, self.ids = clock, ids
        self.checks = False
        self.desk = FarDesk(transport, book, clock, ids, uploads, cache)
        self._uploads = uploads
        self.objects = FarObjects(blobs, book, uploads.take, clock)
        self.index = FarIndex(lambda asked: _find(transport, asked), book)

    def arrival(self, namespace: str) -> Arrival:
        """As this machine's settings say: what travels is not the server's choice."""
        return self._push_as

    def pack_bytes(self, logical_bytes: int) -> int:
        """See ``Workplace.pack_bytes``. Three lie in memory at once: a quarter of what a server takes is small."""
        self._uploads.one_at_once = logical_bytes < 2 * FEW_PARCELS * PARCEL_BYTES_LEAST
        return min(max(logical_bytes // PARCELS, PARCEL_BYTES_LEAST), PARCEL_BYTES // 4)

    def owns(self, path: Path) -> bool:
        """A server's files are not here."""
        return False

    def reader(self) -> BlockReader:
        """See ``Reads.reader``."""
        return BlockReader(self.objects, self.index, self.cache)

    def close(self) -> None:
        """Close the connections for bytes; the transport is its owner's."""
        self.objects.close()


def _find(transport: Transport, asked: FindBlocks) -> FoundBlocks:
    found = transport.call(blob_routes.FIND, body=asked)
    assert isinstance(found, FoundBlocks)
    return found
