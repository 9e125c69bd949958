"""The ledger's tree: signed checkpoints, proofs, checking, audit bundles, and forgetting people."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_audit import (
    BundleParts,
    Erase,
    Erased,
    LedgerVerified,
    ProvenLeaf,
    ReadCheckpoint,
    ReadParts,
    SignedCheckpoint,
    VerifyLedger,
)
from budwood.domain.routes.route import Route
from budwood.errors import BadValue, FrameworkMissing, LedgerDamaged, NotFound

CHECKPOINT: Final = Route(
    name="audit.checkpoint",
    method="GET",
    path="/v1/audit/checkpoint",
    permission=Permission.KNOWN,
    summary="The newest signed state of the ledger, and how an earlier one leads to it.",
    query=ReadCheckpoint,
    response=SignedCheckpoint,
    errors=(FrameworkMissing, LedgerDamaged, NotFound),
)
PROVE: Final = Route(
    name="audit.prove",
    method="GET",
    path="/v1/audit/entries/{number}/proof",
    permission=Permission.KNOWN,
    summary="That one entry, of a namespace you may read, is in the signed ledger.",
    response=ProvenLeaf,
    errors=(FrameworkMissing, LedgerDamaged, NotFound),
)
VERIFY: Final = Route(
    name="audit.verify",
    method="POST",
    path="/v1/audit/verify",
    permission=Permission.ADMINISTER,
    summary="Compute the whole ledger again, and name the first entry that is not what was signed.",
    request=VerifyLedger,
    response=LedgerVerified,
    errors=(BadValue, FrameworkMissing),
    reads=True,
)
PARTS: Final = Route(
    name="audit.parts",
    method="GET",
    path="/v1/audit/parts",
    permission=Permission.ADMINISTER,
    summary="An audit bundle, some files at a time.",
    query=ReadParts,
    response=BundleParts,
    errors=(BadValue, FrameworkMissing, LedgerDamaged, NotFound),
)
ERASE: Final = Route(
    name="audit.erase",
    method="POST",
    path="/v1/audit/erase",
    permission=Permission.ADMINISTER,
    summary="Forget what the ledger says of a person; every proof goes on holding.",
    request=Erase,
    response=Erased,
    errors=(BadValue, LedgerDamaged),
)

ROUTES: Final = (CHECKPOINT, PROVE, VERIFY, PARTS, ERASE)
