"""A server's bytes as the store's ``Objects``: packs are sent whole, and read by ranges.

A pack being written is gathered in memory and sent by ``publish``: ask where, PUT, complete. Reads are joined: what is
known to be wanted of a pack (``AddressBook``) is cut in stretches of some MiB, each fetched at once and while the one
before is being decoded.
"""

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from budwood.client.far.blobs import AddressGone, Blobs
from budwood.client.far.index import AddressBook
from budwood.domain.limits import KIB, MIB
from budwood.errors import BudwoodError, NotOffered, PackDamaged
from budwood.store.api import Buffer, Method, ObjectWriter, StoredObject
from budwood.store.packs import pack_name

STRETCH_BYTES: Final = 4 * MIB
GAP_BYTES: Final = 64 * KIB
HELD_BYTES: Final = 32 * MIB
FETCHES_AT_ONCE: Final = 4
AHEAD: Final = 3

Send = Callable[[str, memoryview], None]
"""Send a pack by its name, and have it completed."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    pack: str
    start: int
    stop: int


class FarObjects:
    """The ``Objects`` port over a server. ``send`` takes what was written."""

    def __init__(self, blobs: Blobs, book: AddressBook, send: Send, clock: Callable[[], int]) -> None:
        self._blobs, self._book, self._send, self._clock = blobs, book, send, clock
        self._lock = threading.Lock()
        self._held: OrderedDict[_Stretch, Future[bytes]] = OrderedDict()
        self._plans: dict[str, _Plan] = {}
        self._fetchers: ThreadPoolExecutor | None = None

    def create(self, key: str) -> ObjectWriter:
        """Begin a pack. Nothing is asked before it is published."""
        return _Parcel(pack_name(key), self._send)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged, ServerUnreachable."""
        return self._fetch(_Stretch(pack_name(key), offset, offset + length))

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged, ServerUnreachable."""
        pack, stop = pack_name(key), offset + len(target)
        stretch = self._stretch(pack, offset, stop)
        if stretch is None:
            target[:] = self._fetch(_Stretch(pack, offset, stop))
            return
        content = memoryview(self._hold(stretch).result())
        target[:] = content[offset - stretch.start : stop - stretch.start]

    def size(self, key: str) -> int | None:
        """Not asked of a server."""
        raise NotOffered("A server does not say how large its packs are.")

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Not asked of a server."""
        raise NotOffered("A server does not list its packs.")

    def copy(self, key: str, to: str) -> None:
        """Not asked of a server."""
        raise NotOffered("A server copies its packs itself.")

    def delete(self, key: str) -> None:
        """Not asked of a server."""
        raise NotOffered("A server deletes its packs itself.")

    def clean(self, older_than_ms: int) -> int:
        """Nothing is left behind here."""
        return 0

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """None: the server signs."""
        return None

    def close(self) -> None:
        """Stop fetching."""
        with self._lock:
            self._held.clear()
            if self._fetchers is not None:
                self._fetchers.shutdown(cancel_futures=True)
                self._fetchers = None
        self._blobs.close()

    # Reading

    def _stretch(self, pack: str, offset: int, stop: int) -> _Stretch | None:
        """The stretch these bytes lie in; the following ones begin to be fetched."""
        plan = self._plan(pack)
        stretch = plan.around(offset, stop)
        if stretch is None:
            plan = self._plan(pack, anew=True)
            stretch = plan.around(offset, stop)
        if stretch is not None:
            self._hold(stretch)
            for following in self._following(plan, stretch):
                self._hold(following, ahead=True)
        return stretch

    def _plan(self, pack: str, *, anew: bool = False) -> "_Plan":
        with self._lock:
            plan = None if anew else self._plans.get(pack)
        if plan is None:
            plan = _Plan(pack, self._book.wanted(pack))
            with self._lock:
                self._plans[pack] = plan
        return plan

    def _following(self, plan: "_Plan", stretch: _Stretch) -> Sequence[_Stretch]:
        """What lies behind it, also in the pack that was written next."""
        found = plan.after(stretch.start, AHEAD)
        if len(found) < AHEAD and (pack := self._book.after(stretch.pack)) is not None:
            found += self._plan(pack).after(-1, AHEAD - len(found))
        return found

    def _hold(self, stretch: _Stretch, *, ahead: bool = False) -> "Future[bytes]":
        """Its bytes, fetched once while they are held; one fetched ahead pushes nothing out."""
        with self._lock:
            found = self._held.get(stretch)
            if found is not None:
                return found
            size = sum(each.stop - each.start for each in self._held) + stretch.stop - stretch.start
            if ahead and size > HELD_BYTES:
                return Future()
            for oldest in list(self._held):
                if size <= HELD_BYTES:
                    break
                if self._held[oldest].done():
                    del self._held[oldest]
                    size -= oldest.stop - oldest.start
            if self._fetchers is None:
                self._fetchers = ThreadPoolExecutor(FETCHES_AT_ONCE, "budwood-fetch")
            self._held[stretch] = fetched = self._fetchers.submit(self._fetch, stretch)
        fetched.add_done_callback(lambda done: self._forget_failed(stretch, done))
        return fetched

    def _forget_failed(self, stretch: _Stretch, done: "Future[bytes]") -> None:
        if done.cancelled() or done.exception() is not None:
            with self._lock:
                self._held.pop(stretch, None)

    def _fetch(self, stretch: _Stretch) -> bytes:
        address = self._book.address(stretch.pack, self._clock())
        if address is None:
            raise PackDamaged(f"The server did not say where the pack {stretch.pack} is.", pack=stretch.pack)
        length = stretch.stop - stretch.start
        try:
            return self._blobs.get(address, stretch.start, length)
        except AddressGone:
            # It ran out, or a sweep wrote the pack anew; whoever reads then asks where the block is now.
            again = self._book.address(stretch.pack, self._clock(), refresh=True)
            try:
                return self._blobs.get(again or address, stretch.start, length)
            except AddressGone as error:
                raise PackDamaged(f"The pack {stretch.pack} is not there any more.", pack=stretch.pack) from error


