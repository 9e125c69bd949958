"""Where the bytes of blocks can be read: an address for each pack, signed by the object store or by our own door.

A caller who may read a namespace sees the blocks it sent or holds. Those in its own packs are given as they lie
there. One that lies in somebody else's pack, or that is a difference from a block out of sight, is served by our door
as its file has it, in a pack of its own that is nowhere: ``block.`` and its id.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from budwood.catalog.api import View
from budwood.catalog.people_api import Reach
from budwood.domain.limits import ADDRESS_S, FIND_BLOCKS
from budwood.domain.manifest import BlockId
from budwood.domain.transfers import FoundBlock, FoundBlocks, PackAddress
from budwood.errors import BlockDamaged, LimitExceeded, NotFound
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import RAW
from budwood.store.packs import NO_CHECK, pack_key
from budwood.verbs.house import House

ALONE: Final = "block."


class Door(Protocol):
    """The server's own door for bytes: it gives signed addresses and honours them."""

    def to_pack(self, pack: str, expires_ms: int) -> str:
        """At which ranges of a pack can be read."""

    def to_block(self, block: BlockId, expires_ms: int) -> str:
        """At which one block can be read as its file has it."""

    def for_pack(self, pack: str, size: int, expires_ms: int) -> str:
        """To which one pack of exactly so many bytes can be sent."""


def locate(house: House, ids: Sequence[BlockId], reach: Reach, door: Door) -> FoundBlocks:
    """Those of the blocks that can be seen within reach. The house is that of the whole registry.

    Raises LimitExceeded, StorageFailed.
    """
    if len(ids) > FIND_BLOCKS:
        raise LimitExceeded(f"{len(ids)} blocks asked for at once.", limit="FIND_BLOCKS")
    expires_ms = house.clock() + ADDRESS_S * 1000
    with house.catalog.read() as view:
        rows = view.find_blocks(ids, reach=reach)
        own = _own_packs(view, rows, reach)
        bases = view.find_blocks(tuple({base for row in rows.values() for base in row.bases}), reach=reach)
    blocks, packs = [], {}
    for row in rows.values():
        as_it_lies = row.pack in own and all(base in bases for base in row.bases)
        found = _as_it_lies(row) if as_it_lies else _alone(row)
        if found.pack not in packs:
            address = _address(house, row.pack, door, expires_ms) if as_it_lies else door.to_block(row.id, expires_ms)
            packs[found.pack] = PackAddress(found.pack, address, expires_ms)
        blocks.append(found)
    return FoundBlocks(tuple(blocks), tuple(packs.values()))


def raw_block(house: House, block: BlockId) -> bytes:
    """One block as its file has it. Who has a signed address may read it. Raises NotFound, Damaged."""
    reader = house.reader()
    try:
        rows = reader.rows([block])
    except BlockDamaged as error:
        raise NotFound("There is no such block.") from error
    raw = bytearray(rows[block].raw_length)
    reader.read(block, rows, memoryview(raw))
    return bytes(raw)


def _own_packs(view: View, rows: Mapping[BlockId, BlockRow], reach: Reach) -> set[str]:
    packs = {row.pack for row in rows.values()}
    return packs if reach is None else {pack for pack in packs if view.pack_owner(pack) in reach}


def _as_it_lies(row: BlockRow) -> FoundBlock:
    return FoundBlock(
        row.id, row.pack, row.offset, row.length, row.raw_length, row.encoding, row.check, row.base, row.depth
    )


def _alone(row: BlockRow) -> FoundBlock:
    return FoundBlock(row.id, ALONE + row.id.hex(), 0, row.raw_length, row.raw_length, RAW, NO_CHECK)


def _address(house: House, pack: str, door: Door, expires_ms: int) -> str:
    return house.objects.sign("GET", pack_key(pack), ADDRESS_S) or door.to_pack(pack, expires_ms)
