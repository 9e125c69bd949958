"""Sending one pack: ask where, PUT it there, have it completed. Each step may be repeated.

Two packs are sent at once, unless two of them are much of the whole: what is on its way when a connection breaks is
sent again.
"""

from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Lock
from weakref import WeakValueDictionary

from budwood.client.far.blobs import AddressGone, Blobs
from budwood.client.far.lease import FarLease
from budwood.client.far.transport import Transport
from budwood.domain.limits import REQUEST_TRIES
from budwood.domain.routes import pushes
from budwood.domain.transfers import BeginPack, CompletePack, SendTo
from budwood.errors import ServerUnreachable
from budwood.verbs.lease import pack_lease


@dataclass(slots=True)
class Uploads:
    """Sends packs. Each goes by its push, which may keep it back; pushes that nobody holds are forgotten."""

    transport: Transport
    blobs: Blobs
    leases: MutableMapping[str, FarLease] = field(default_factory=WeakValueDictionary)
    one_at_once: bool = False
    _alone: Lock = field(default_factory=Lock)

    def take(self, name: str, content: memoryview) -> None:
        """A pack that was written. Raises what ``send`` raises."""
        self.leases[pack_lease(name)].take(name, content)

    def send(self, namespace: str, name: str, content: memoryview) -> None:
        """Raises BadParcel, LeaseLost, QuotaExceeded, ServerUnreachable, StorageFull, StorageFailed."""
        with self._alone if self.one_at_once else nullcontext():
            self._send({"namespace": namespace, "push": pack_lease(name)}, name, content)

    def _send(self, holes: Mapping[str, str], name: str, content: memoryview) -> None:
        for last in range(1, REQUEST_TRIES + 1):
            to = self.transport.call(pushes.BEGIN, holes, body=BeginPack(name, len(content)))
            assert isinstance(to, SendTo)
            try:
                self.blobs.put(to.address, content)
                break
            except AddressGone as error:
                if last == REQUEST_TRIES:
                    raise ServerUnreachable("The server takes nothing where it said it would.") from error
        self.transport.call(pushes.COMPLETE, {**holes, "pack": name}, body=CompletePack(len(content)), long=True)
