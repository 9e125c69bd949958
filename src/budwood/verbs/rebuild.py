"""rebuild-index: make the block index anew from the packs alone, as after losing the catalog's block table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from budwood.catalog.api import Transaction
from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId
from budwood.errors import Damaged, PackDamaged, RegistryBusy
from budwood.store.api import BlockRow
from budwood.store.packs import footer_rows
from budwood.verbs.house import House
from budwood.verbs.lease import REBUILDING, SWEEPING, is_held, leased
from budwood.verbs.manifests import load_manifest
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_stored_file,
    every_version,
    file_blocks,
    listed_packs,
    named_blocks,
    with_bases,
)


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
        readable, damaged = _readable(house)
        now = house.clock()
        for depth in range(DEEPEST + 1):
            for pack in (pack for pack, blocks in readable.items() if blocks[depth]):
                rows = [row for row in footer_rows(house.objects, pack) if row.depth == depth]
                house.catalog.write(partial(_add_missing, rows=rows, pack=pack, author=house.author, now=now))
        for version in every_version(house):
            lease.keep_alive()
            # What a damaged version needs nobody can say; verify names it.
            with suppress(Damaged):
                blocks = tuple(with_bases(house.index, named_blocks(version, load_manifest(house, version))))
                house.catalog.write(partial(_give_back, namespace=version.namespace, blocks=blocks))
        for namespace, evidence in every_file_of_evidence(house):
            lease.keep_alive()
            house.catalog.write(partial(_give_back, namespace=namespace, blocks=tuple(attached_blocks(evidence))))
        for file in every_stored_file(house):
            lease.keep_alive()
            # A model's file is a difference from another's, so what it leans on is its own, too.
            blocks = tuple(with_bases(house.index, file_blocks(file)))
            house.catalog.write(partial(_give_back, namespace=file.namespace, blocks=blocks))
        lease.drop()
    if damaged:
        raise PackDamaged(f"{len(damaged)} pack(s) cannot be read; all others are in the index: {damaged[0]}")
    return sum(blocks.total() for blocks in readable.values())


def _readable(house: House) -> tuple[dict[str, Counter[int]], list[str]]:
    """The packs that can be read with the number of their blocks at each depth; what is wrong with the others."""
    readable, damaged = dict[str, Counter[int]](), []
    for pack in listed_packs(house):
        try:
            readable[pack] = Counter(row.depth for row in footer_rows(house.objects, pack))
        except PackDamaged as error:
            damaged.append(error.message)
    return readable, damaged


def _add_missing(transaction: Transaction, *, rows: Sequence[BlockRow], pack: str, author: str, now: int) -> None:
    held = transaction.find_blocks([row.id for row in rows])
    bases = transaction.find_blocks(list({base for row in rows for base in row.bases}))
    new = [row for row in rows if row.id not in held and _stands(row, bases)]
    if new:
        transaction.add_blocks(new)
        transaction.add_ledger(now, author, "index.rebuilt", pack, {"blocks": len(new)})


def _give_back(transaction: Transaction, *, namespace: str, blocks: Sequence[BlockId]) -> None:
    """A pack is whose first version needs it; what later versions of others need of it, those hold."""
    rows = transaction.find_blocks(blocks)
    packs = sorted({row.pack for row in rows.values()})
    transaction.give_packs([pack for pack in packs if not transaction.pack_owner(pack)], namespace)
    seen = transaction.find_blocks(blocks, reach=frozenset({namespace}))
    if proved := {block: row.length for block, row in rows.items() if block not in seen}:
        transaction.hold_blocks(namespace, proved)


def _stands(row: BlockRow, bases: Mapping[BlockId, BlockRow]) -> bool:
    """Whether all that the block leans on is there and nearer to the ground."""
    return all(base in bases and bases[base].depth < row.depth for base in row.bases)
