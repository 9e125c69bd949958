"""What each version costs a month: the bytes it needs, by the price of its tier, and the pulls it gets.

A block that several versions of the namespace need is divided among them. A pull reads every block that the version
leans on. What a namespace is told counts its own versions alone.
"""

from collections.abc import Iterator

import numpy as np

from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.values import GB, Costs, StorageTier, Tiering, VersionCost
from budwood.errors import Damaged
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.needed import PAGE, named_blocks, with_bases
from budwood.verbs.tiers.policies import tiering_in
from budwood.verbs.uses import Users


def costs(house: House, namespace: str) -> Costs:
    """Reads the namespace's manifests. Raises NamespaceNotFound, StorageFailed."""
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        tiering = tiering_in(view, room) or Tiering()
    users = Users()
    for _, blocks in _needed(house, room):
        users.add(blocks)
    users.settle()
    rows = [_cost(house, version, blocks, users, tiering) for version, blocks in _needed(house, room)]
    by_tier: dict[str, float] = {}
    for row in rows:
        by_tier[row.tier] = by_tier.get(row.tier, 0.0) + row.total
    ordered = tuple(sorted(rows, key=lambda row: (-row.total, row.reference)))
    return Costs(room, tiering.prices.currency, ordered, by_tier)


def _needed(house: House, namespace: str) -> Iterator[tuple[VersionRecord, dict[BlockId, int]]]:
    """Each version with its blocks and their lengths, bases too. What cannot be read is left out."""
    after = 0
    while True:
        with house.catalog.read() as view:
            page = view.versions_in(namespace, after_id=after, limit=PAGE)
        if not page:
            return
        for version in page:
            try:
                rows = with_bases(house.index, named_blocks(version, load_manifest(house, version)))
            except Damaged:
                continue
            yield version, {block: row.length for block, row in rows.items()}
        after = page[-1].id


def _cost(
    house: House, version: VersionRecord, blocks: dict[BlockId, int], users: Users, tiering: Tiering
) -> VersionCost:
    now = house.clock()
    with house.catalog.read() as view:
        state, use = view.tier_state(version.id), view.version_use(version.id)
    tier = state.tier if state else StorageTier.HOT
    price = tiering.prices.of(tier)
    lengths = np.fromiter(blocks.values(), np.int64, len(blocks))
    # Whoever came since the users were counted is one of them.
    stored = float((lengths / np.maximum(users.of(blocks), 1)).sum())
    reads = use.a_month(now) if use else 0.0
    return VersionCost(
        reference=version.reference,
        tier=tier,
        kind=version.kind,
        size_bytes=version.size_bytes,
        stored_bytes=stored,
        reads=reads,
        stored_cost=stored / GB * price.stored,
        read_cost=int(lengths.sum()) / GB * price.read * reads,
    )
