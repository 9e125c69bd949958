"""Finding the block a new block may be stored as a difference from.

A candidate is a version; its tensors are looked up by name and dtype, and a block's base is the block at the
same index of that tensor. Appended rows therefore keep the bases of the rows before them. Chains stay short:
a base that is itself at full depth is replaced by its own base, which is nearly as close (12 % more bytes,
2.3 times faster restore at depth 5; shared measurements in design/accepted).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import CHAIN_DEPTH, DERIVED_DEPTH
from budwood.domain.manifest import BlockId, Manifest, Span
from budwood.store.api import BlockIndex, BlockRow

# Wrappers put around the same tensors by trainers and exporters; leaving them out lets their tensors meet.
_WRAPPERS: Final = re.compile(r"^(?:module\.|_orig_mod\.|base_model\.model\.|model_state_dict\.|state_dict\.|model\.)+")


def tensor_key(name: str, dtype: str) -> tuple[str, str]:
    """What makes two tensors of different files the same one for the purpose of differences."""
    return _WRAPPERS.sub("", name), dtype


@dataclass(frozen=True, slots=True)
class Bases:
    """The tensors of the chosen base version, by key; empty when there is none."""

    spans: Mapping[tuple[str, str], Span]

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> "Bases":
        """Earlier manifests win over later ones."""
        spans: dict[tuple[str, str], Span] = {}
        for manifest in manifests:
            for entry in manifest.files:
                for span in entry.tensors:
                    spans.setdefault(tensor_key(span.name, span.dtype), span)
        return cls(spans)

    def block(self, name: str, dtype: str, index: int, length: int) -> BlockId | None:
        """The id of the base block, or None when no tensor of that name has a block of that length there."""
        span = self.spans.get(tensor_key(name, dtype)) if name else None
        if span is None or index >= len(span.blocks):
            return None
        lengths = tuple(span.block_lengths())
        return span.blocks[index] if lengths[index] == length else None


def anchored(row: BlockRow, index: BlockIndex) -> BlockRow | None:
    """The row itself, or the ancestor that keeps a new difference within ``CHAIN_DEPTH``. From a derived block, which
    lies as deep as it may, one difference is allowed."""
    while row.depth >= CHAIN_DEPTH and row.depth != DERIVED_DEPTH:
        found = index.find([row.base]).get(row.base)
        if found is None:
            return None
        row = found
    return row
