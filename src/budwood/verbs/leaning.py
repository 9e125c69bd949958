"""From marked blocks to what they lean on, and to what leans on them: one look at all differences, by depth.

What leans lies deeper than what it leans on, so each depth is looked at once.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId
from budwood.store.api import bases_in
from budwood.verbs.house import House
from budwood.verbs.marked import Marked

AT_ONCE: Final = 20_000


def leaning_at(house: House, depth: int) -> Iterator[Sequence[tuple[BlockId, bytes]]]:
    """The blocks that lie so deep, each with its bases, page by page."""
    after = b""
    while True:
        with house.catalog.read() as view:
            page = view.leaning(depth, after=after, limit=AT_ONCE)
        if not page:
            return
        yield page
        after = page[-1][0]


def deepest_first(house: House) -> Iterator[Sequence[tuple[BlockId, bytes]]]:
    """All that lean, each with its bases, page by page: what leans on a block comes before it."""
    for depth in range(DEEPEST, 0, -1):
        yield from leaning_at(house, depth)


def mark_bases(house: House, marked: Marked) -> None:
    """What marked blocks lean on, however far."""
    for page in deepest_first(house):
        leans = marked.has([block for block, _ in page])
        marked.add(base for (_, bases), does in zip(page, leans, strict=True) if does for base in bases_in(bases))


def mark_leaning(house: House, marked: Marked) -> None:
    """What leans on marked blocks, however far."""
    for depth in range(1, DEEPEST + 1):
        for page in leaning_at(house, depth):
            leans = [(block, base) for block, bases in page for base in bases_in(bases)]
            is_marked = marked.has([base for _, base in leans])
            marked.add(block for (block, _), is_one in zip(leans, is_marked, strict=True) if is_one)
