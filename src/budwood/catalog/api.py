"""The catalog's port: models, versions, pointers, tags, the ledger, the block index and leases.

Two doors. ``catalog.read()`` gives a consistent view. ``catalog.write(work)`` runs ``work(transaction)`` and
returns what it returns once that is durable; when it raises, nothing of it remains. Several callers may be
committed together (group commit), each atomic by itself. Transactions are opened by verbs, never below.

Everything here is a point or range query on an index; a page is bounded by ``limits.PAGE_ROWS`` and continued
from a cursor, so page N costs what page 1 costs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from budwood.catalog.artifacts_api import ArtifactsTransaction, ArtifactsView
from budwood.catalog.delivery_api import DeliveryTransaction, DeliveryView
from budwood.catalog.derived_api import DerivedTransaction, DerivedView
from budwood.catalog.evaluation_api import EvaluationTransaction, EvaluationView
from budwood.catalog.gates_api import GatesTransaction, GatesView
from budwood.catalog.ledger_api import LedgerTransaction, LedgerView
from budwood.catalog.lineage_api import LineageTransaction, LineageView
from budwood.catalog.listing_api import ListingTransaction, ListingView
from budwood.catalog.mcp_api import McpTransaction, McpView
from budwood.catalog.people_api import PeopleTransaction, PeopleView, Reach
from budwood.catalog.retention_api import RetentionTransaction, RetentionView
from budwood.catalog.standards_api import StandardsTransaction, StandardsView
from budwood.catalog.storage_tiers_api import StorageTiersTransaction, StorageTiersView
from budwood.catalog.traces_api import TracesTransaction, TracesView
from budwood.catalog.tracking_api import TrackingTransaction, TrackingView
from budwood.domain.listing import Origin
from budwood.domain.manifest import BlockId
from budwood.domain.names import Kind, Stage
from budwood.domain.query import Query
from budwood.domain.records import LedgerEntry, ModelRecord, Move, MoveReason, Tag, VersionRecord
from budwood.domain.results import VersionPage
from budwood.errors import LabelTaken
from budwood.store.api import BlockRow
from budwood.store.archive import TableShape

T = TypeVar("T")
Done = Callable[[Callable[[], T]], Callable[[], None] | None]
"""It is given what returns or raises an outcome. What it gives back, if anything, is called after its whole batch."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version about to be published. ``metrics`` and ``params`` are indexed for search; the manifest is the truth.

    ``relations`` say of each parent in turn how the version came from it; ``datasets`` are names. ``description`` and
    ``origin`` are how it is listed, until ``list_version`` says otherwise."""

    model_id: int
    digest: str
    label: str
    kind: Kind
    author: str
    created_ms: int
    size_bytes: int
    manifest_size: int
    manifest_blocks: tuple[BlockId, ...]
    structure: str = ""
    sketch: BlockId = b""
    commit: str = ""
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    parent_ids: tuple[int, ...] = ()
    relations: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    description: str = ""
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class Lease:
    """A push in progress: what it has written but not published is not garbage while the lease lives."""

    id: str
    holder: str
    taken_ms: int
    expires_ms: int
    namespace: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class RemovedLabel:
    """The version that had a label until it was deleted. Only the same digest may have it again."""

    number: int
    digest: str

    def refusal(self, path: str, label: str) -> LabelTaken:
        """What whoever asks for the label again, for something else, is told."""
        named = f"{path}@v{self.number}"
        return LabelTaken(
            f"The label {label} was given to {named}, which was deleted; a label is never given again.",
            label=label,
            model=path,
            number=self.number,
        )


@dataclass(frozen=True, slots=True)
class PackUse:
    """One pack by the index: rows in force, rows condemned, and the encoded bytes of each."""

    pack: str
    live_blocks: int
    live_bytes: int
    condemned_blocks: int
    condemned_bytes: int


class View(
    PeopleView,
    DeliveryView,
    DerivedView,
    GatesView,
    LedgerView,
    LineageView,
    ListingView,
    RetentionView,
    StandardsView,
    StorageTiersView,
    TracesView,
    TrackingView,
    ArtifactsView,
    EvaluationView,
    McpView,
    Protocol,
):
    """What can be read. ``reach`` names the namespaces a caller may know of; None is all there are."""

    def model(self, namespace: str, name: str) -> ModelRecord | None: ...
    def models(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[ModelRecord]:
        """By ``namespace/name``, those behind ``after`` ("namespace/name"), in namespaces within reach."""

    def version_by_id(self, version_id: int) -> VersionRecord | None: ...
    def version_by_number(self, namespace: str, name: str, number: int) -> VersionRecord | None: ...
    def version_by_label(self, namespace: str, name: str, label: str) -> VersionRecord | None:
        """Build metadata (+…) does not tell labels apart."""

    def removed_label(self, namespace: str, name: str, label: str) -> RemovedLabel | None:
        """Which deleted version had this label, also of a model that was removed; None when none had."""

    def version_by_pointer(self, namespace: str, name: str, pointer: str) -> VersionRecord | None:
        """``pointer`` is an alias, or ``stage:production``: what the newest move points at."""

    def versions_by_digest(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        """At most ten, newest first. ``prefix`` is hex without ``sha256:``."""

    def versions_by_commit(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        """At most ten, newest first."""

    def newest_version(self, namespace: str, name: str) -> VersionRecord | None: ...
    def versions(self, model_id: int, *, before: int = 0, limit: int = 100) -> Sequence[VersionRecord]:
        """Newest first, with numbers below ``before`` when it is not 0."""

    def version_count(self, model_id: int) -> int:
        """How many versions a model has now."""

    def all_versions(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        """Every version of the registry by id, those above ``after_id``: for sweep, verify, stats."""

    def versions_of_structure(self, structure: str, *, limit: int, reach: Reach = None) -> Sequence[VersionRecord]:
        """Newest first, over all models within reach."""

    def parents(self, version_id: int) -> Sequence[VersionRecord]: ...
    def children(self, version_id: int) -> Sequence[VersionRecord]: ...
    def parent_pairs(self, model_id: int) -> Sequence[tuple[int, int]]:
        """(child id, parent id) for every edge whose child is of this model: for the family tree."""

    def pointers(self, model_id: int) -> Sequence[Move]:
        """The move in force for every alias and stage that points somewhere."""

    def pointer(self, model_id: int, pointer: str) -> Move | None:
        """The move in force, also a removal; None when it never moved."""

    def moves(self, model_id: int, *, pointer: str = "", limit: int = 1000) -> Sequence[Move]:
        """Newest first."""

    def move_by_id(self, move_id: int) -> Move | None: ...
    def move_at(self, model_id: int, pointer: str, at_ms: int) -> Move | None:
        """The move in force at that moment."""

    def stage_history(self, version_id: int) -> Sequence[tuple[int, Stage]]:
        """(at_ms, stage) of one version, oldest first, without the birth in development."""

    def tags(self, version_id: int) -> Sequence[Tag]: ...
    def search(self, query: Query, *, cursor: str = "", limit: int = 100, reach: Reach = None) -> VersionPage:
        """Versions that match, in the query's order; all values are bound, never spliced."""

    def ledger(
        self, *, after: int = 0, limit: int = 100, subject: str = "", reach: Reach = None
    ) -> Sequence[LedgerEntry]:
        """Oldest first, those above ``after``. With a reach, only entries of its namespaces."""

    def find_blocks(self, ids: Sequence[BlockId], *, reach: Reach = None) -> Mapping[BlockId, BlockRow]:
        """Rows in force; condemned ones are left out. With a reach, only blocks that lie in a pack of one of its
        namespaces, or that one of them holds. What such a block leans on may be out of reach: callers look."""

    def blocks(self, *, pack: str = "", after: BlockId = b"", limit: int = 10_000) -> Sequence[BlockRow]:
        """Rows in force by id, those above ``after``; of one pack when it is given."""

    def condemned(self, *, before_ms: int, limit: int = 10_000) -> Sequence[BlockRow]: ...
    def condemned_total(self, *, before_ms: int) -> tuple[int, int]:
        """How many condemned rows there are, and their encoded bytes."""

    def packs(self) -> Sequence[PackUse]:
        """Looks at every block."""

    def block_ids(self, *, after: BlockId = b"", limit: int = 100_000) -> Sequence[BlockId]:
        """Of the blocks in force, in order."""

    def leaning(self, depth: int, *, after: BlockId = b"", limit: int = 100_000) -> Sequence[tuple[BlockId, bytes]]:
        """The blocks in force that lie so deep, in order, each with the ids of all it leans on in one."""

    def named_packs(self) -> Sequence[str]:
        """Those that hold a block in force or condemned, by name. Looks at one block of each."""

    def lease(self, lease_id: str, *, now_ms: int) -> Lease | None:
        """While it lives."""

    def leases(self, *, now_ms: int) -> Sequence[Lease]:
        """Those that live."""

    def counts(self) -> Mapping[str, int]:
        """models, versions, blocks, packs."""

    def revision(self) -> str:
        """The schema's."""

    def shapes(self) -> Sequence[TableShape]:
        """Every table of a backup, parents before children."""

    def dump(self, table: str) -> Iterator[Sequence[Sequence[object]]]:
        """A table's rows in pages: plain values and bytes, in the order of the shape's columns."""

    def counters(self) -> Mapping[str, int]:
        """The last id each table ever gave, where that outlives its rows."""


