"""Gathering all that is said of a version, near or far, for cards and bills of materials; and adding to it."""

from budwood.client.gates import Gates
from budwood.client.version import Version
from budwood.domain.asks_gates import Attached
from budwood.domain.limits import CARD_BYTES
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.portrait import CARD_FILE, Portrait, newest_card, words_of
from budwood.errors import BadValue, LimitExceeded


def portrait_of(version: Version, gates: Gates) -> Portrait:
    """As it is now. Raises NotFound, ManifestDamaged."""
    detail = version.detail()
    # Not by a name that may come to mean another version while we read.
    exact = f"{detail.version.namespace}/{detail.version.model}@v{detail.version.number}"
    evidence = tuple(gates.evidence(exact))
    newest = newest_card(evidence)
    words = None
    if newest is not None:
        files = {each.name: each.content for each in gates.evidence_files(exact, newest.digest)}
        words = words_of(newest, files.get(CARD_FILE, b""))
    return Portrait(detail, version.manifest, evidence, words)


def edit_card(gates: Gates, reference: str, text: str) -> Evidence:
    """Evidence of the kind ``card``: said by somebody at a time, never changed, and followed by the next edit."""
    if not text.strip():
        raise BadValue("A card needs words.", hint="Write what it is for, and what it is not for.")
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > CARD_BYTES:
        raise LimitExceeded(f"A card has at most {CARD_BYTES} bytes of one's own words.", limit="CARD_BYTES")
    return gates.add_evidence(reference, EvidenceKind.CARD, files=(Attached(CARD_FILE, content),))
