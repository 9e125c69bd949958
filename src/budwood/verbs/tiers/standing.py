"""Where every version belongs, and so every block: the tier of whichever of its versions needs it nearest.

A block may be part of many versions. It stays as it is while any of them is to stay as it is (a hold, no policy, no
rule that matches), else it goes where the hottest of them belongs. What a block leans on is never farther away than
the block itself.

What must be known of all blocks at once is in ``Marked``: two ids that begin alike keep a block where it is that might
have moved, and never the other way about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final

from budwood.catalog.api import View
from budwood.domain.limits import TIER_BLOCKS
from budwood.domain.manifest import BlockId
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord, stage_pointer
from budwood.domain.storage_tiers.values import Placed, StorageTier, TierStanding, place
from budwood.errors import LimitExceeded
from budwood.store.api import bases_in
from budwood.verbs.answering import Arms, answering_in
from budwood.verbs.house import House
from budwood.verbs.leaning import deepest_first
from budwood.verbs.marked import Marked
from budwood.verbs.needed import (
    attached_blocks,
    every_file_of_evidence,
    every_manifest,
    every_stored_file,
    every_version,
    file_blocks,
)
from budwood.verbs.tiers.policies import tiering_in

_PRODUCTION: Final = stage_pointer(Stage.PRODUCTION)


class Level(IntEnum):
    """What keeps a block where; the lowest of its versions' counts."""

    STAY = 0
    HOT = 1
    WARM = 2
    COLD = 3


LEVELS: Final[Mapping[StorageTier | None, Level]] = {
    None: Level.STAY,
    StorageTier.HOT: Level.HOT,
    StorageTier.WARM: Level.WARM,
    StorageTier.COLD: Level.COLD,
}


def placed_versions(house: House, namespace: str = "") -> Iterator[tuple[VersionRecord, Placed]]:
    """Every version, or those of one namespace, oldest first, with where it belongs now. No manifest is read."""
    now, arms = house.clock(), dict[str, Arms]()
    for version in every_version(house):
        if namespace and version.namespace != namespace:
            continue
        with house.catalog.read() as view:
            if version.namespace not in arms:
                arms[version.namespace] = answering_in(view, version.namespace)
            yield version, place(_standing(view, version, arms[version.namespace]), now)


def placed_now(view: View, version: VersionRecord, now_ms: int) -> Placed:
    """The same of one version, as it is in this view."""
    return place(_standing(view, version, answering_in(view, version.namespace)), now_ms)


def _standing(view: View, version: VersionRecord, arms: Arms) -> TierStanding:
    tiering = tiering_in(view, version.namespace)
    state = view.tier_state(version.id)
    is_in = state.tier if state else None
    if tiering is None:
        return TierStanding(version, None, is_in)
    pointers = [move.pointer for move in view.pointers(version.model_id) if move.version_id == version.id]
    serving = [name.removeprefix("stage:") for name in pointers if not name.startswith("stage:") or name == _PRODUCTION]
    if version.stage is Stage.PRODUCTION and "production" not in serving:
        serving.append("production")
    answering = arms.get((version.model, version.number))
    serving += [f"endpoint {name}" for name in answering.endpoints] if answering else []
    use = view.version_use(version.id)
    holds = view.holds_on(version.namespace, version.model_id, version.id)
    return TierStanding(
        version,
        tiering,
        is_in,
        tuple(sorted(serving)),
        tuple(hold.id for hold in holds),
        use.last_ms if use else 0,
    )


class Levels:
    """The level of every block that is needed."""

    def __init__(self) -> None:
        self._marked = {level: Marked() for level in (Level.WARM, Level.HOT, Level.STAY)}

    def add(self, blocks: Iterable[BlockId], level: Level) -> None:
        """Raises LimitExceeded."""
        if level is Level.COLD:
            return  # What nothing else is said of is cold.
        self._marked[level].add(blocks)
        if sum(map(len, self._marked.values())) > TIER_BLOCKS:
            raise LimitExceeded(f"More than {TIER_BLOCKS} blocks.", limit="TIER_BLOCKS")

    def of(self, blocks: Sequence[BlockId]) -> list[Level]:
        """The level of each block, in order."""
        found = [Level.COLD] * len(blocks)
        for level, marked in self._marked.items():
            found = [level if has else held for has, held in zip(marked.has(blocks), found, strict=True)]
        return found


def block_levels(house: House, placed: Mapping[int, Placed]) -> Levels:
    """Reads every manifest. ``placed`` is by the version's id; one that came since stays as it is.

    Raises ManifestDamaged, LimitExceeded, StorageFailed.
    """
    levels = Levels()
    with house.catalog.read() as view:
        levels.add(view.staged_blocks(now_ms=house.clock()), Level.STAY)
    for version, manifest in every_manifest(house):
        known = placed.get(version.id)
        # What describes a version stays near at hand for ever.
        levels.add((*version.manifest_blocks, *((version.sketch,) if version.sketch else ())), Level.STAY)
        if not version.gone_ms:
            levels.add(set(manifest.block_ids()), LEVELS[known.to if known else None])
    for _, evidence in every_file_of_evidence(house):
        levels.add(attached_blocks(evidence), Level.STAY)
    for file in every_stored_file(house):
        levels.add(file_blocks(file), Level.STAY)
    _add_bases(house, levels)
    return levels


def _add_bases(house: House, levels: Levels) -> None:
    """What they lean on, however far. What is hot will lean on nothing; until then that stays within reach."""
    for page in deepest_first(house):
        kept = {Level.STAY: list[BlockId](), Level.WARM: list[BlockId]()}
        for (_, bases), level in zip(page, levels.of([block for block, _ in page]), strict=True):
            if level is not Level.COLD:
                kept[Level.STAY if level is Level.STAY else Level.WARM] += bases_in(bases)
        for level, blocks in kept.items():
            levels.add(blocks, level)
