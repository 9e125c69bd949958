"""stats: what the registry holds, what that would cost without it, and which models share bytes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.results import GroupUsage, ModelUsage, SharedWith, Usage
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import encoding
from budwood.verbs.house import House
from budwood.verbs.needed import every_manifest, listed_packs, named_blocks, with_bases

AS_PUSHED: Final = "as pushed"
"""In the place of a tier, of versions that were not brought to any."""


@dataclass(slots=True)
class _Model:
    versions: int = 0
    logical_bytes: int = 0
    blocks: set[BlockId] = field(default_factory=set)


def stats(house: House) -> Usage:
    """Reads every manifest. Raises ManifestDamaged, StorageFailed."""
    models, kinds, tiers = dict[str, _Model](), dict[str, _Model](), dict[str, _Model]()
    for version, manifest in every_manifest(house):
        blocks = named_blocks(version, manifest)
        for group, name in (
            (models, model_path(version.namespace, version.model)),
            (kinds, str(version.kind)),
            (tiers, _tier(house, version)),
        ):
            held = group.setdefault(name, _Model())
            held.versions += 1
            held.logical_bytes += version.size_bytes
            held.blocks |= blocks
    rows = with_bases(house.index, set().union(*(model.blocks for model in models.values())))
    for held in (*models.values(), *kinds.values(), *tiers.values()):
        held.blocks = _grown(held.blocks, rows)
    users = Counter(block for model in models.values() for block in model.blocks)
    with house.catalog.read() as view:
        counts = view.counts()
    on_disk = sum(info.size for info in listed_packs(house).values())
    stored = sum(row.length for row in rows.values())
    by_encoding: Counter[str] = Counter()
    for row in rows.values():
        by_encoding[encoding(row.encoding).name] += row.length
    return Usage(
        models=counts["models"],
        versions=counts["versions"],
        blocks=len(rows),
        packs=counts["packs"],
        logical_bytes=sum(model.logical_bytes for model in models.values()),
        unique_bytes=sum(row.raw_length for row in rows.values()),
        stored_bytes=stored,
        waste_bytes=max(0, on_disk - stored),
        by_encoding=dict(by_encoding.most_common()),
        by_model=tuple(_usage(name, model, rows, users) for name, model in sorted(models.items())),
        shared=_shared(models, rows),
        by_kind=_groups(kinds, rows),
        by_tier=_groups(tiers, rows),
    )


def _tier(house: House, version: VersionRecord) -> str:
    """The tier it was brought to."""
    with house.catalog.read() as view:
        state = view.tier_state(version.id)
    return str(state.tier) if state else AS_PUSHED


def _groups(groups: Mapping[str, _Model], rows: Mapping[BlockId, BlockRow]) -> tuple[GroupUsage, ...]:
    users = Counter(block for group in groups.values() for block in group.blocks)
    return tuple(
        GroupUsage(
            name=name,
            versions=group.versions,
            logical_bytes=group.logical_bytes,
            stored_bytes=sum(rows[block].length for block in group.blocks),
            own_bytes=sum(rows[block].length for block in group.blocks if users[block] == 1),
        )
        for name, group in sorted(groups.items())
    )


def _grown(blocks: set[BlockId], rows: Mapping[BlockId, BlockRow]) -> set[BlockId]:
    """The blocks that there are, and all they are differences from."""
    reached: set[BlockId] = set()
    left = list(blocks)
    while left:
        row = rows.get(left.pop())
        if row is not None and row.id not in reached:
            reached.add(row.id)
            left += row.bases
    return reached


def _usage(name: str, model: _Model, rows: Mapping[BlockId, BlockRow], users: Mapping[BlockId, int]) -> ModelUsage:
    held = [rows[block] for block in model.blocks]
    return ModelUsage(
        model=name,
        versions=model.versions,
        logical_bytes=model.logical_bytes,
        unique_bytes=sum(row.raw_length for row in held),
        stored_bytes=sum(row.length for row in held),
        own_bytes=sum(row.length for row in held if users[row.id] == 1),
    )


def _shared(models: Mapping[str, _Model], rows: Mapping[BlockId, BlockRow]) -> tuple[SharedWith, ...]:
    pairs = []
    for (one, first), (other, second) in combinations(sorted(models.items()), 2):
        common = sum(rows[block].raw_length for block in first.blocks & second.blocks)
        if common:
            pairs.append(SharedWith(one, other, common))
    return tuple(sorted(pairs, key=lambda pair: -pair.shared_bytes))
