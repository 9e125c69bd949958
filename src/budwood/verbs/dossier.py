"""dossier: gather all that is known of one version, and sign the list of files that tell it.

What is told is what the caller may read. The proofs are of the ledger's newest signed state, in the form that the
stand-alone verifier checks.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from budwood.catalog.api import View
from budwood.domain.canon import Json, loads, unpack
from budwood.domain.dossier.content import Content, EvidenceAttachment
from budwood.domain.dossier.sections import parts_of, safe_name
from budwood.domain.dossier.signed import LIST, signed_list
from budwood.domain.limits import DOSSIER_BYTES, DOSSIER_ENTRIES, PAGE_ROWS
from budwood.domain.policy.case import Check
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.records import PolicyRecord, Promotion, PromotionDetail
from budwood.domain.portrait import CARD_FILE, Portrait, Words, newest_card, words_of
from budwood.domain.records import LedgerEntry, VersionRecord, model_path
from budwood.domain.retention import NO_RULES, judge
from budwood.domain.trace import Direction
from budwood.domain.tree.bundle import (
    AuditPart,
    ProvenEntry,
    SignedState,
    bundle_head,
    consistency_part,
    opening_parts,
    proof_parts,
)
from budwood.domain.tree.proofs import consistency_proof, inclusion_proof
from budwood.errors import BlockDamaged, LimitExceeded, PackDamaged
from budwood.govern.log_key import LogKey, kept_key
from budwood.govern.sequencer import damaged, sequence, tiles_of
from budwood.verbs.attached import read_attached
from budwood.verbs.browse import show
from budwood.verbs.guard import shown_pointer
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.resolve import resolve
from budwood.verbs.retention import standing_of
from budwood.verbs.retention_text import rules_from
from budwood.verbs.trace import trace


@dataclass(frozen=True, slots=True)
class Made:
    """A dossier's files, the signed list last."""

    reference: str
    parts: tuple[AuditPart, ...]


def dossier(house: House, whole: House, reference: str) -> Made:
    """``house`` is what the caller may see, ``whole`` all of the registry: its ledger and its key.

    Raises BadReference, NotFound, LimitExceeded, ManifestDamaged, FrameworkMissing.
    """
    with house.catalog.read() as view:
        version = resolve(view, reference)
    exact = f"{version.namespace}/{version.model}@v{version.number}"
    sequence(whole.catalog, whole.clock)
    content = _gathered(house, version, exact)
    attachments, files = _attached(house, content.portrait.evidence)
    with whole.catalog.read() as view:
        key, newest = kept_key(view), view.checkpoint()
        assert key is not None, "a ledger that was sequenced has a key"
        assert newest is not None, "a ledger that was sequenced has a checkpoint"
        state = SignedState(newest.size, newest.note)
        proven = [entry for entry in content.entries if entry.sequence <= newest.size]
        content = replace(content, attachments=attachments, ledger_size=newest.size, key=key.public.text,
                          registry=key.public.name, entries=tuple(proven))  # fmt: skip
        proofs = list(_proofs(view, key, state, proven))
    parts = [*parts_of(content), *files, *proofs]
    size = sum(len(part.body) for part in parts)
    if size > DOSSIER_BYTES:
        raise LimitExceeded(f"This dossier would have {size} bytes.", limit="DOSSIER_BYTES")
    return Made(exact, (*parts, AuditPart(LIST, _list(content, exact, parts, key))))


def _own_words(house: House, evidence: Sequence[Evidence]) -> Words | None:
    newest = newest_card(evidence)
    if newest is None:
        return None
    files = {each.name: each.content for each in read_attached(house, newest)}
    return words_of(newest, files.get(CARD_FILE, b""))


def _gathered(house: House, version: VersionRecord, exact: str) -> Content:
    manifest = load_manifest(house, version)
    detail = show(house, exact)
    above, below = trace(house, exact, Direction.UP), trace(house, exact, Direction.DOWN)
    with house.catalog.read() as view:
        evidence = tuple(view.evidence(version.namespace, version.digest))
    words = _own_words(house, evidence)
    with house.catalog.read() as view:
        promotions = tuple(_detail(view, each) for each in _promotions(view, version))
        record = view.retention_rules(version.namespace)
        rules = rules_from(record.text) if record else NO_RULES
        entries, cut = _entries(view, version, promotions)
        return Content(
            made_ms=house.clock(),
            made_by=house.author,
            registry="",
            portrait=Portrait(detail, manifest, evidence, words),
            above=above,
            below=below,
            tier=view.tier(version.model_id),
            promotions=promotions,
            policies=_policies(view, version, promotions),
            services=tuple(view.services(version.id)),
            stages=tuple(view.stage_history(version.id)),
            keeping=judge(standing_of(view, version, rules), house.clock()),
            rules=record,
            holds=tuple(view.holds_on(version.namespace, version.model_id, version.id)),
            entries=entries,
            cut=cut,
        )


def _promotions(view: View, version: VersionRecord) -> Iterator[Promotion]:
    """Those of this version, oldest first."""
    found, before = list[Promotion](), 0
    while page := view.promotions(version.namespace, before=before, limit=PAGE_ROWS):
        found += [each for each in page if each.version_id == version.id]
        before = page[-1].id
    yield from reversed(found)


