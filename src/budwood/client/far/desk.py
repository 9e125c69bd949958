"""What push and pull ask of a server: ``workplace.Desk`` over routes."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.client.far.index import AddressBook, PushIndex
from budwood.client.far.transport import Transport
from budwood.domain.limits import LEASE_S
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.reference import Reference, parse_reference
from budwood.domain.routes import pushes, versions
from budwood.domain.transfers import (
    Before,
    Candidates,
    CandidatesFor,
    FindBlocks,
    FoundBlocks,
    LookFor,
    OpenedPush,
    OpenPush,
    PublishPush,
    ReuseVersion,
)
from budwood.verbs.draft import Draft, Wishes
from budwood.verbs.workplace import Lease

RENEW_MS: Final = LEASE_S * 1000 // 4


class FarLease:
    """A push under way at the server."""

    def __init__(
        self, transport: Transport, namespace: str, opened: OpenedPush, book: AddressBook, clock: Callable[[], int]
    ) -> None:
        self._transport, self._clock = transport, clock
        self._lock = threading.Lock()
        self._renewed_ms = clock()
        self._packs = 0
        self.id = opened.id
        self.namespace = namespace
        self._holes = {"namespace": namespace, "push": opened.id}
        self.index = PushIndex(self._find, book)

    def new_pack_name(self) -> str:
        """See ``Lease.new_pack_name``."""
        self.keep_alive()
        with self._lock:
            self._packs += 1
            return f"{self.id}-{self._packs:04d}"

    def keep_alive(self) -> None:
        """See ``Lease.keep_alive``."""
        now = self._clock()
        with self._lock:
            if now - self._renewed_ms <= RENEW_MS:
                return
            self._renewed_ms = now
        self._transport.call(pushes.RENEW, self._holes)

    def drop(self) -> None:
        """See ``Lease.drop``."""
        self._transport.call(pushes.ABANDON, self._holes)

    def _find(self, asked: FindBlocks) -> FoundBlocks:
        found = self._transport.call(pushes.FIND, self._holes, body=asked)
        assert isinstance(found, FoundBlocks)
        return found


@dataclass(frozen=True, slots=True)
class FarDesk:
    """``workplace.Desk`` over a server's routes."""

    transport: Transport
    book: AddressBook
    clock: Callable[[], int]

    def version(self, reference: str) -> VersionRecord:
        """See ``Desk.version``."""
        wanted = parse_reference(reference)
        selector = str(wanted.selector) or versions.NEWEST
        holes = {"namespace": wanted.namespace, "model": wanted.model, "selector": selector}
        found = self.transport.call(versions.GET, holes)
        assert isinstance(found, VersionRecord)
        return found

    def look(self, target: Reference, parents: Sequence[str]) -> Before:
        """See ``Desk.look``."""
        asked = LookFor(str(target.model), tuple(parents))
        found = self.transport.call(pushes.LOOK, {"namespace": target.namespace}, body=asked)
        assert isinstance(found, Before)
        return found

    def candidates(
        self, target: Reference, parents: Sequence[VersionRecord], structure: str
    ) -> Sequence[VersionRecord]:
        """See ``Desk.candidates``."""
        named = tuple(f"{model_path(parent.namespace, parent.model)}@v{parent.number}" for parent in parents)
        asked = CandidatesFor(str(target.model), structure, named)
        found = self.transport.call(pushes.CANDIDATES, {"namespace": target.namespace}, body=asked)
        assert isinstance(found, Candidates)
        return found.versions

    def lease(self, target: Reference) -> FarLease:
        """See ``Desk.lease``."""
        opened = self.transport.call(pushes.OPEN, {"namespace": target.namespace}, body=OpenPush(str(target.model)))
        assert isinstance(opened, OpenedPush)
        return FarLease(self.transport, target.namespace, opened, self.book, self.clock)

    def publish(self, draft: Draft, target: Reference, wishes: Wishes, lease: Lease) -> VersionRecord:
        """See ``Desk.publish``. The server hashes whole files then, which may take a while."""
        asked = PublishPush(
            digest=draft.digest,
            manifest_size=draft.manifest_size,
            manifest_blocks=draft.manifest_blocks,
            structure=draft.structure,
            sketch=draft.sketch,
            label=wishes.label,
            bump=wishes.bump,
            level=str(draft.suggestion.level) if draft.suggestion else "",
            aliases=wishes.aliases,
            tags=dict(wishes.tags),
        )
        holes = {"namespace": target.namespace, "push": lease.id}
        published = self.transport.call(pushes.PUBLISH, holes, body=asked, long=True)
        assert isinstance(published, VersionRecord)
        return published

    def reuse(
        self, version: VersionRecord, aliases: tuple[str, ...], tags: Mapping[str, str], lease: Lease | None
    ) -> VersionRecord:
        """See ``Desk.reuse``."""
        push = lease.id if lease else ""
        asked = ReuseVersion(version.model, version.number, version.digest, push, aliases, dict(tags))
        found = self.transport.call(pushes.REUSE, {"namespace": version.namespace}, body=asked)
        assert isinstance(found, VersionRecord)
        return found
