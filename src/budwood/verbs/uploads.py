"""Receiving a push: open it, say where a pack is to be sent, check what was sent, keep its blocks.

A pack's name begins with its push's id, as in process. An object store that signs addresses is sent the bytes straight,
under a key that nothing ever reads (``incoming/``): whoever has such an address may write there again and again, so
completing first copies them to a key that was given to nobody. Elsewhere they come through our own door, once. Either
way they are durable before the pack is completed; completing decodes and hashes every block, and only then, in one
transaction, puts rows in force and stages them: while the push lives, no sweep takes them. A block that the registry
had from another namespace is not kept twice; this one then *holds* it, for it has proved to have it.

What is answered depends only on what this namespace sent or holds. The house is that of the whole registry, its author
the caller; who may push where was decided before.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from budwood.catalog.api import Catalog, Lease, Transaction, View
from budwood.domain.limits import ADDRESS_S, AT_ONCE_PACK_BYTES, PARCEL_BYTES
from budwood.domain.manifest import BlockId
from budwood.domain.names import ModelName
from budwood.domain.people import NamespaceRecord
from budwood.domain.records import model_path
from budwood.errors import BadParcel, BudwoodError, LeaseLost, NamespaceNotFound, QuotaExceeded
from budwood.store.api import BlockRow
from budwood.store.encodings import encode_block
from budwood.store.packs import NewBlock, PackSet, pack_key
from budwood.store.receive import Standing, check_pack
from budwood.verbs.house import House
from budwood.verbs.lease import LEASE_MS, PUSHING, Held
from budwood.verbs.quotas import check_bytes
from budwood.verbs.whole_files import Growing, whole_files

INCOMING: Final = "incoming/"
LEAST_PACK_BYTES: Final = 64
_NUMBER: Final = re.compile(r"[0-9]{4,9}")
_TRIES: Final = 3
CAUGHT_UP: Final = 24
"""So many blocks of each file are read again after a pack, if they came before their turn."""


@dataclass(frozen=True, slots=True)
class Visible:
    """``BlockIndex`` of what one namespace sent or holds."""

    catalog: Catalog
    namespace: str

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """See ``BlockIndex.find``."""
        with self.catalog.read() as view:
            return view.find_blocks(ids, reach=frozenset({self.namespace}))


def open_push(house: House, namespace: str, model: str) -> Lease:
    """Raises BadName, NamespaceNotFound, QuotaExceeded."""
    now = house.clock()
    holder = f"{PUSHING}{model_path(namespace, ModelName(model))}"
    lease = Lease(house.ids(), holder, now, now + LEASE_MS, namespace, house.author)

    def work(transaction: Transaction) -> Lease:
        room = existing(transaction, namespace)
        usage = transaction.usage(namespace, now_ms=now) if room.quota.uploads else None
        if usage and usage.open_uploads >= usage.quota.uploads:
            raise QuotaExceeded(
                f"{namespace} has {usage.open_uploads} pushes under way; it may have no more.",
                hint="Wait for one to end. One that was broken off is forgotten after an hour.",
                quota="uploads",
            )
        transaction.take_lease(lease)
        return lease

    return house.catalog.write(work)


def existing(view: View, namespace: str) -> NamespaceRecord:
    """Raises NamespaceNotFound."""
    room = view.namespace(namespace)
    if room is None:
        raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
    return room


def renew(house: House, namespace: str, push: str) -> Lease:
    """Raises LeaseLost."""
    now = house.clock()

    def work(transaction: Transaction) -> Lease:
        lease = live(transaction, house, namespace, push)
        Held.again(house, lease).confirm(transaction, now)
        return replace(lease, expires_ms=now + LEASE_MS)

    return house.catalog.write(work)


def abandon(house: House, namespace: str, push: str) -> None:
    """Nothing happens to a push that has ended."""

    def work(transaction: Transaction) -> None:
        if find_push(transaction, house, namespace, push) is not None:
            transaction.drop_lease(push)

    house.catalog.write(work)
    clear_incoming(house, push)
    whole_files().forget(push)


def find_push(view: View, house: House, namespace: str, push: str) -> Lease | None:
    """A push of this caller to this namespace, while it lives."""
    lease = view.lease(push, now_ms=house.clock())
    if lease is None or (lease.namespace, lease.author) != (namespace, house.author):
        return None
    return lease if lease.holder.startswith(PUSHING) else None


def live(view: View, house: House, namespace: str, push: str) -> Lease:
    """The same. Raises LeaseLost, whether it has ended, never was or is somebody else's."""
    lease = find_push(view, house, namespace, push)
    if lease is None:
        raise LeaseLost("There is no such push under way.")
    return lease