def _detail(view: View, promotion: Promotion) -> PromotionDetail:
    """As it was decided; one that is open has no checks yet that count."""
    written = loads(promotion.checks) if promotion.checks else []
    assert isinstance(written, list)
    checks = tuple(unpack(Check, each) for each in written)
    reference = f"{promotion.model}@v{promotion.version_number}"
    return PromotionDetail(promotion, reference, checks, tuple(view.reviews(promotion.id)))


def _policies(view: View, version: VersionRecord, details: Sequence[PromotionDetail]) -> tuple[PolicyRecord, ...]:
    """Every edition that was in force when something was asked or decided, and now."""
    moments = [at for each in details for at in (each.promotion.requested_ms, each.promotion.decided_ms) if at]
    named = {check.policy for each in details for check in each.checks}
    names = sorted(named | {each.name for each in view.policies(version.namespace)})
    return tuple(
        edition for name in names for edition in _in_force(view.policy_editions(version.namespace, name), moments)
    )


def _in_force(newest_first: Sequence[PolicyRecord], moments: Sequence[int]) -> Iterator[PolicyRecord]:
    """Oldest first. An edition is in force from when it was put until the next was, or it was removed; of two in one
    millisecond both are told."""
    ended = 0
    kept = []
    for edition in newest_first:
        until = edition.removed_ms or ended
        if not until or any(edition.created_ms <= at <= until for at in moments):
            kept.append(edition)
        ended = edition.created_ms
    yield from reversed(kept)


def _entries(
    view: View, version: VersionRecord, details: Sequence[PromotionDetail]
) -> tuple[tuple[LedgerEntry, ...], bool]:
    """What the ledger says of the version, its promotions and its model, oldest first; and whether there is more."""
    path = model_path(version.namespace, version.model)
    asked = {f"{each.promotion.model}@v{each.promotion.version_number} {shown_pointer(each.promotion.pointer)}"
             for each in details}  # fmt: skip
    subjects = {version.reference, f"{path}@v{version.number}", path, *asked}
    found: dict[int, LedgerEntry] = {}
    for subject in sorted(subjects):
        after = 0
        while page := view.ledger(after=after, limit=PAGE_ROWS, subject=subject):
            found |= {each.sequence: each for each in page if each.namespace == version.namespace}
            after = page[-1].sequence
            if len(found) > DOSSIER_ENTRIES:
                break
    ordered = [found[sequence] for sequence in sorted(found)]
    return tuple(ordered[:DOSSIER_ENTRIES]), len(ordered) > DOSSIER_ENTRIES


def _attached(house: House, evidence: Sequence[Evidence]) -> tuple[tuple[EvidenceAttachment, ...], list[AuditPart]]:
    """Files that came with evidence, as far as there is room; under names that no program opens as something active."""
    told, parts, left = list[EvidenceAttachment](), list[AuditPart](), DOSSIER_BYTES // 2
    for each in evidence:
        fits = sum(file.size for file in each.files) <= left
        bodies = _bodies(house, each) if fits else ()
        for number, file in enumerate(each.files):
            path = f"evidence/{each.id}-{number + 1}{safe_name(file.name)}" if number < len(bodies) else ""
            told.append(EvidenceAttachment(each.id, file.name, file.size, file.sha256, path))
            if path:
                parts.append(AuditPart(path, bodies[number]))
                left -= file.size
    return tuple(told), parts


def _bodies(house: House, evidence: Evidence) -> tuple[bytes, ...]:
    try:
        return tuple(bytes(file.content) for file in read_attached(house, evidence))
    except (BlockDamaged, PackDamaged):
        return ()


# Proofs and the signed list


def _proofs(view: View, key: LogKey, state: SignedState, entries: Sequence[LedgerEntry]) -> Iterator[AuditPart]:
    """An audit bundle of these entries, in the folder ledger/: that each is in the tree of the newest checkpoint, and
    that the checkpoint nearest behind the first of them is that tree's beginning."""
    tiles = tiles_of(view)
    try:
        proven = [
            ProvenEntry(each.sequence - 1, _leaf(view, each), inclusion_proof(each.sequence - 1, state.size, tiles))
            for each in entries
        ]
        below = list(bundle_head(key.public.name, [key.public], state))
        below += proof_parts(proven)
        earlier = view.checkpoints(after=entries[0].sequence - 1, limit=1) if entries else ()
        if earlier and earlier[0].size < state.size:
            before = SignedState(earlier[0].size, earlier[0].note)
            below += consistency_part(before, consistency_proof(before.size, state.size, tiles))
    except ValueError as error:
        raise damaged(f"The ledger's tiles cannot be read: {error}.", 0) from error
    kept = (opening for each in entries for opening in view.openings(after=each.sequence - 1, through=each.sequence))
    below += opening_parts(kept)
    yield from (AuditPart(f"ledger/{part.name}", part.body) for part in below)


def _leaf(view: View, entry: LedgerEntry) -> bytes:
    found = view.leaves(after=entry.sequence - 1, limit=1)
    if not found or found[0].sequence != entry.sequence:
        raise damaged(f"The leaf of entry {entry.sequence} is missing.", entry.sequence - 1)
    return found[0].leaf


def _list(content: Content, exact: str, parts: Iterable[AuditPart], key: LogKey) -> bytes:
    said: dict[str, Json] = {
        "reference": exact,
        "digest": content.portrait.version.digest,
        "made_ms": content.made_ms,
        "ledger_size": content.ledger_size,
    }
    files = {part.name: hashlib.sha256(part.body).hexdigest() for part in parts}
    return signed_list(said, files, key.public, key.sign)
