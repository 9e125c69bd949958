"""A push under way at a server: opened at once, or not before it turns out to need more than one request.

One that may be small keeps its only pack here, to go along with the version (``pushes.AT_ONCE``). What is larger, or a
second pack, opens it: what was kept back is sent first, and from then on it is a push like any other.
"""

import threading
from collections.abc import Callable
from typing import Final

from budwood.client.far.index import AddressBook, PushIndex
from budwood.client.far.transport import Transport
from budwood.domain.limits import AT_ONCE_PACK_BYTES, LEASE_S
from budwood.domain.routes import pushes
from budwood.domain.transfers import FindBlocks, FoundBlocks, OpenedPush, OpenPush
from budwood.store.cache import BlockCache

RENEW_MS: Final = LEASE_S * 1000 // 4

SendPack = Callable[[str, str, memoryview], None]
"""Send a pack and have it completed: the namespace, its name there, its bytes."""


class FarLease:
    """``workplace.Lease`` over routes. ``mark`` is what its packs are called after until it is open."""

    def __init__(
        self,
        transport: Transport,
        namespace: str,
        model: str,
        *,
        mark: str,
        book: AddressBook,
        clock: Callable[[], int],
        send: SendPack,
        small: bool,
        cache: BlockCache | None = None,
    ) -> None:
        self._transport, self._model, self._clock, self._send = transport, model, clock, send
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._small = small
        self._kept, self._kept_name = b"", ""
        self._packs = 0
        self._renewed_ms = clock()
        self.mark, self.id, self.namespace = mark, "", namespace
        self.index = PushIndex(self._find, book, cache.of_its_own() if cache else None)
        if not small:
            self.open()

    def new_pack_name(self) -> str:
        """See ``Lease.new_pack_name``. What it is called here is not what it is called there."""
        self.keep_alive()
        with self._lock:
            self._packs += 1
            return f"{self.mark}-{self._packs:04d}"

    def keep_alive(self) -> None:
        """See ``Lease.keep_alive``."""
        now = self._clock()
        with self._lock:
            if not self.id or now - self._renewed_ms <= RENEW_MS:
                return
            self._renewed_ms = now
        self._transport.call(pushes.RENEW, self._holes)

    def drop(self) -> None:
        """See ``Lease.drop``. One that was never opened leaves nothing behind."""
        if self.id:
            self._transport.call(pushes.ABANDON, self._holes)

    def take(self, name: str, content: memoryview) -> None:
        """A pack that was written: sent, or kept back while it may be the only one. Raises what sending raises."""
        with self._lock:
            if not self.id and not self._kept and len(content) <= AT_ONCE_PACK_BYTES:
                self._kept, self._kept_name = bytes(content), name
                return
        self.open()
        self._send(self.namespace, self._there(name), content)

    @property
    def at_once(self) -> bytes | None:
        """The pack to publish with, empty when nothing is missing; None when the push was opened."""
        return None if self.id else self._kept

    def open(self) -> None:
        """Begin it at the server, unless that was done, and send what was kept back. Raises what the routes raise."""
        with self._opening:
            if not self.id:
                asked = OpenPush(self._model)
                opened = self._transport.call(pushes.OPEN, {"namespace": self.namespace}, body=asked)
                assert isinstance(opened, OpenedPush)
                with self._lock:
                    self.id, self._renewed_ms = opened.id, self._clock()
            kept, self._kept = self._kept, b""
        if kept:
            self._send(self.namespace, self._there(self._kept_name), memoryview(kept))

    @property
    def _holes(self) -> dict[str, str]:
        return {"namespace": self.namespace, "push": self.id}

    def _there(self, name: str) -> str:
        return f"{self.id}{name.removeprefix(self.mark)}"

    def _find(self, asked: FindBlocks) -> FoundBlocks:
        # A small push does not say how its files are made up: they are soon read when it is published.
        ahead = FindBlocks(asked.ids)
        found = (
            self._transport.call(pushes.FIND, self._holes, body=ahead if self._small else asked)
            if self.id
            else self._transport.call(pushes.FIND_AHEAD, {"namespace": self.namespace}, body=ahead)
        )
        assert isinstance(found, FoundBlocks)
        return found
