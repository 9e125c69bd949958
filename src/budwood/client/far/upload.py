"""Sending one pack: ask where, PUT it there, have it completed. Each step may be repeated."""

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
    sent_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def send(self, name: str, content: memoryview) -> None:
        """Raises BadParcel, LeaseLost, QuotaExceeded, ServerUnreachable, StorageFull, StorageFailed."""
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
        with self._lock:
            self.sent_bytes += len(content)
        self.transport.call(pushes.COMPLETE, {**holes, "pack": name}, body=CompletePack(len(content)), long=True)
