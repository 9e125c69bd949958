"""Puts new ledger entries into the tree and signs its state: one at a time, whoever asks, under the catalog's writer.

Before anything is added, the last checkpoint is checked against the tiles at the tree's right edge and the leaves
below them. What does not fit stops it: a log must never sign what contradicts what it signed before.
"""

from collections.abc import Callable
from typing import Final

from budwood.catalog.api import Catalog, Transaction, View
from budwood.catalog.ledger_api import KeptCheckpoint, KeptLeaf
from budwood.domain.limits import PAGE_ROWS, SEQUENCED_AT_ONCE, THINNED_AT_ONCE
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint
from budwood.domain.tree.hashes import HASH_BYTES, Frontier, leaf_hash
from budwood.domain.tree.note import Note, sign_note
from budwood.domain.tree.proofs import frontier_at
from budwood.domain.tree.thinning import HOUR_MS, Dated, spare
from budwood.domain.tree.tiles import TILE_WIDTH, ReadTile, TilePlace, grow
from budwood.errors import LedgerDamaged
from budwood.govern.log_key import LogKey, check, own_key

THINNED: Final = "ledger-thinned"
"""When old checkpoints were last let go, in milliseconds."""
SIGNED_BY: Final = "\n— ".encode()
"""What begins each line of a signature."""


def sequence(catalog: Catalog, clock: Callable[[], int]) -> KeptCheckpoint | None:
    """Bring the tree up to the entry that is the newest now; the newest checkpoint, None while there is no entry.

    What is written meanwhile waits for the next time: where many write there always is some, and to follow it took the
    writer a third of its time. Raises LedgerDamaged, CatalogDamaged, FrameworkMissing, and what the catalog raises.
    """
    with catalog.read() as view:
        newest, count = view.checkpoint(), view.leaf_count()
    if count != (newest.size if newest else 0):
        newest = _brought_to(count, catalog, clock)
    if newest is not None:
        _thin(catalog, clock())
    return newest


def tiles_of(view: View) -> ReadTile:
    """Reads tiles; a partial one is the beginning of what it has become since."""
    return lambda place: view.tile(place.level, place.index)[: place.width * HASH_BYTES]


def trusted(view: View, newest: KeptCheckpoint | None, key: LogKey) -> Frontier:
    """The right edge of the tree that the newest checkpoint signed. Raises LedgerDamaged."""
    if newest is None:
        return Frontier()
    try:
        signed, _ = open_checkpoint(newest.note, key.public, check)
    except ValueError as error:
        raise damaged("The newest checkpoint was not signed by this ledger's key.", 0) from error
    count = view.leaf_count()
    if count < newest.size:
        raise damaged(f"The ledger ends after {count} entries; {newest.size} were signed.", count)
    _check_edge(view, newest.size)
    try:
        frontier = frontier_at(newest.size, tiles_of(view))
    except ValueError as error:
        raise damaged(f"The ledger's tiles cannot be read: {error}.", 0) from error
    if signed.size != newest.size or frontier.root() != signed.root:
        raise damaged("The ledger's tiles do not give the root that was signed.", 0)
    return frontier


def damaged(message: str, index: int) -> LedgerDamaged:
    """It names the index of the first entry that is not what was signed, as far as is known."""
    return LedgerDamaged(message, first_bad=index)


def _brought_to(count: int, catalog: Catalog, clock: Callable[[], int]) -> KeptCheckpoint:
    while True:
        newest = catalog.write(lambda transaction: _step(transaction, clock()))
        if newest.size >= count:
            return newest


def _step(transaction: Transaction, at_ms: int) -> KeptCheckpoint:
    """The checkpoint that is then the newest; some other process may have made it meanwhile."""
    key, newest = own_key(transaction), transaction.checkpoint()
    frontier = trusted(transaction, newest, key)
    hashes = [leaf_hash(each.leaf) for each in _next_leaves(transaction, frontier.size)]
    if not hashes:
        assert newest is not None, "it is only asked where there are entries"
        return newest
    for tile in grow(frontier.size, hashes, tiles_of(transaction)):
        transaction.put_tile(tile.place.level, tile.place.index, tile.body)
    after = frontier.extend(hashes)
    text = Checkpoint(key.public.name, after.size, after.root()).text
    note = sign_note(Note(text), key.public, key.sign)
    made = KeptCheckpoint(after.size, note.encode(), at_ms)
    transaction.add_checkpoint(made)
    return made


def _thin(catalog: Catalog, now_ms: int) -> None:
    """Let old checkpoints go, an hour after it was last done."""
    with catalog.read() as view:
        last = view.meta(THINNED)
    if last.isdigit() and now_ms - int(last) < HOUR_MS:
        return

    def work(transaction: Transaction) -> int:
        found: list[Dated] = []
        while len(found) < THINNED_AT_ONCE:
            after = found[-1].size if found else 0
            page = transaction.checkpoints(after=after, limit=PAGE_ROWS)
            if not page:
                break
            found += (Dated(each.size, each.at_ms, each.note.count(SIGNED_BY) > 1) for each in page)
        gone = spare(found, now_ms)
        transaction.forget_checkpoints(gone)
        if len(found) < THINNED_AT_ONCE or not gone:
            transaction.set_meta(THINNED, str(now_ms))
            return 0
        return len(gone)

    while catalog.write(work):
        pass


def _next_leaves(view: View, size: int) -> list[KeptLeaf]:
    found: list[KeptLeaf] = []
    while len(found) < SEQUENCED_AT_ONCE:
        page = view.leaves(after=size + len(found), limit=PAGE_ROWS)
        if not page:
            break
        for each in page:
            if each.sequence != size + len(found) + 1:
                raise damaged(f"There is no entry {size + len(found) + 1} in the ledger.", size + len(found))
            found.append(each)
    return found


def _check_edge(view: View, size: int) -> None:
    """The leaves of the last tile are those that were hashed."""
    index = (size - 1) // TILE_WIDTH
    first, width = index * TILE_WIDTH, size - index * TILE_WIDTH
    body = tiles_of(view)(TilePlace(0, index, width))
    leaves = {each.sequence: each.leaf for each in view.leaves(after=first, limit=width)}
    for number in range(width):
        leaf = leaves.get(first + number + 1)
        if leaf is None or leaf_hash(leaf) != body[number * HASH_BYTES : (number + 1) * HASH_BYTES]:
            raise damaged(f"Entry {first + number + 1} of the ledger is not what was signed.", first + number)
