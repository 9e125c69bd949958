"""The house: what every verb is given. Wiring builds it; verbs know the ports only."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Final, Protocol

from budwood.catalog.api import Catalog
from budwood.domain.canon import Json
from budwood.domain.limits import SERVED_KEPT_S
from budwood.domain.manifest import BlockId
from budwood.domain.policy.case import Said
from budwood.domain.storage_tiers.values import Arrival
from budwood.domain.targets import Network
from budwood.store.api import BlockRow, Objects
from budwood.store.crew import AtOnce, Crew, Threads
from budwood.store.read import BlockReader

OWN_NAMES: Final = ("catalog.sqlite3", "packs", "tmp", "cache", "ballast")
"""What a registry keeps in its folder."""


class Evaluates(Protocol):
    """Who evaluates the expressions of policies; see ``govern/expressions.py``."""

    def evaluate(self, expressions: Sequence[str], variables: Mapping[str, Json]) -> Mapping[str, Said]: ...
    def check(self, expression: str) -> str:
        """What is wrong with one; empty when nothing is known to be."""

    def close(self) -> None:
        """End what was started for it."""


class KeepsRoom(Protocol):
    """Room on the catalog's disk for what frees room; see ``store/ballast.py``."""

    def keep(self) -> None:
        """Have it, where that is possible."""

    def take_back(self) -> None:
        """Have it again after it was given up."""

    def give_up(self) -> bool:
        """Whether there was any."""

    def give_up_when_full(self) -> None: ...


class NoRoom:
    """Where there is no disk of our own: a catalog in memory, or in a database server."""

    def keep(self) -> None:
        """There is none to keep."""

    def take_back(self) -> None:
        """There is none to take."""

    def give_up(self) -> bool:
        return False

    def give_up_when_full(self) -> None:
        """There is none to give up."""


class TellsMoves(Protocol):
    """Who says at once that traffic was moved, whichever process moved it; see ``catalog/sql/folder_bell.py``."""

    def hear(self, heard: Callable[[Collection[int]], None]) -> Callable[[], None]:
        """``heard`` is given the ids of the endpoints whose traffic was moved, none where more may have changed. It is
        called in another thread, must be quick and must not raise; now and then it is for nothing. What is returned
        ends that."""


class Silence:
    """Where nobody says it."""

    def hear(self, heard: Callable[[Collection[int]], None]) -> Callable[[], None]:
        return _nothing


class Nobody:
    """Evaluates nothing, and so lets nothing through."""

    def evaluate(self, expressions: Sequence[str], variables: Mapping[str, Json]) -> Mapping[str, Said]:
        return {each: Said(None, "Expressions are not evaluated here.") for each in expressions}

    def check(self, expression: str) -> str:
        return ""

    def close(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True, slots=True)
class House:
    """``clock`` gives milliseconds since the epoch, UTC; ``ids`` a fresh unique name; ``scratch`` is a folder
    for caches that may be lost, in the registry's own folder (None in memory). ``networks`` are those that an admin
    opened: what others ask for may be sent there, too. ``push_as`` None: as a namespace's policy says, or small.
    ``has_cold_store``: packs marked cold lie in a store of their own. ``cluster`` helps with heavy work; without one,
    work on tiers takes ``tier_threads``. ``requests_kept_s``: how long it is told which version answered a request."""

    catalog: Catalog
    objects: Objects
    clock: Callable[[], int]
    ids: Callable[[], str]
    author: str
    threads: int
    scratch: Path | None = None
    networks: Sequence[Network] = ()
    expressions: Evaluates = Nobody()
    ballast: KeepsRoom = NoRoom()
    bell: TellsMoves = Silence()
    push_as: Arrival | None = None
    has_cold_store: bool = False
    cluster: Crew | None = None
    tier_threads: int = 1
    requests_kept_s: float = SERVED_KEPT_S

    @property
    def index(self) -> "CatalogIndex":
        """The store's view of the catalog's block rows."""
        return CatalogIndex(self.catalog)

    @property
    def crew(self) -> Crew:
        """Who does heavy work on blocks."""
        return self.cluster or Threads(self.objects, self.threads)

    @property
    def tier_crew(self) -> Crew:
        """Who writes blocks anew in the background: few, since others wait for the same cores."""
        alone = self.tier_threads == 1
        return self.cluster or (AtOnce(self.objects) if alone else Threads(self.objects, self.tier_threads))

    def owns(self, path: Path) -> bool:
        """Whether the file, by its resolved path, is the registry's own."""
        root = self.scratch.parent.resolve() if self.scratch else None
        if root is None or path == root or not path.is_relative_to(root):
            return False
        first = path.relative_to(root).parts[0]
        return first.removesuffix("-wal").removesuffix("-shm") in OWN_NAMES

    def close(self) -> None:
        """Release what it holds open. Using it afterwards is a bug."""
        self.expressions.close()
        self.catalog.close()
        self.objects.close()

    def seen(self, catalog: Catalog, author: str) -> "House":
        """The same, as somebody sees it: for every request, and so without ``dataclasses.replace``, which takes three
        times as long."""
        return House(catalog, self.objects, self.clock, self.ids, author, *_REST(self))

    def reader(self) -> BlockReader:
        """A reader of blocks for one operation."""
        return BlockReader(self.objects, self.index)


_REST: Final = attrgetter(*(field.name for field in fields(House)[5:]))


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """Answers the store's questions from the catalog; each call sees the newest committed state."""

    catalog: Catalog

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """See ``BlockIndex.find``."""
        with self.catalog.read() as view:
            return view.find_blocks(ids)


def _nothing() -> None:
    """There was nothing to end."""
