"""The desk of a registry in this process: what push and pull ask, answered by its own catalog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budwood.domain.limits import PACK_BYTES
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.storage_tiers.values import Arrival
from budwood.store.api import BlockIndex, Objects
from budwood.store.cache import BlockCache
from budwood.store.read import BlockReader
from budwood.verbs.browse import get
from budwood.verbs.choose_base import candidates
from budwood.verbs.draft import Draft, Wishes
from budwood.verbs.house import House
from budwood.verbs.judge import check_edges
from budwood.verbs.lease import PUSHING, Held
from budwood.verbs.publish import publish, reuse
from budwood.verbs.resolve import resolve
from budwood.verbs.tiers.policies import arrival_in, note_use
from budwood.verbs.workplace import Before, Lease


@dataclass(frozen=True, slots=True)
class HomeDesk:
    """``workplace.Desk`` over a house."""

    house: House

    def version(self, reference: str) -> VersionRecord:
        return get(self.house, reference)

    def note_use(self, version: VersionRecord) -> None:
        note_use(self.house, version)

    def look(self, target: Reference, parents: Sequence[str]) -> Before:
        with self.house.catalog.read() as view:
            found = tuple(resolve(view, parent) for parent in parents)
            # Before a byte is read or sent; publishing asks again.
            check_edges(view, target.namespace, found)
            return Before(view.newest_version(target.namespace, target.model), found)

    def candidates(
        self, target: Reference, parents: Sequence[VersionRecord], structure: str, probes: Sequence[int] = ()
    ) -> Sequence[VersionRecord]:
        with self.house.catalog.read() as view:
            model = view.model(target.namespace, target.model)
            return candidates(view, parents, model.id if model else 0, structure, probes)

    def lease(self, target: Reference, *, small: bool = False) -> Held:
        return Held(self.house, f"{PUSHING}{target.path}", namespace=target.namespace)

    def publish(self, draft: Draft, target: Reference, wishes: Wishes, lease: Lease) -> VersionRecord:
        assert isinstance(lease, Held)
        return publish(self.house, draft, target, wishes, lease)

    def reuse(
        self, version: VersionRecord, aliases: tuple[str, ...], tags: Mapping[str, str], lease: Lease | None
    ) -> VersionRecord:
        assert lease is None or isinstance(lease, Held)
        return reuse(self.house, version, aliases, tags, lease)


@dataclass(frozen=True, slots=True)
class Home:
    """``workplace.Workplace`` over a house. ``cache`` is for one whose packs are far away."""

    house: House
    cache: BlockCache | None = None

    @property
    def desk(self) -> HomeDesk:
        return HomeDesk(self.house)

    def arrival(self, namespace: str) -> Arrival:
        return arrival_in(self.house, namespace)

    @property
    def objects(self) -> Objects:
        return self.house.objects

    @property
    def index(self) -> BlockIndex:
        return self.house.index

    @property
    def clock(self) -> Callable[[], int]:
        return self.house.clock

    @property
    def ids(self) -> Callable[[], str]:
        return self.house.ids

    @property
    def author(self) -> str:
        return self.house.author

    @property
    def threads(self) -> int:
        return self.house.threads

    @property
    def scratch(self) -> Path | None:
        return self.house.scratch

    @property
    def checks(self) -> bool:
        return True

    def pack_bytes(self, logical_bytes: int) -> int:
        return PACK_BYTES

    def owns(self, path: Path) -> bool:
        return self.house.owns(path)

    def reader(self) -> BlockReader:
        return BlockReader(self.house.objects, self.house.index, self.cache)