def receive_small(house: House, namespace: str, model: str, content: bytes) -> Lease:
    """Open a push and complete its one pack, which came with the request that will publish it.

    Raises BadParcel, NamespaceNotFound, QuotaExceeded, StorageFull, StorageFailed.
    """
    if len(content) > AT_ONCE_PACK_BYTES:
        raise BadParcel(f"A pack of {len(content)} bytes is sent by itself.", limit="AT_ONCE_PACK_BYTES")
    lease = open_push(house, namespace, model)
    name = f"{lease.id}-0001"
    try:
        begin_pack(house, namespace, lease.id, name, len(content))
        with house.objects.create(pack_key(name)) as writer:
            writer.append([content])
            writer.publish()
        complete_pack(house, namespace, lease.id, name, len(content))
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            abandon(house, namespace, lease.id)
        raise
    finally:
        whole_files().forget(lease.id)
    return lease


def incoming_key(name: str) -> str:
    """Where an object store is sent a pack."""
    return f"{INCOMING}{name}.pack"


def begin_pack(house: House, namespace: str, push: str, name: str, size: int) -> str:
    """An address of the object store's to send the pack to; "" where it is sent through our own door.

    Raises BadParcel, LeaseLost, QuotaExceeded, StorageFailed.
    """
    with house.catalog.read() as view:
        live(view, house, namespace, push)
        _check_name(push, name)
        if not LEAST_PACK_BYTES <= size <= PARCEL_BYTES:
            raise BadParcel(f"A pack of {size} bytes cannot be sent.", limit="PARCEL_BYTES")
        check_bytes(view, namespace, size, now_ms=house.clock())
    if not whole_files().of(push).may_begin(name):
        raise QuotaExceeded("This push has begun packs that it did not complete.", hint="Complete them first.")
    return house.objects.sign("PUT", incoming_key(name), ADDRESS_S) or ""


def complete_pack(house: House, namespace: str, push: str, name: str, size: int) -> int:
    """Check the pack, then keep its blocks; how many it has. The same again is the same.

    Raises BadParcel, LeaseLost, QuotaExceeded, StorageFailed; Damaged when a block of our own is.
    """
    with house.catalog.read() as view:
        live(view, house, namespace, push)
        _check_name(push, name)
    visible, growing = Visible(house.catalog, namespace), whole_files().of(push)
    standing = Standing(house.objects, visible, house.index, checkers(house.threads), house.threads, growing.taste)
    kept_as = _arrived(house, push, name, size)
    if kept_as != name:
        growing.copied.append(incoming_key(name))
    with growing.turn:
        try:
            sent = check_pack(standing, kept_as, size)
        except BadParcel:
            if kept_as != name:
                house.objects.delete(pack_key(kept_as))
            raise
    keeping = _Keeping(house, namespace, push, sent)
    for _ in range(_TRIES):
        rows = keeping.standing_rows()
        if house.catalog.write(partial(keeping.keep, rows=rows)):
            growing.completed(name)
            _catch_up(house, visible, growing)
            return len(sent)
    raise LeaseLost("What these blocks lean on kept changing while they were received.")


def clear_incoming(house: House, push: str) -> None:
    """Delete what a push that has ended no longer needs twice. What stays behind, the next sweep deletes."""
    for key in whole_files().of(push).copied:
        with suppress(BudwoodError):
            house.objects.delete(key)


def _arrived(house: House, push: str, name: str, size: int) -> str:
    """The name under which the pack is to be checked and kept. Raises BadParcel, StorageFailed.

    Each time a copy of its own: two that complete one pack at once must not write below each other's check.
    """
    if house.objects.size(pack_key(name)) is not None:
        return name
    sent = house.objects.size(incoming_key(name))
    if sent is None:
        return name
    if sent != size:
        raise BadParcel(f"The pack has {sent} bytes and not {size}.", pack=name)
    copied = f"{push}-{house.ids()}"
    house.objects.copy(incoming_key(name), pack_key(copied))
    return copied