class _Plan:
    """The stretches of one pack, in order, made from what is wanted of it."""

    def __init__(self, pack: str, wanted: Sequence[tuple[int, int]]) -> None:
        self._stretches: list[_Stretch] = []
        start = stop = 0
        for offset, length in wanted:
            if stop and (offset - stop > GAP_BYTES or offset + length - start > STRETCH_BYTES):
                self._stretches.append(_Stretch(pack, start, stop))
                stop = 0
            if not stop:
                start = offset
            stop = max(stop, offset + length)
        if stop:
            self._stretches.append(_Stretch(pack, start, stop))
        self._starts = [stretch.start for stretch in self._stretches]

    def around(self, offset: int, stop: int) -> _Stretch | None:
        """The stretch that holds these bytes whole."""
        at = bisect.bisect_right(self._starts, offset) - 1
        if at < 0 or stop > self._stretches[at].stop:
            return None
        return self._stretches[at]

    def after(self, start: int, count: int) -> list[_Stretch]:
        """The next ones behind the one that starts there."""
        at = bisect.bisect_right(self._starts, start)
        return self._stretches[at : at + count]


class _Parcel:
    """A pack being gathered in memory."""

    def __init__(self, name: str, send: Send) -> None:
        self._name, self._send = name, send
        self._content: bytearray | None = bytearray()
        self._size = 0
        self._error: BudwoodError | None = None

    @property
    def size(self) -> int:
        return self._size

    def append(self, parts: Sequence[Buffer]) -> int:
        if self._error is not None:
            raise self._error
        assert self._content is not None, "the pack was published or discarded before"
        offset = self._size
        for part in parts:
            self._content += part
        self._size = len(self._content)
        return offset

    def publish(self) -> None:
        if self._error is not None:
            raise self._error
        assert self._content is not None, "the pack was published or discarded before"
        try:
            with memoryview(self._content) as content:
                self._send(self._name, content)
        except BudwoodError as error:
            self._error = error
            raise
        finally:
            self._content = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content = None
