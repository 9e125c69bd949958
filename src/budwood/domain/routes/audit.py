"""The ledger's tree: signed checkpoints, proofs, checking, audit bundles, and forgetting people."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_audit import (
    BundleParts,
    Cosign,
    Cosigned,
    Erase,
    Erased,
    LedgerVerified,
    NameWitness,
    ProvenLeaf,
    ReadCheckpoint,
    ReadParts,
    SignedCheckpoint,
    VerifyLedger,
    Witnesses,
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

WITNESSES: Final = Route(
    name="audit.witnesses",
    method="GET",
    path="/v1/audit/witnesses",
    permission=Permission.KNOWN,
    summary="Those on other machines who sign checkpoints, too, and what they signed last.",
    response=Witnesses,
    errors=(FrameworkMissing,),
)
ADD_WITNESS: Final = Route(
    name="audit.add-witness",
    method="POST",
    path="/v1/audit/witnesses",
    permission=Permission.ADMINISTER,
    summary="Keep the lines of a witness from now on.",
    request=NameWitness,
    response=Witnesses,
    errors=(BadValue, FrameworkMissing),
)
REMOVE_WITNESS: Final = Route(
    name="audit.remove-witness",
    method="POST",
    path="/v1/audit/witnesses/remove",
    permission=Permission.ADMINISTER,
    summary="Take no more lines of a witness; those there are stay.",
    request=NameWitness,
    response=Witnesses,
    errors=(BadValue, FrameworkMissing, NotFound),
)
COSIGN: Final = Route(
    name="audit.cosign",
    method="POST",
    path="/v1/audit/cosignatures",
    permission=Permission.KNOWN,
    summary="A witness's line below a checkpoint; its signature is what counts, not who brings it.",
    request=Cosign,
    response=Cosigned,
    errors=(BadValue, FrameworkMissing, NotFound),
)

ROUTES: Final = (CHECKPOINT, PROVE, VERIFY, PARTS, ERASE, WITNESSES, ADD_WITNESS, REMOVE_WITNESS, COSIGN)