def _catch_up(house: House, visible: Visible, growing: Growing) -> None:
    """Hash what a file waits for when it is there already: shared with a version, or sent before."""
    reader = house.reader()
    with growing.turn:
        for file in growing.files():
            for _ in range(CAUGHT_UP):
                block = growing.next_of(file)
                row = visible.find([block]).get(block) if block else None
                if row is None or block is None:
                    break
                raw = memoryview(bytearray(row.raw_length))
                reader.read(block, reader.rows([block]), raw)
                growing.taste(block, raw)


@cache
def checkers(threads: int) -> ThreadPoolExecutor:
    """The threads that check packs, for the whole process: their number and memory do not grow with requests."""
    return ThreadPoolExecutor(threads, "budwood-check")


def _check_name(push: str, name: str) -> None:
    lease, _, number = name.rpartition("-")
    if lease != push or not _NUMBER.fullmatch(number):
        raise BadParcel("A pack is named after the push it is sent under.", pack=name[:200])


class _Keeping:
    """Putting the blocks of one checked pack in force."""

    def __init__(self, house: House, namespace: str, push: str, sent: Sequence[BlockRow]) -> None:
        self._house, self._namespace, self._push = house, namespace, push
        self._sent = sent
        self._whole: dict[BlockId, BlockRow] = {}

    def standing_rows(self) -> list[BlockRow]:
        """The rows as they can be put in force.

        Another namespace may have a base in the pack under more differences than its sender knows of; what leans
        on it would then be too deep, and is kept whole. The sender is not told: that would tell what others have.
        """
        with self._house.catalog.read() as view:
            too_deep = self._too_deep(view, self._rows())
        fresh = [row for row in too_deep if row.id not in self._whole]
        self._whole |= self._keep_whole(fresh) if fresh else {}
        return self._rows()

    def keep(self, transaction: Transaction, rows: Sequence[BlockRow]) -> bool:
        """Whether the rows could stand as they are; if not, nothing was changed."""
        now = self._house.clock()
        lease = live(transaction, self._house, self._namespace, self._push)
        if self._too_deep(transaction, rows):
            return False
        Held.again(self._house, lease).confirm(transaction, now)
        ids = [row.id for row in rows]
        held = transaction.find_blocks(ids)
        seen = transaction.find_blocks(ids, reach=frozenset({self._namespace}))
        lengths = {row.id: row.length for row in self._sent}
        proved = {block: lengths[block] for block in held if block not in seen}
        new = [row for row in rows if row.id not in held]
        more = sum(proved.values()) + sum(row.length for row in new)
        check_bytes(transaction, self._namespace, more, now_ms=now)
        if new:
            transaction.add_blocks(new, self._namespace)
        if proved:
            transaction.hold_blocks(self._namespace, proved)
        transaction.stage_blocks(self._push, ids)
        return True

    def _rows(self) -> list[BlockRow]:
        return [self._whole.get(row.id, row) for row in self._sent]

    def _too_deep(self, view: View, rows: Sequence[BlockRow]) -> list[BlockRow]:
        held = view.find_blocks([row.id for row in rows])
        new = [row for row in rows if row.id not in held]
        depths = {row.id: row.depth for row in new}
        outside = {base for row in new for base in row.bases} - depths.keys()
        bases = {block: row.depth for block, row in view.find_blocks(tuple(outside)).items()}
        # A base that was there when the pack was checked may have been swept since: then it is not there at all.
        if gone := outside - bases.keys():
            raise LeaseLost(f"{len(gone)} block(s) that others lean on were swept meanwhile.", blocks=len(gone))
        known = depths | bases
        return [row for row in new if any(known[base] >= row.depth for base in row.bases)]

    def _keep_whole(self, rows: Sequence[BlockRow]) -> dict[BlockId, BlockRow]:
        """The blocks in a pack of our own, without a base."""
        reader = self._house.reader()
        bases = reader.rows({base for row in rows for base in row.bases})
        with PackSet(self._house.objects, lambda: f"{self._push}-{self._house.ids()}") as packs:
            for row in rows:
                raw = memoryview(bytearray(row.raw_length))
                reader.decode(row, bases, raw)
                encoded = encode_block(raw, dtype="")
                packs.add(NewBlock(row.id, row.raw_length, encoded.tag), encoded.parts, encoded.length)
            return {row.id: row for row in packs.finish()}
