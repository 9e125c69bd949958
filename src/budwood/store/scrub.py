"""Scrubbing: blocks are decoded and hashed, and those that are not what they claim are named."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import BLOCK_BYTES, DEEPEST
from budwood.domain.manifest import BlockId
from budwood.errors import Archived, Damaged
from budwood.store.api import BlockRow, Objects
from budwood.store.given import GivenRows
from budwood.store.read import BlockReader

PIECE_BYTES: Final = 32 << 20
PIECE_BLOCKS: Final = 1_000
ARCHIVED: Final = "It lies in an archive, or leans on what does."


@dataclass(frozen=True, slots=True)
class Scrub:
    """Blocks to look at, with their rows and those of all they lean on."""

    blocks: tuple[BlockId, ...]
    rows: Mapping[BlockId, BlockRow]

    @property
    def raw_bytes(self) -> int:
        """Decoded."""
        return sum(self.rows[block].raw_length for block in self.blocks)


def scrub(objects: Objects, asked: Scrub) -> Mapping[BlockId, str]:
    """What is wrong with which; ``ARCHIVED`` for what its object store must restore first. Raises StorageFailed when it
    cannot look."""
    reader = BlockReader(objects, GivenRows(asked.rows))
    found = ((block, _wrong(reader, asked.rows, asked.rows[block])) for block in asked.blocks)
    return {block: wrong for block, wrong in found if wrong}


def pieces(todo: Iterable[BlockRow], rows: Mapping[BlockId, BlockRow]) -> Iterator[Scrub]:
    """The work in pieces of some megabytes, blocks that lie side by side together."""
    few: list[BlockRow] = []
    size = 0
    for row in sorted(todo, key=lambda row: (row.pack, row.offset)):
        few.append(row)
        size += row.raw_length
        if size >= PIECE_BYTES or len(few) >= PIECE_BLOCKS:
            yield _piece(few, rows)
            few, size = [], 0
    if few:
        yield _piece(few, rows)


def _piece(few: Sequence[BlockRow], rows: Mapping[BlockId, BlockRow]) -> Scrub:
    wanted = {row.id for row in few}
    found: dict[BlockId, BlockRow] = {}
    for _ in range(DEEPEST + 1):
        found |= {block: rows[block] for block in wanted if block in rows}
        wanted = {base for block in wanted if block in rows for base in rows[block].bases} - found.keys()
    return Scrub(tuple(row.id for row in few), found)


def _wrong(reader: BlockReader, rows: Mapping[BlockId, BlockRow], row: BlockRow) -> str:
    try:
        reader.read(row.id, rows, memoryview(bytearray(min(row.raw_length, BLOCK_BYTES))))
    except KeyError:
        return "The block this one is a difference from is not in the store."
    except Archived:
        return ARCHIVED
    except Damaged as error:
        return error.message
    return ""
