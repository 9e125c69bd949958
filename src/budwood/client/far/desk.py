"""What push and pull ask of a server: ``workplace.Desk`` over routes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from budwood.client.far.index import AddressBook
from budwood.client.far.lease import FarLease
from budwood.client.far.transport import Transport
from budwood.client.far.upload import Uploads
from budwood.domain.limits import AT_ONCE_BYTES
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.reference import Reference, parse_reference
from budwood.domain.routes import pushes, storage_tiers, versions
from budwood.domain.transfers import (
    Before,
    Candidates,
    CandidatesFor,
    LookFor,
    PublishPush,
    PushAtOnce,
    ReuseVersion,
)
from budwood.errors import BadParcel, BudwoodError, LimitExceeded
from budwood.store.cache import BlockCache
from budwood.verbs.draft import Draft, Wishes
from budwood.verbs.wire import encode
from budwood.verbs.workplace import Lease

_AT_ONCE_LIMITS: Final = frozenset({"AT_ONCE_BYTES", "AT_ONCE_PACK_BYTES"})


@dataclass(frozen=True, slots=True)
class FarDesk:
    """``workplace.Desk`` over a server's routes."""

    transport: Transport
    book: AddressBook
    clock: Callable[[], int]
    ids: Callable[[], str]
    uploads: Uploads
    cache: BlockCache | None = None

    def version(self, reference: str) -> VersionRecord:
        """See ``Desk.version``."""
        wanted = parse_reference(reference)
        selector = str(wanted.selector) or versions.NEWEST
        holes = {"namespace": wanted.namespace, "model": wanted.model, "selector": selector}
        found = self.transport.call(versions.GET, holes)
        assert isinstance(found, VersionRecord)
        return found

    def note_use(self, version: VersionRecord) -> None:
        """See ``Desk.note_use``. A server that does not count, or does not answer, holds up nobody."""
        holes = {"namespace": version.namespace, "model": version.model, "selector": f"v{version.number}"}
        with suppress(BudwoodError):
            self.transport.call(storage_tiers.USED, holes)

    def look(self, target: Reference, parents: Sequence[str]) -> Before:
        """See ``Desk.look``."""
        asked = LookFor(str(target.model), tuple(parents))
        found = self.transport.call(pushes.LOOK, {"namespace": target.namespace}, body=asked)
        assert isinstance(found, Before)
        return found

    def candidates(
        self, target: Reference, parents: Sequence[VersionRecord], structure: str, probes: Sequence[int] = ()
    ) -> Sequence[VersionRecord]:
        """See ``Desk.candidates``."""
        named = tuple(map(_exactly, parents))
        asked = CandidatesFor(str(target.model), structure, named, tuple(probes))
        found = self.transport.call(pushes.CANDIDATES, {"namespace": target.namespace}, body=asked)
        assert isinstance(found, Candidates)
        return found.versions

    def lease(self, target: Reference, *, small: bool = False) -> FarLease:
        """See ``Desk.lease``."""
        held = FarLease(
            self.transport,
            target.namespace,
            str(target.model),
            mark=self.ids(),
            book=self.book,
            clock=self.clock,
            send=self.uploads.send,
            small=small,
            cache=self.cache,
        )
        self.uploads.leases[held.mark] = held
        return held

    def publish(self, draft: Draft, target: Reference, wishes: Wishes, lease: Lease) -> VersionRecord:
        """See ``Desk.publish``. The server hashes whole files then, which may take a while."""
        assert isinstance(lease, FarLease)
        published = self._publish_at_once(draft, target, wishes, lease)
        if published is None:
            lease.open()
            asked = PublishPush(**_said(draft, wishes))
            holes = {"namespace": target.namespace, "push": lease.id}
            published = self.transport.call(pushes.PUBLISH, holes, body=asked, long=True)
        assert isinstance(published, VersionRecord)
        return published

    def _publish_at_once(
        self, draft: Draft, target: Reference, wishes: Wishes, lease: FarLease
    ) -> VersionRecord | None:
        """All of a small push in one request; None when it is to go step by step."""
        pack = lease.at_once
        if pack is None or draft.size_bytes > AT_ONCE_BYTES:
            return None
        asked = PushAtOnce(model=str(target.model), pack=pack, **_said(draft, wishes))
        if len(encode(asked)) > pushes.AT_ONCE.body_bytes:
            return None
        try:
            published: VersionRecord = self.transport.call(
                pushes.AT_ONCE, {"namespace": target.namespace}, body=asked, long=True
            )
        except (BadParcel, LimitExceeded) as error:
            # A server may take less than this client believes.
            if error.facts.get("limit") in _AT_ONCE_LIMITS:
                return None
            raise
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


def _exactly(version: VersionRecord) -> str:
    return f"{model_path(version.namespace, version.model)}@v{version.number}"


def _said(draft: Draft, wishes: Wishes) -> dict[str, Any]:
    """What a version is published with, either way."""
    return {
        "digest": draft.digest,
        "manifest_size": draft.manifest_size,
        "manifest_blocks": draft.manifest_blocks,
        "structure": draft.structure,
        "sketch": draft.sketch,
        "sources": tuple(_exactly(each.source) for each in draft.derivations),
        "label": wishes.label,
        "bump": wishes.bump,
        "level": str(draft.suggestion.level) if draft.suggestion else "",
        "aliases": wishes.aliases,
        "tags": dict(wishes.tags),
    }
