"""Who needs which blocks, of very many: which groups, or how many. How little is kept of each is in ``columns``."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId
from budwood.store.api import ID_BYTES
from budwood.verbs.columns import Columns, Found, Numbers, Pairs, each_once, prefixes_in, prefixes_of, ranges, summed
from budwood.verbs.house import House
from budwood.verbs.leaning import leaning_at


class Uses:
    """Which groups need a block. Grows by many blocks of a group at a time; ``settle`` before asking."""

    def __init__(self) -> None:
        self._columns = Columns(each_once)
        self.settle = self._columns.settle

    def add(self, blocks: Iterable[BlockId], group: int) -> None:
        """The group needs these."""
        prefixes = prefixes_of(blocks)
        self._columns.add(Pairs(prefixes, np.full(prefixes.size, group, np.uint32)))

    def add_bases(self, leaning: Sequence[tuple[BlockId, bytes]]) -> None:
        """Who needs one of these blocks needs all whose ids stand behind it. Of what is settled."""
        found = self.of([block for block, _ in leaning])
        counts = np.fromiter((len(bases) // ID_BYTES for _, bases in leaning), np.int64, len(leaning))
        bases = prefixes_in(b"".join(bases for _, bases in leaning))
        places, owners = ranges((np.cumsum(counts) - counts)[found.at], counts[found.at])
        self._columns.add(Pairs(bases[places], found.values[owners]))

    def of(self, blocks: Sequence[BlockId]) -> Found:
        """The groups of each block."""
        return self._columns.find(prefixes_of(blocks))


class Users:
    """How many need a block."""

    def __init__(self) -> None:
        self._columns = Columns(summed)
        self.settle = self._columns.settle

    def add(self, blocks: Iterable[BlockId]) -> None:
        """One more needs these, each of which is named once."""
        prefixes = prefixes_of(blocks)
        self._columns.add(Pairs(prefixes, np.ones(prefixes.size, np.uint32)))

    def of(self, blocks: Collection[BlockId]) -> Numbers:
        """How many need each; 0 for a block that came since."""
        found, counts = self._columns.find(prefixes_of(blocks)), np.zeros(len(blocks), np.int64)
        counts[found.at] = found.values
        return counts


def add_all_bases(house: House, uses: Uses) -> None:
    """Let whoever needs a block need all that it leans on, too: one look at all differences, deepest first."""
    uses.settle()
    for depth in range(DEEPEST, 0, -1):
        for page in leaning_at(house, depth):
            uses.add_bases(page)
        # What leans lies deeper than what it leans on: nothing of this depth was missing in its own pages.
        uses.settle()
