"""All that a dossier is made from, gathered at one moment, and what nobody knows."""

from collections.abc import Iterator
from dataclasses import dataclass

from budwood.domain.names import Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.policy.records import PolicyRecord, PromotionDetail, PromotionState, Tiered
from budwood.domain.portrait import Portrait
from budwood.domain.records import LedgerEntry
from budwood.domain.retention import Hold, Keeping, RulesRecord, Service
from budwood.domain.trace import Trace


@dataclass(frozen=True, slots=True)
class EvidenceAttachment:
    """A file that came with evidence; ``path`` is where the dossier has it, "" where it is too large for one."""

    evidence: int
    name: str
    size: int
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Content:
    """``promotions`` are those of this version, with the checks they were decided by; ``policies`` every edition that
    was in force when one was asked for or decided, and those in force now; ``entries`` what the ledger says of the
    version and its model, of which ``cut`` tells that there are more."""

    made_ms: int
    made_by: str
    registry: str
    portrait: Portrait
    above: Trace
    below: Trace
    tier: Tiered
    promotions: tuple[PromotionDetail, ...]
    policies: tuple[PolicyRecord, ...]
    services: tuple[Service, ...]
    stages: tuple[tuple[int, Stage], ...]
    keeping: Keeping
    rules: RulesRecord | None
    holds: tuple[Hold, ...]
    entries: tuple[LedgerEntry, ...]
    attachments: tuple[EvidenceAttachment, ...] = ()
    ledger_size: int = 0
    key: str = ""
    cut: bool = False

    def of_kind(self, kind: EvidenceKind) -> tuple[Evidence, ...]:
        """The evidence of one kind, oldest first."""
        return tuple(each for each in self.portrait.evidence if each.kind is kind)

    @property
    def served(self) -> tuple[Service, ...]:
        """Those of its pointers that people rely on."""
        return tuple(service for service in self.services if service.serves)

    @property
    def applied(self) -> tuple[PromotionDetail, ...]:
        return tuple(each for each in self.promotions if each.promotion.state is PromotionState.APPLIED)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not known. ``section`` is where it would stand."""

    section: str
    what: str


def gaps_of(content: Content) -> tuple[Gap, ...]:
    """What nobody said, recorded or proved; in the order of the sections."""
    return tuple(Gap(*each) for each in _gaps(content))


def _gaps(content: Content) -> Iterator[tuple[str, str]]:
    portrait, version = content.portrait, content.portrait.version
    for what in portrait.gaps():
        yield "facts", f"Nobody said: {what}."
    if version.gone_ms:
        yield "files", f"The bytes of its files were let go: {version.gone_reason}."
    if content.above.cut or content.below.cut:
        yield "lineage", "There is more lineage than is shown."
    if not portrait.facts.parents and not portrait.facts.datasets:
        yield "lineage", "It is not known what it was made from."
    if not portrait.evidence:
        yield "evidence", "There is no evidence at all."
    for each in content.attachments:
        if not each.path:
            yield "evidence", f"The file {each.name} of evidence {each.evidence} is too large for a dossier."
    if not content.of_kind(EvidenceKind.SCAN):
        yield "scan", "No result of a scan is recorded."
    if not content.of_kind(EvidenceKind.SIGNATURE):
        yield "evidence", "Nobody signed its files."
    yield from _gaps_of_release(content)
    if content.cut:
        yield "ledger", "The ledger says more of it than is shown."


def _gaps_of_release(content: Content) -> Iterator[tuple[str, str]]:
    if not content.tier.author:
        yield "approvals", "Nobody said how much harm it could do; it counts as high."
    if content.served and not content.applied:
        yield "approvals", "It served without a promotion: no policy asked for one, or it came before there was one."
    for each in content.promotions:
        if each.promotion.broke_glass and not each.promotion.looked_by:
            yield "approvals", f"Promotion {each.promotion.id} went past the gates, and nobody has looked at it."
    if not content.policies:
        yield "policies", "No policy was or is in force for it."
    if not content.served:
        yield "serving", "It never served, as far as pointers tell."
    yield "serving", "Which requests it answered is not recorded here: pointers tell when it was what was asked for."
    if not content.keeping.name:
        yield "retention", "No class says how long its bytes are kept."
