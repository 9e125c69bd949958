"""stats: what the registry holds, what that would cost without it, and which models share bytes.

Versions of one model, kind and tier are a group. What is remembered of all blocks is which groups need them (``Uses``);
then their rows pass by once, in the order of their ids.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np

from budwood.domain.batches import batched
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.results import GroupUsage, ModelUsage, SharedWith, Usage
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import encoding
from budwood.verbs.columns import Found, Numbers
from budwood.verbs.house import House
from budwood.verbs.needed import ROWS, every_manifest, listed_packs, named_blocks, rows_in_force
from budwood.verbs.uses import Uses, add_all_bases

AS_PUSHED: Final = "as pushed"
"""In the place of a tier, of versions that were not brought to any."""


def stats(house: House) -> Usage:
    """Reads every manifest and every row. Raises ManifestDamaged, StorageFailed."""
    groups, uses = _Groups(), Uses()
    for version, manifest in every_manifest(house):
        uses.add(named_blocks(version, manifest), groups.of(version, _tier(house, version)))
    add_all_bases(house, uses)
    models, kinds, tiers = groups.ways()
    whole = _Whole()
    for rows in batched(rows_in_force(house), ROWS):
        page = _Page(rows, uses.of([row.id for row in rows]))
        whole.add(page)
        for way in (models, kinds, tiers):
            way.add(page)
    with house.catalog.read() as view:
        counts = view.counts()
    on_disk = sum(info.size for info in listed_packs(house).values())
    return Usage(
        models=counts["models"],
        versions=counts["versions"],
        blocks=whole.blocks,
        packs=counts["packs"],
        logical_bytes=sum(models.logical_bytes),
        unique_bytes=whole.unique_bytes,
        stored_bytes=whole.stored_bytes,
        waste_bytes=max(0, on_disk - whole.stored_bytes),
        by_encoding={encoding(tag).name: length for tag, length in whole.by_encoding.most_common()},
        by_model=_by_model(models),
        shared=_shared(models),
        by_kind=_by_group(kinds),
        by_tier=_by_group(tiers),
    )


def _tier(house: House, version: VersionRecord) -> str:
    """The tier it was brought to."""
    with house.catalog.read() as view:
        state = view.tier_state(version.id)
    return str(state.tier) if state else AS_PUSHED


@dataclass(slots=True)
class _Group:
    """Versions of one model, kind and tier."""

    names: tuple[str, str, str]
    versions: int = 0
    logical_bytes: int = 0


class _Groups:
    """The groups in the order in which they were met."""

    def __init__(self) -> None:
        self._numbers = dict[tuple[str, str, str], int]()
        self._groups = list[_Group]()

    def of(self, version: VersionRecord, tier: str) -> int:
        """The number of its group, which has one version more now."""
        names = (model_path(version.namespace, version.model), str(version.kind), tier)
        number = self._numbers.setdefault(names, len(self._groups))
        if number == len(self._groups):
            self._groups.append(_Group(names))
        self._groups[number].versions += 1
        self._groups[number].logical_bytes += version.size_bytes
        return number

    def ways(self) -> tuple["_Way", "_Way", "_Way"]:
        """To put them together: by model, by kind, by tier."""
        return _Way(self._groups, 0), _Way(self._groups, 1), _Way(self._groups, 2)


class _Page:
    """Some rows, their sizes as columns, and who needs them."""

    def __init__(self, rows: tuple[BlockRow, ...], found: Found) -> None:
        self.found = found
        self.encodings = [row.encoding for row in rows]
        self.lengths = np.fromiter((row.length for row in rows), np.int64, len(rows))
        self.raw_lengths = np.fromiter((row.raw_length for row in rows), np.int64, len(rows))


@dataclass(slots=True)
class _Whole:
    """Of all blocks that any version needs."""

    blocks: int = 0
    unique_bytes: int = 0
    stored_bytes: int = 0
    by_encoding: Counter[int] = field(default_factory=Counter)

    def add(self, page: _Page) -> None:
        needed = np.unique(page.found.at)
        self.blocks += needed.size
        self.unique_bytes += int(page.raw_lengths[needed].sum())
        self.stored_bytes += int(page.lengths[needed].sum())
        for at in needed.tolist():
            self.by_encoding[page.encodings[at]] += int(page.lengths[at])


class _Way:
    """What blocks come to when groups of one name are put together; columns are by the place of a name in ``names``."""

    def __init__(self, groups: list[_Group], by: int) -> None:
        self.names = sorted({group.names[by] for group in groups})
        places = {name: at for at, name in enumerate(self.names)}
        self._place_of_group = np.array([places[group.names[by]] for group in groups], np.int64)
        self.versions, self.logical_bytes = [0] * len(self.names), [0] * len(self.names)
        for group in groups:
            self.versions[places[group.names[by]]] += group.versions
            self.logical_bytes[places[group.names[by]]] += group.logical_bytes
        self.unique_bytes, self.stored_bytes, self.own_bytes = (np.zeros(len(self.names), np.int64) for _ in range(3))
        self.together = Counter[tuple[int, ...]]()
        """Raw bytes of blocks by who needs them, where that is more than one."""

    def add(self, page: _Page) -> None:
        if not page.found.at.size:
            return
        # Each block once for each name, by block and then by name.
        pairs = np.unique(page.found.at * len(self.names) + self._place_of_group[page.found.values])
        at, places = np.divmod(pairs, len(self.names))
        users = np.bincount(at, minlength=page.lengths.size)
        self.unique_bytes += self._sums(places, page.raw_lengths[at])
        self.stored_bytes += self._sums(places, page.lengths[at])
        self.own_bytes += self._sums(places, page.lengths[at] * (users[at] == 1))
        for count in np.unique(users[users > 1]).tolist():
            self._share(places[users[at] == count].reshape(-1, count), page.raw_lengths[users == count])

    def _sums(self, places: Numbers, lengths: Numbers) -> Numbers:
        # As floats, which are exact up to eight petabytes.
        return np.bincount(places, lengths, len(self.names)).astype(np.int64)

    def _share(self, users: Numbers, raw_lengths: Numbers) -> None:
        """Blocks with as many users each, who stand in its line."""
        sets, which = np.unique(users, axis=0, return_inverse=True)
        for names, length in zip(sets.tolist(), np.bincount(which.ravel(), raw_lengths).tolist(), strict=True):
            self.together[tuple(names)] += int(length)


def _by_model(models: _Way) -> tuple[ModelUsage, ...]:
    return tuple(
        ModelUsage(
            model=name,
            versions=models.versions[at],
            logical_bytes=models.logical_bytes[at],
            unique_bytes=int(models.unique_bytes[at]),
            stored_bytes=int(models.stored_bytes[at]),
            own_bytes=int(models.own_bytes[at]),
        )
        for at, name in enumerate(models.names)
    )


def _by_group(way: _Way) -> tuple[GroupUsage, ...]:
    return tuple(
        GroupUsage(
            name=name,
            versions=way.versions[at],
            logical_bytes=way.logical_bytes[at],
            stored_bytes=int(way.stored_bytes[at]),
            own_bytes=int(way.own_bytes[at]),
        )
        for at, name in enumerate(way.names)
    )


def _shared(models: _Way) -> tuple[SharedWith, ...]:
    """Those that share most first, then by name."""
    common = Counter[tuple[int, int]]()
    for users, length in models.together.items():
        for pair in combinations(users, 2):
            common[pair] += length
    ordered = sorted(common.items(), key=lambda each: (-each[1], each[0]))
    return tuple(SharedWith(models.names[one], models.names[other], length) for (one, other), length in ordered)
