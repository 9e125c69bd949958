"""Writing blocks by recipes: each is made of its sources once, with the reader that every pull uses, and compared.

What does not come out equal is written as any other block. A recipe whose first blocks all fail gives way to the next.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from budwood.domain.limits import BLOCK_BYTES, DERIVED_DEPTH
from budwood.domain.manifest import BlockId
from budwood.errors import Archived, Damaged
from budwood.store.api import BlockIndex, BlockRow, depth_on
from budwood.store.cache import CachedRow
from budwood.store.copies import OwnBlocks
from budwood.store.encodings import decode_block
from budwood.store.encodings.derived import gather, read_function, written_function
from budwood.store.encodings.registry import DERIVED
from budwood.store.plan import Piece
from budwood.store.read import BlockReader, Rows
from budwood.store.recipes import BlockRecipe, Recipe
from budwood.store.turning import Turning

SMALLEST: Final = 512
"""A shorter block is stored as it is: its row in the index is larger than what could be won."""
MISSES: Final = 2
"""A recipe of which so many blocks came out otherwise, and none equal, is not tried again."""

Placement = tuple[str, int]
"""The path of a file and the offset of a tensor in it."""
Recipes = Mapping[Placement, Sequence[Recipe]]


@dataclass(frozen=True, slots=True)
class DerivedBlock:
    """A block's body and what it leans on."""

    body: bytes
    sources: tuple[BlockId, ...]


class Deriving:
    """Shared by threads; each has its own buffers."""

    def __init__(self, recipes: Recipes, reader: BlockReader, index: BlockIndex) -> None:
        self._recipes = recipes
        self._own: OwnBlocks | None = None
        self._depths: Mapping[BlockId, int] = {}
        self._reader = reader
        self._index = index
        self._turning = Turning()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._hits: Counter[tuple[Placement, int]] = Counter()
        self._misses: Counter[tuple[Placement, int]] = Counter()

    def add(self, recipes: Recipes, own: OwnBlocks, depths: Mapping[BlockId, int]) -> None:
        """Recipes whose sources are files just written. ``depths`` are those of blocks that were not there before."""
        self._recipes = {
            place: (*self._recipes.get(place, ()), *recipes.get(place, ())) for place in {*self._recipes, *recipes}
        }
        self._own, self._depths = own, depths

    def sources(self, path: str, offset: int, piece: Piece) -> tuple[BlockId, ...]:
        """The blocks that this one may be made of; none when there is no recipe for it."""
        if not self._recipes:
            return ()
        return tuple({block: None for _, recipe in self._proposed((path, offset), piece) for block in recipe.sources})

    def encoded(self, path: str, offset: int, piece: Piece, raw: memoryview) -> DerivedBlock | None:
        """None when there is no recipe, or when it does not give exactly these bytes. Raises StorageFailed."""
        for number, recipe in self._proposed((path, offset), piece) if self._recipes else ():
            made = self._made(recipe, raw)
            with self._lock:
                (self._hits if made else self._misses)[(path, offset), number] += 1
            if made is not None:
                return made
        return None

    def _proposed(self, place: Placement, piece: Piece) -> Iterator[tuple[int, BlockRecipe]]:
        """Numbered; without those that failed."""
        for number, recipe in enumerate(self._recipes.get(place, ()) if piece.length >= SMALLEST else ()):
            if not self._has_failed((place, number)):
                found = recipe.of_block(piece.index * BLOCK_BYTES, piece.length)
                # Of a small block its body may be more than its encoded numbers would be.
                if found is not None and len(written_function(found.function)) <= piece.length // 4:
                    yield number, found

    def _has_failed(self, recipe: tuple[Placement, int]) -> bool:
        with self._lock:
            return self._misses[recipe] >= MISSES and not self._hits[recipe]

    def _made(self, recipe: BlockRecipe, raw: memoryview) -> DerivedBlock | None:
        body, sources = written_function(recipe.function), recipe.sources
        target = self._buffer(len(raw))
        try:
            if self._own is not None and all(source in self._own for source in sources):
                base = self._from_own(self._own, body, sources, len(raw))
            else:
                base = self._from_store(body, sources, len(raw))
            if base is None:
                return None
            decode_block(DERIVED, memoryview(body), base=base, target=target)
        except (Damaged, Archived):
            # Swept meanwhile, damaged, in an archive, or no function after all: kept as any other block.
            return None
        return DerivedBlock(body, sources) if target == raw else None

    def _from_store(self, body: bytes, sources: Sequence[BlockId], raw_length: int) -> memoryview | None:
        """The input; None where the sources may not be leant on. Raises Damaged, StorageFailed."""
        rows = self._reader.rows(sources)
        if not self._may_be_leant_on(sources, rows):
            return None
        block = BlockRow(b"", "", 0, len(body), raw_length, DERIVED, 0, b"".join(sources), DERIVED_DEPTH)
        return self._reader.base_of(block, memoryview(body), rows)

    def _from_own(self, own: OwnBlocks, body: bytes, sources: Sequence[BlockId], raw_length: int) -> memoryview | None:
        """The same, from files that were just written. Raises FileChanged, StorageFailed."""
        held = self._index.find([source for source in sources if source not in self._depths])
        depths = {**{block: row.depth for block, row in held.items()}, **self._depths}
        found = [depths[source] for source in sources if source in depths]
        if len(found) < len(sources) or depth_on(found, is_derived=True) is None:
            return None
        function = read_function(memoryview(body))
        if function.is_tall:
            return self._turning.numbers(function, sources, raw_length, own.raw)
        return gather(memoryview(body), sources, own.raw, lambda length: np.empty(length, np.uint8))

    def _may_be_leant_on(self, sources: Sequence[BlockId], rows: Rows) -> bool:
        """Whether they lie near enough to the ground. Of what is read from a cache only the index says it."""
        if any(isinstance(rows[source], CachedRow) for source in sources):
            rows = self._index.find(sources)
        depths = [rows[source].depth for source in sources if source in rows]
        return len(depths) == len(sources) and depth_on(depths, is_derived=True) is not None

    def _buffer(self, length: int) -> memoryview:
        buffers: dict[str, memoryview] = self._local.__dict__
        if "made" not in buffers:
            buffers["made"] = memoryview(bytearray(BLOCK_BYTES))
        return buffers["made"][:length]
