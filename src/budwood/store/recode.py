"""Recoding: blocks are read, encoded anew and given back. Whoever asked packs them, and points at them.

A pure function of the store and of what it is given, for a ``Crew``. What comes back over a network is decoded and
hashed by who asked (``decodes``) before it is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from blake3 import blake3

from budwood.domain.manifest import BlockId
from budwood.errors import Damaged
from budwood.store.api import BlockRow, Objects
from budwood.store.encodings import decode_block, encode_block
from budwood.store.given import GivenRows
from budwood.store.packs import NO_CHECK, NewBlock
from budwood.store.read import BlockReader
from budwood.store.strongest import strongest_block


@dataclass(frozen=True, slots=True)
class Wanted:
    """A block, what it may lean on, and the most bytes with which it is worth writing anew."""

    row: BlockRow
    dtype: str
    base: BlockRow | None
    at_most: int


@dataclass(frozen=True, slots=True)
class Recoding:
    """Some blocks, with their rows and those of all they lean on, and of all they may lean on. ``strongest``: however
    long it takes."""

    wanted: tuple[Wanted, ...]
    rows: Mapping[BlockId, BlockRow]
    strongest: bool = False


@dataclass(frozen=True, slots=True)
class Recoded:
    """A block encoded anew; no ``content`` where that would have more bytes than it is worth."""

    tag: int
    content: bytes


def recode(objects: Objects, asked: Recoding) -> tuple[Recoded | None, ...]:
    """One for each block that is wanted; None for one that cannot be read. Raises StorageFailed."""
    reader = BlockReader(objects, GivenRows(asked.rows))
    return tuple(_recoded(reader, each, strongest=asked.strongest) for each in asked.wanted)


def decodes(reader: BlockReader, new: NewBlock, content: bytes, rows: Mapping[BlockId, BlockRow]) -> bool:
    """Whether it is the block that it is to be. Raises Damaged when what it leans on cannot be read, StorageFailed."""
    row = BlockRow(new.id, "", 0, len(content), new.raw_length, new.encoding, NO_CHECK, new.base, new.depth)
    base = reader.base_of(row, memoryview(content), rows)
    target = memoryview(bytearray(new.raw_length))
    try:
        decode_block(new.encoding, memoryview(content), base=base, target=target)
    except Damaged:
        return False
    return blake3(target).digest() == new.id


def _recoded(reader: BlockReader, wanted: Wanted, *, strongest: bool) -> Recoded | None:
    raw = _read(reader, wanted.row)
    if raw is None:
        return None
    # Without a base that was swept meanwhile, or is damaged, the block is written by itself.
    base = _read(reader, wanted.base) if wanted.base else None
    encode = strongest_block if strongest else encode_block
    encoded = encode(raw, dtype=wanted.dtype, base=base)
    if encoded.length > wanted.at_most:
        return Recoded(encoded.tag, b"")
    return Recoded(encoded.tag, b"".join(encoded.parts))


def _read(reader: BlockReader, row: BlockRow) -> memoryview | None:
    """None when it is not what it was: verify names it, and where it can be had from."""
    raw = memoryview(bytearray(row.raw_length))
    try:
        reader.read(row.id, reader.rows([row.id]), raw)
    except Damaged:
        return None
    return raw
