"""stats: what the registry holds, what that would cost without it, and which models share bytes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from budwood.domain.manifest import BlockId
from budwood.domain.records import model_path
from budwood.domain.results import ModelUsage, SharedWith, Usage
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import encoding
from budwood.verbs.house import House
from budwood.verbs.needed import every_manifest, listed_packs, named_blocks, with_bases


@dataclass(slots=True)
class _Model:
    versions: int = 0
    logical_bytes: int = 0
    blocks: set[BlockId] = field(default_factory=set)


def stats(house: House) -> Usage:
    """Reads every manifest. Raises ManifestDamaged, StorageFailed."""
    models: dict[str, _Model] = {}
    for version, manifest in every_manifest(house):
        model = models.setdefault(model_path(version.namespace, version.model), _Model())
        model.versions += 1
        model.logical_bytes += version.size_bytes
        model.blocks |= named_blocks(version, manifest)
    rows = with_bases(house.index, set().union(*(model.blocks for model in models.values())))
    for model in models.values():
        model.blocks = _grown(model.blocks, rows)
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
