"""Which version to lean on when chains from the nearest one are full.

A difference from a block at full depth is written from that block's own base instead (``store/bases.py``). Then every
later version leans on that old one, and is ever farther from it. A version on the ground that promises nearly as much
is the better base: what leans on it has room above, and the next versions lean on this one.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from budwood.domain.limits import CHAIN_DEPTH
from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.records import VersionRecord
from budwood.errors import Damaged
from budwood.store.read import Rows
from budwood.verbs.workplace import Reads

NEARLY: Final = 1.06
"""How much more a difference from the ground may keep than one from where the chain would lead."""
SAMPLED: Final = 16
LOOKED_AT: Final = 8

Promised = tuple[float, VersionRecord]
ManifestOf = Callable[[VersionRecord], Manifest | None]


def with_room_above(place: Reads, ranked: Sequence[Promised], manifest_of: ManifestOf) -> VersionRecord:
    """The first of these versions, best first, or one on the ground."""
    best = ranked[0][1]
    rows, ids = _sample(place, manifest_of(best))
    full = [rows[block].base for block in ids if rows[block].depth == CHAIN_DEPTH]
    if 2 * len(full) <= len(ids):
        return best
    others = [
        (promise, each, manifest) for promise, each in ranked[1 : 1 + LOOKED_AT] if (manifest := manifest_of(each))
    ]
    anchor = max(others, key=lambda other: _held(other[2], full), default=None)
    if anchor is None or not _held(anchor[2], full):
        return best
    for promise, each, manifest in others:
        if promise <= NEARLY * anchor[0] and _lies_on_ground(place, manifest):
            return each
    return best


def _sample(place: Reads, manifest: Manifest | None) -> tuple[Rows, list[BlockId]]:
    """Some of the blocks of its largest tensors, and their rows; none when they cannot be read."""
    spans = [span for entry in manifest.files for span in entry.tensors] if manifest else []
    largest = sorted(spans, key=lambda span: -span.length)[:SAMPLED]
    ids = list(islice(dict.fromkeys(span.blocks[len(span.blocks) // 2] for span in largest if span.blocks), SAMPLED))
    try:
        return place.reader().rows(ids), ids
    except Damaged:
        return {}, []


def _lies_on_ground(place: Reads, manifest: Manifest) -> bool:
    rows, ids = _sample(place, manifest)
    depths = Counter(rows[block].depth for block in ids)
    return 2 * depths[0] > len(ids)


def _held(manifest: Manifest, blocks: Sequence[BlockId]) -> int:
    """How many of the blocks are its own."""
    wanted = set(blocks)
    return len(wanted.intersection(manifest.block_ids()))
