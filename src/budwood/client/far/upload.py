"""Sending one pack: ask where, PUT it there, have it completed. Each step may be repeated.

Two packs are sent at once, unless two of them are much of the whole: what is on its way when a connection breaks is
sent again.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Lock

from budwood.client.far.blobs import AddressGone, Blobs
from budwood.client.far.transport import Transport
from budwood.domain.limits import REQUEST_TRIES
from budwood.domain.routes import pushes
from budwood.domain.transfers import BeginPack, CompletePack, SendTo
from budwood.errors import ServerUnreachable
from budwood.verbs.lease import pack_lease


@dataclass(slots=True)
class Uploads:
    """Sends packs. A pack is named after its push; which namespace that is for was told when it was opened."""

    transport: Transport
    blobs: Blobs
    namespaces: dict[str, str] = field(default_factory=dict)
    one_at_once: bool = False
    _alone: Lock = field(default_factory=Lock)

    def send(self, name: str, content: memoryview) -> None:
        """Raises BadParcel, LeaseLost, QuotaExceeded, ServerUnreachable, StorageFull, StorageFailed."""
        with self._alone if self.one_at_once else nullcontext():
            self._send(name, content)

    def _send(self, name: str, content: memoryview) -> None:
        push = pack_lease(name)
        holes = {"namespace": self.namespaces[push], "push": push}
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
