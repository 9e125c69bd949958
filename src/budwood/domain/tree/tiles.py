"""Tiles: the tree kept as files of at most 256 hashes (C2SP tlog-tiles).

A tile at level 0 holds leaf hashes; each hash at level L + 1 is the root of a full tile at level L. Levels between
are computed. A full tile never changes again; only the last one of each level is partial, and its width is part of
its path, so whoever has a path may keep what it led to for ever.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import LEDGER_ENTRIES
from budwood.domain.tree.hashes import HASH_BYTES, perfect_root

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
LEVELS: Final = 8
"""A tree of ``LEDGER_ENTRIES`` leaves has tiles at fewer levels than this."""


@dataclass(frozen=True, slots=True, order=True)
class TilePlace:
    """Where a tile lies, and how many hashes it holds."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (0 <= self.level < LEVELS and 0 <= self.index < LEDGER_ENTRIES and 1 <= self.width <= TILE_WIDTH):
            raise ValueError("a tile lies outside every tree")

    @property
    def path(self) -> str:
        """``tile/0/x001/x234/067.p/5``; without the last part when the tile is full."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{'/'.join(reversed(groups))}{partial}"


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile with its bytes: the hashes, one after the other."""

    place: TilePlace
    body: bytes

    def __post_init__(self) -> None:
        split_tile(self.place, self.body)


ReadTile = Callable[[TilePlace], bytes]
"""Gives the bytes of a tile; a full one may be read where a partial one was written."""

_PATH: Final = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


def parse_tile_path(path: str) -> TilePlace:
    """The inverse of ``TilePlace.path``. Raises ValueError for every other text."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError("not the path of a tile")
    level, index, width = found.groups()
    place = TilePlace(int(level), int(re.sub("[x/]", "", index)), int(width or TILE_WIDTH))
    if place.path != path:
        raise ValueError("not the path of a tile in its shortest form")
    return place


def split_tile(place: TilePlace, body: bytes) -> list[bytes]:
    """The hashes of a tile. Raises ValueError when there are more or fewer than its place says."""
    if len(body) != place.width * HASH_BYTES:
        raise ValueError(f"{place.path} has {len(body)} bytes, not {place.width * HASH_BYTES}")
    return [body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES)]


def places_of(size: int) -> Iterator[TilePlace]:
    """Every tile of a tree, level by level."""
    for level in range(LEVELS):
        full, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
        yield from (TilePlace(level, index) for index in range(full))
        if width:
            yield TilePlace(level, full, width)


def place_at(level: int, index: int, size: int) -> TilePlace:
    """The tile of a tree at this level and index. Raises ValueError when the tree has none there."""
    hashes = (size >> TILE_HEIGHT * level) - index * TILE_WIDTH
    return TilePlace(level, index, min(hashes, TILE_WIDTH))


def grow(size: int, leaves: Sequence[bytes], read: ReadTile) -> Iterator[Tile]:
    """The tiles that a tree of ``size`` leaves gains by these leaf hashes: full ones, and the new partial edge.

    Reads the partial tiles of the old edge, one a level.
    """
    added: Sequence[bytes] = leaves
    for level in range(LEVELS):
        if not added:
            return
        first, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
        place = TilePlace(level, first, width) if width else None
        row = [*(split_tile(place, read(place)) if place else ()), *added]
        parts = [row[at : at + TILE_WIDTH] for at in range(0, len(row), TILE_WIDTH)]
        yield from (
            Tile(TilePlace(level, first + number, len(part)), b"".join(part)) for number, part in enumerate(parts)
        )
        added = [perfect_root(part) for part in parts if len(part) == TILE_WIDTH]
    assert not added, "the tree is larger than LEDGER_ENTRIES"