class Transaction(
    View,
    PeopleTransaction,
    DeliveryTransaction,
    DerivedTransaction,
    GatesTransaction,
    LedgerTransaction,
    LineageTransaction,
    ListingTransaction,
    RetentionTransaction,
    StandardsTransaction,
    StorageTiersTransaction,
    TracesTransaction,
    TrackingTransaction,
    ArtifactsTransaction,
    EvaluationTransaction,
    McpTransaction,
    Protocol,
):
    """What can be read and changed. Names and numbers are checked by the domain before they come here."""

    def add_model(self, namespace: str, name: str, kind: Kind, owner: str, at_ms: int) -> ModelRecord: ...
    def remove_model(self, model_id: int) -> None:
        """Only when it has no versions; asserted. A model made again under its name goes on counting,
        and the labels it gave stay given."""

    def add_version(self, new: NewVersion) -> VersionRecord:
        """Takes the model's next number. Raises LabelTaken, also when a deleted version had the label."""

    def skip_numbers(self, model_id: int, up_to: int) -> None:
        """The next version's number is above that one: they were given where its versions come from."""

    def remove_version(self, version_id: int) -> None:
        """The record, its tags, metrics, params and edges to parents; its number and label are never used again."""

    def retire(self, version_id: int, *, at_ms: int, reason: str) -> None: ...
    def set_stage(self, version_id: int, stage: Stage, *, at_ms: int, author: str) -> None:
        """The stage the version shows; the pointer is moved separately by ``add_move``."""

    def add_move(
        self,
        model_id: int,
        pointer: str,
        version: VersionRecord | None,
        *,
        at_ms: int,
        author: str,
        reason: MoveReason,
        before: int,
    ) -> Move:
        """Append to the history and put it in force. ``version`` None takes the pointer away."""

    def put_tag(self, version_id: int, tag: Tag) -> None: ...
    def put_tags(self, version_id: int, tags: Sequence[Tag]) -> None:
        """Several at once."""

    def remove_tag(self, version_id: int, key: str) -> bool:
        """Whether there was one."""

    def add_ledger(
        self, at_ms: int, actor: str, action: str, subject: str, body: Mapping[str, object], namespace: str = ""
    ) -> int:
        """The new entry's sequence number: dense, in commit order. Each active webhook of the namespace that wants
        such entries gets a delivery. ``namespace`` is empty for what concerns the registry as a whole.

        Raises LimitExceeded for one that is larger than a leaf may be.
        """

    def add_blocks(self, rows: Sequence[BlockRow], namespace: str = "") -> None:
        """Insert, or put a condemned or moved block back in force at its new place.

        New packs belong to the namespace; its bytes are counted. Empty where nobody knows whose they are.
        """

    def condemn(self, ids: Sequence[BlockId], *, at_ms: int) -> None:
        """Take them out of force; their rows stay until ``forget_blocks``."""

    def forget_blocks(self, ids: Sequence[BlockId]) -> None:
        """Remove condemned rows; rows in force are left alone."""

    def take_lease(self, lease: Lease) -> None: ...
    def renew_lease(self, lease_id: str, *, expires_ms: int) -> bool:
        """Whether it still lived."""

    def drop_lease(self, lease_id: str) -> None: ...
    def drop_expired_leases(self, *, now_ms: int) -> int: ...
    def fill(self, tables: Iterable[tuple[str, Iterable[Sequence[object]]]], counters: Mapping[str, int]) -> None:
        """Take over a dump whole, tables in the order of ``shapes``, instead of what is here.

        Only while there is no model.
        """


class Catalog(Protocol):
    """A place for metadata. ``write`` is serialisable; ``read`` sees one committed state."""

    def read(self) -> AbstractContextManager[View]:
        """A consistent view; cheap (a point read through it stays under 60 µs on SQLite)."""

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run, commit durably, return. ``work`` may be run again after a lost race, so it must not act outside.

        Raises what ``work`` raises, StorageFull, StorageFailed, RegistryBusy.
        """

    def write_behind(self, work: Callable[[Transaction], T]) -> T:
        """Like ``write``, for what can wait and can be done again: it lets everybody go before who calls ``write``, and
        is not durable yet when this returns. A loss of power may undo the last seconds of it."""

    def write_soon(self, work: Callable[[Transaction], T], done: Done[T]) -> None:
        """Like ``write``, without waiting. ``done`` is told the outcome once that is durable; it is called in another
        thread, must be quick, must not write, and must not raise. Raises RegistryBusy."""

    def check(self) -> Iterator[str]:
        """The database's own integrity check; yields what is wrong, nothing when all is well."""

    def close(self) -> None: ...
