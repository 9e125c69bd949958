"""mend: damaged and missing blocks put back, wherever the same bytes can still be had.

Copies are other packs of the store that hold the block (work on tiers and sweeps leave the old ones a while), and the
packs of a backup. What comes out of a copy is named by its BLAKE3 like everything else, so a wrong copy mends nothing.
A mended block is written whole into a new pack, and pointed at in one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from budwood.catalog.api import Transaction
from budwood.domain.batches import batched
from budwood.domain.limits import BLOCK_BYTES, TIER_ROWS
from budwood.domain.manifest import BlockId
from budwood.domain.results import Problem, Verified
from budwood.errors import Archived, Damaged, NoBackup
from budwood.store.api import BlockIndex, BlockRow, Objects, Progress
from budwood.store.backup_packs import BackedUpObjects
from budwood.store.encodings import encode_block
from budwood.store.packs import NewBlock, PackSet, footer_rows
from budwood.store.read import BlockReader
from budwood.verbs.house import House
from budwood.verbs.lease import Held, leased
from budwood.verbs.needed import listed_packs
from budwood.verbs.verify import Wrong, verify, wrong_blocks


def verify_and_mend(
    house: House, *, read_data: bool = False, backup: Path | None = None, progress: Progress = lambda _: None
) -> Verified:
    """What ``verify`` finds afterwards; ``mended`` tells what was put back, and for which versions.

    ``backup`` is the folder of a backup. Raises NoBackup, StorageFull, StorageFailed.
    """
    copies = _copy_of(house, backup)
    wrong = wrong_blocks(house, read_data=read_data, progress=progress)
    # What is mended may be what others lean on: as long as something could be, look again.
    mended: list[Problem] = []
    while wrong and (put_back := _mend(house, wrong, copies)):
        mended += put_back
        wrong = wrong_blocks(house, read_data=read_data, progress=progress)
    found = verify(house, read_data=read_data, progress=progress)
    return Verified(
        found.versions, found.blocks, found.packs, found.bytes_read, found.seconds, found.problems, tuple(mended)
    )


def _copy_of(house: House, backup: Path | None) -> BackedUpObjects | None:
    if backup is None:
        return None
    if not (backup / "packs").is_dir():
        raise NoBackup(f"There is no backup in {backup}.", path=str(backup))
    return BackedUpObjects(backup / "packs", house.objects)


@dataclass(slots=True)
class _Copies:
    """Rows of damaged blocks that lie elsewhere, as those packs themselves say. ``BlockIndex``: what is whole is read
    where it is in force, what is damaged from its first copy."""

    index: BlockIndex
    rows: dict[BlockId, list[BlockRow]] = field(default_factory=dict)

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        copied = {block: self.rows[block][0] for block in ids if self.rows.get(block)}
        return {**self.index.find([block for block in ids if block not in copied]), **copied}


def _mend(house: House, wrong: Mapping[BlockId, Wrong], copy: BackedUpObjects | None) -> list[Problem]:
    """Put back what can be; what was."""
    sources = [_copies(house, wrong, house.objects, listed_packs(house), skip_own=True)]
    if copy is not None:
        sources.append(_copies(house, wrong, copy, copy.packs(), skip_own=False))
    done: list[Problem] = []
    with leased(house, "mend") as lease:
        for few in batched(sorted(wrong), TIER_ROWS):
            done += _put_back(house, lease, {block: wrong[block] for block in few}, sources)
        lease.drop()
    return done


def _copies(
    house: House, wrong: Mapping[BlockId, Wrong], objects: Objects, packs: Iterable[str], *, skip_own: bool
) -> tuple[BlockReader, _Copies]:
    copies = _Copies(house.index)
    for pack in packs:
        with suppress(Damaged, Archived):
            for row in footer_rows(objects, pack):
                there = wrong.get(row.id)
                if there is not None and not (skip_own and row == there.row):
                    copies.rows.setdefault(row.id, []).append(row)
    return BlockReader(objects, copies), copies


def _put_back(
    house: House,
    lease: Held,
    wrong: Mapping[BlockId, Wrong],
    sources: Sequence[tuple[BlockReader, _Copies]],
) -> list[Problem]:
    owners: dict[str, PackSet] = {}
    raw = memoryview(bytearray(BLOCK_BYTES))
    found: dict[BlockId, Wrong] = {}
    fresh: dict[str, Sequence[BlockRow]] = {}
    try:
        for block, each in wrong.items():
            whole = _whole(block, sources, raw)
            if whole is None:
                continue
            with house.catalog.read() as view:
                owner = (view.pack_owner(each.row.pack) if each.row else "") or each.namespace
            if owner not in owners:
                owners[owner] = PackSet(house.objects, lease.new_pack_name).__enter__()
            encoded = encode_block(whole, dtype="")
            new = NewBlock(block, len(whole), encoded.tag, is_manifest=bool(each.row and each.row.is_manifest))
            owners[owner].add(new, encoded.parts, encoded.length)
            found[block] = each
        fresh = {owner: tuple(packs.finish()) for owner, packs in owners.items()}
    finally:
        for packs in owners.values():
            packs.__exit__(None, None, None)
    if not found:
        return []
    put = house.catalog.write(partial(_point, house=house, lease=lease, fresh=fresh, wrong=found, now=house.clock()))
    return [Problem("mended", f"{found[block].reason} (block {block.hex()[:16]})", found[block].versions)
            for block in put]  # fmt: skip


def _whole(block: BlockId, sources: Sequence[tuple[BlockReader, _Copies]], raw: memoryview) -> memoryview | None:
    """The block's bytes from any copy that has them whole."""
    for reader, copies in sources:
        for row in copies.rows.get(block, ()):
            with suppress(Damaged, Archived):
                rows = {**reader.rows(row.bases), block: row} if row.bases else {block: row}
                reader.read(block, rows, raw[: row.raw_length])
                return raw[: row.raw_length]
    return None


def _point(
    transaction: Transaction,
    house: House,
    lease: Held,
    fresh: Mapping[str, Sequence[BlockRow]],
    wrong: Mapping[BlockId, Wrong],
    now: int,
) -> list[BlockId]:
    """A whole block may take any block's place, as long as that is the one that was looked at."""
    lease.confirm(transaction, now)
    put: list[BlockId] = []
    for owner, rows in fresh.items():
        held = transaction.find_blocks([row.id for row in rows])
        moved = [row for row in rows if held.get(row.id) == wrong[row.id].row]
        transaction.add_blocks(moved, owner)
        put += [row.id for row in moved]
    transaction.add_ledger(now, house.author, "blocks.mended", "registry", {"blocks": len(put)})
    return put
