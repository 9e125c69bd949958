"""What a run would do, before anything moves."""

from itertools import islice

from budwood.domain.storage_tiers.values import Placed, StorageTier, TierPlan
from budwood.errors import Damaged
from budwood.store.api import BlockRow
from budwood.store.marks import is_cold
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.tiers.rewrite import LOOKED_AT_ONCE, parts_of
from budwood.verbs.tiers.standing import LEVELS, Levels, block_levels, placed_versions
from budwood.verbs.tiers.worker import paused, worker_of


def plan_tiers(house: House, namespace: str = "") -> TierPlan:
    """Of one namespace, or of all. Reads every manifest when anything is to move.

    Raises NamespaceNotFound, ManifestDamaged, LimitExceeded.
    """
    if namespace:
        with house.catalog.read() as view:
            namespace_named(view, namespace)
    pairs = list(placed_versions(house))
    wanted = [(version, each) for version, each in pairs if not namespace or version.namespace == namespace]
    rows = tuple(each for _, each in wanted)
    stored = kept = raw = 0
    if any(each.moves for each in rows):
        levels = block_levels(house, {version.id: each for version, each in pairs})
        seen = set[bytes]()
        for version, each in wanted:
            if not each.moves:
                continue
            try:
                parts = parts_of(load_manifest(house, version))
            except Damaged:
                continue
            while few := list(islice(parts, LOOKED_AT_ONCE)):
                fresh = [part.id for part in few if part.id not in seen]
                for row, stays in _looked(house, levels, each, fresh):
                    seen.add(row.id)
                    stored, raw = (stored, raw) if stays else (stored + row.length, raw + row.raw_length)
                    kept += row.length if stays else 0
    return TierPlan(
        rows=rows,
        stored_bytes=stored,
        kept_bytes=kept,
        raw_bytes=raw,
        has_cold_store=house.has_cold_store,
        paused=paused(house),
        worker=worker_of(house),
    )


def _looked(house: House, levels: Levels, each: Placed, ids: list[bytes]) -> list[tuple[BlockRow, bool]]:
    """The blocks with their rows, and whether each stays for another version's sake."""
    if not ids:
        return []
    rows = house.index.find(ids)
    found = levels.of(ids)
    return [
        (rows[block], level is not LEVELS[each.to])
        for block, level in zip(ids, found, strict=True)
        if block in rows and _misplaced(rows[block], each.to)
    ]


def _misplaced(row: BlockRow, to: StorageTier | None) -> bool:
    if to is StorageTier.HOT:
        return row.depth > 0 or is_cold(row.pack)
    if to is StorageTier.WARM:
        return row.depth == 0 or is_cold(row.pack)
    return not is_cold(row.pack)
