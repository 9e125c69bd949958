"""rebuild-index: make the block index anew from the packs alone, as after losing the catalog's block table.

The ids in force are read once, in order, and known by sixteen of their bytes from then on; what a pack lists and is not
among them is lost. Lost rows are put back by ten thousand, sorted, whichever packs they lie in: beside ten million
others, that takes seven tenths of the time of a thousand each. Only whoever needs what was put back is looked at again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.batches import batched
from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId
from budwood.errors import Archived, Damaged, PackDamaged, RegistryBusy
from budwood.store.api import BlockRow
from budwood.store.packs import footer_rows
from budwood.verbs.house import House
from budwood.verbs.leaning import mark_leaning
from budwood.verbs.lease import REBUILDING, SWEEPING, Held, is_held, leased
from budwood.verbs.manifests import load_manifest
from budwood.verbs.marked import PREFIX_BYTES, Marked
from budwood.verbs.needed import (
    ROWS,
    attached_blocks,
    every_file_of_evidence,
    every_stored_file,
    every_version,
    file_blocks,
    listed_packs,
    named_blocks,
    with_bases,
)

AT_ONCE: Final = 10_000
"""Rows put back in one transaction. Others wait for it: for fifty thousand, on a busy disk, longer than ``BUSY_S``."""
UNFINISHED: Final = "rebuild-unfinished"
"""What is set while rows are back and whose they are is not yet."""


def rebuild_index(house: House) -> int:
    """Add every block of every pack that the catalog does not have; how many blocks the packs hold.

    Rows in force are left as they are: a block that lies in two packs is the same block in both. Whole blocks come
    first, then the differences whose base is in force, so that nothing is named that could not be decoded.
    Raises RegistryBusy beside a sweep; PackDamaged naming the packs that cannot be read, once the others are in;
    StorageFailed.
    """
    with leased(house, REBUILDING) as lease:
        if is_held(house, SWEEPING):
            raise RegistryBusy("A sweep is deleting packs.", hint="Try again when it is done, in ten minutes at most.")
        with house.catalog.read() as view:
            was_interrupted = bool(view.meta(UNFINISHED))
        readable, damaged = _readable(house, lease)
        added = _put_back(house, lease, readable)
        if was_interrupted or len(added):
            mark_leaning(house, added)
            _give_all_back(house, lease, None if was_interrupted else added)
        lease.drop()
    if damaged:
        raise PackDamaged(f"{len(damaged)} pack(s) cannot be read; all others are in the index: {damaged[0]}")
    return sum(blocks.total() for blocks in readable.values())


def _readable(house: House, lease: Held) -> tuple[dict[str, Counter[int]], list[str]]:
    """The packs that can be read with the number of their blocks at each depth; what is wrong with the others."""
    readable, damaged = dict[str, Counter[int]](), []
    for pack in listed_packs(house):
        lease.keep_alive()
        try:
            readable[pack] = footer_rows(house.objects, pack).depths()
        except (PackDamaged, Archived) as error:
            damaged.append(error.message)
    return readable, damaged


# Rows


class _InForce:
    """The ids that have a row, known by sixteen of their bytes: no two that differ agree in as many."""

    def __init__(self, house: House) -> None:
        self._first, self._second = Marked(), Marked()
        after = b""
        while True:
            with house.catalog.read() as view:
                page = view.block_ids(after=after, limit=ROWS)
            if not page:
                return
            self._first.add(page)
            self._second.add(block[PREFIX_BYTES:] for block in page)
            after = page[-1]

    def without(self, rows: Sequence[BlockRow]) -> Iterator[BlockRow]:
        """Those that have none."""
        first = self._first.has([row.id for row in rows])
        second = self._second.has([row.id[PREFIX_BYTES:] for row in rows])
        return (row for row, *known in zip(rows, first, second, strict=True) if not all(known))


def _put_back(house: House, lease: Held, readable: Mapping[str, Counter[int]]) -> Marked:
    """The blocks that have a row again."""
    known, added, now = _InForce(house), Marked(), house.clock()
    for depth in range(DEEPEST + 1):
        packs = [pack for pack, blocks in readable.items() if blocks[depth]]
        for rows in batched(_lost(house, packs, depth, known), AT_ONCE):
            lease.keep_alive()
            added.add(house.catalog.write(partial(_add_missing, rows=rows, author=house.author, now=now)))
    return added


def _lost(house: House, packs: Iterable[str], depth: int, known: _InForce) -> Iterator[BlockRow]:
    """What the packs list at that depth and the catalog does not have."""
    for pack in packs:
        for few in batched(footer_rows(house.objects, pack), ROWS):
            yield from known.without([row for row in few if row.depth == depth])


def _add_missing(transaction: Transaction, *, rows: Sequence[BlockRow], author: str, now: int) -> list[BlockId]:
    """Of what lies in two packs the first counts."""
    lost = {row.id: row for row in reversed(rows)}
    held = transaction.find_blocks(list(lost))
    bases = transaction.find_blocks(list({base for row in rows for base in row.bases}))
    new = [row for row in lost.values() if row.id not in held and _stands(row, bases)]
    if new:
        transaction.add_blocks(new)
        transaction.set_meta(UNFINISHED, "yes")
    for pack, blocks in sorted(Counter(row.pack for row in new).items()):
        transaction.add_ledger(now, author, "index.rebuilt", pack, {"blocks": blocks})
    return [row.id for row in new]


def _stands(row: BlockRow, bases: Mapping[BlockId, BlockRow]) -> bool:
    """Whether all that the block leans on is there and nearer to the ground."""
    return all(base in bases and bases[base].depth < row.depth for base in row.bases)


# Whose they are


@dataclass(frozen=True, slots=True)
class _User:
    """A namespace, and blocks that something of it is made of."""

    namespace: str
    blocks: Set[BlockId]
    leans: bool = True
    """Whether what they lean on is its own, too: a model's file is a difference from another's."""


def _users(house: House) -> Iterator[_User]:
    for version in every_version(house):
        # What a damaged version needs nobody can say; verify names it.
        with suppress(Damaged):
            yield _User(version.namespace, named_blocks(version, load_manifest(house, version)))
    for namespace, evidence in every_file_of_evidence(house):
        yield _User(namespace, attached_blocks(evidence), leans=False)
    for file in every_stored_file(house):
        yield _User(file.namespace, file_blocks(file))


def _give_all_back(house: House, lease: Held, added: Marked | None) -> None:
    """To everybody who needs any of what was added; None: to all."""
    for user in _users(house):
        lease.keep_alive()
        if added is None or any(added.has(tuple(user.blocks))):
            blocks = tuple(with_bases(house.index, user.blocks) if user.leans else user.blocks)
            house.catalog.write(partial(_give_back, namespace=user.namespace, blocks=blocks))
    house.catalog.write(lambda transaction: transaction.set_meta(UNFINISHED, ""))


def _give_back(transaction: Transaction, *, namespace: str, blocks: Sequence[BlockId]) -> None:
    """A pack is whose first version needs it; what later versions of others need of it, those hold."""
    rows = transaction.find_blocks(blocks)
    packs = sorted({row.pack for row in rows.values()})
    transaction.give_packs([pack for pack in packs if not transaction.pack_owner(pack)], namespace)
    seen = transaction.find_blocks(blocks, reach=frozenset({namespace}))
    if proved := {block: row.length for block, row in rows.items() if block not in seen}:
        transaction.hold_blocks(namespace, proved)
