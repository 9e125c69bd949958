"""Evidence before it is sent: its files read, and signed where the key is."""

import hashlib
from dataclasses import replace
from pathlib import Path

from budwood.domain.asks_gates import AddEvidence, Attached
from budwood.domain.limits import EVIDENCE_FILES_BYTES
from budwood.domain.policy.evidence import claimed, statement_of
from budwood.domain.records import VersionRecord
from budwood.domain.signature import bundle_text
from budwood.errors import LimitExceeded, SourceNotFound
from budwood.govern.signing import sign


def read_file(given: str | Path | Attached) -> Attached:
    """Raises SourceNotFound, LimitExceeded."""
    if isinstance(given, Attached):
        return given
    path = Path(given)
    try:
        with path.open("rb") as file:
            content = file.read(EVIDENCE_FILES_BYTES + 1)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    if len(content) > EVIDENCE_FILES_BYTES:
        hint = "Push what is large as a version of a dataset, and name it in the summary."
        message = f"{path} has more than {EVIDENCE_FILES_BYTES} bytes."
        raise LimitExceeded(message, hint=hint, limit="EVIDENCE_FILES_BYTES")
    return Attached(path.name, content)


def signed(wish: AddEvidence, version: VersionRecord, key: str | bytes, password: str = "") -> AddEvidence:
    """The same with a signature of all it says about this version. Raises BadValue, FrameworkMissing."""
    claim = claimed(
        wish.kind,
        wish.outcome,
        metrics=wish.metrics,
        intervals=wish.intervals,
        dataset=wish.dataset,
        samples=wish.samples,
        summary=wish.summary,
        details=wish.details,
        files=[(each.name, len(each.content), hashlib.sha256(each.content).hexdigest()) for each in wish.files],
    )
    pem = key.encode() if isinstance(key, str) else key
    bundle = bundle_text(sign(statement_of(version.model, version.digest, claim), pem, password))
    return replace(wish, bundle=bundle)
