"""Rows that travel with work: an index that knows what it was given and asks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.domain.manifest import BlockId
from budwood.store.api import BlockRow


@dataclass(frozen=True, slots=True)
class GivenRows:
    """``BlockIndex`` over a mapping."""

    rows: Mapping[BlockId, BlockRow]

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {block: self.rows[block] for block in ids if block in self.rows}
