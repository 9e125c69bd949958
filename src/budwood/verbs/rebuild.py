"""rebuild-index: make the block index anew from the packs alone, as after losing the catalog's block table."""

from collections.abc import Sequence
from functools import partial

from budwood.catalog.api import Transaction
from budwood.store.api import BlockRow
from budwood.store.packs import read_footer
from budwood.verbs.house import House
from budwood.verbs.needed import listed_packs


def rebuild_index(house: House) -> int:
    """Add every block of every pack that the catalog does not have; how many packs' blocks there are.

    Rows in force are left as they are: a block that lies in two packs is the same block in both.
    Raises PackDamaged naming the pack that cannot be read, StorageFailed.
    """
    found = 0
    now = house.clock()
    for pack in listed_packs(house):
        rows = read_footer(house.objects, pack)
        found += len(rows)

        house.catalog.write(partial(_add_missing, rows=rows, pack=pack, author=house.author, now=now))
    return found


def _add_missing(transaction: Transaction, *, rows: Sequence[BlockRow], pack: str, author: str, now: int) -> None:
    held = transaction.find_blocks([row.id for row in rows])
    new = [row for row in rows if row.id not in held]
    if new:
        transaction.add_blocks(new)
        transaction.add_ledger(now, author, "index.rebuilt", pack, {"blocks": len(new)})
