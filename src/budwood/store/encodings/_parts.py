"""Encoded bytes that lie in several buffers, read as if they were one: a block is checked as it will be written."""

from collections.abc import Sequence
from itertools import accumulate

from budwood.store.api import Buffer


class Parts:
    """The buffers one after the other. What a slice takes from one of them is not copied."""

    def __init__(self, parts: Sequence[Buffer]) -> None:
        self._views = [memoryview(part).cast("B") for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._views)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, wanted: slice) -> memoryview:
        start, stop, _ = wanted.indices(len(self))
        found = [
            view[max(start - end + len(view), 0) : stop - end + len(view)]
            for view, end in zip(self._views, self._ends, strict=True)
            if start < end and stop > end - len(view)
        ]
        return found[0] if len(found) == 1 else memoryview(b"".join(found))


Written = memoryview | Parts
"""Encoded bytes: of a pack, or as they are about to be written there."""
