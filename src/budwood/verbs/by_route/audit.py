"""The ledger's tree, by route."""

import base64
from typing import Final

from budwood.domain.asks_audit import (
    BundlePart,
    BundleParts,
    Cosigned,
    Erased,
    LedgerVerified,
    ProvenLeaf,
    ReadCheckpoint,
    SignedCheckpoint,
    Witnesses,
)
from budwood.domain.routes import audit
from budwood.errors import RecordNotFound
from budwood.verbs import audit as verbs
from budwood.verbs import witnesses
from budwood.verbs.audit_export import ExportedParts, export_parts
from budwood.verbs.by_route.asked import Asked, Deed


def _checkpoint(asked: Asked) -> SignedCheckpoint:
    query = asked.query or ReadCheckpoint()
    return verbs.checkpoint(asked.whole, query.before, witnessed=query.witnessed)


def _prove(asked: Asked) -> ProvenLeaf:
    text = asked.holes["number"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise RecordNotFound(f"There is no entry {text[:80]!r} in the ledger.", hint="'budwood ledger' shows them.")
    return verbs.prove(asked.house, asked.whole, int(text))


def _verify(asked: Asked) -> LedgerVerified:
    return verbs.verify_log(asked.whole, asked.body)


def _parts(asked: Asked) -> ExportedParts:
    return export_parts(asked.whole, asked.query.cursor, openings=asked.query.openings)


def _made(found: ExportedParts) -> BundleParts:
    parts = (BundlePart(each.name, base64.b64encode(each.body).decode()) for each in found.parts)
    return BundleParts(tuple(parts), found.cursor)


def _erase(asked: Asked) -> Erased:
    return verbs.erase(asked.whole, asked.body.person, asked.body.also, account=asked.body.account)


def _witnesses(asked: Asked) -> Witnesses:
    return witnesses.list_witnesses(asked.whole)


def _add_witness(asked: Asked) -> Witnesses:
    return witnesses.add_witness(asked.whole, asked.body.key)


def _remove_witness(asked: Asked) -> Witnesses:
    return witnesses.remove_witness(asked.whole, asked.body.key)


def _cosign(asked: Asked) -> Cosigned:
    return witnesses.cosign(asked.whole, asked.body)


DEEDS: Final = {
    audit.WITNESSES.name: Deed(_witnesses),
    audit.ADD_WITNESS.name: Deed(_add_witness),
    audit.REMOVE_WITNESS.name: Deed(_remove_witness),
    audit.COSIGN.name: Deed(_cosign),
    audit.CHECKPOINT.name: Deed(_checkpoint),
    audit.PROVE.name: Deed(_prove),
    audit.VERIFY.name: Deed(_verify, long=True),
    audit.PARTS.name: Deed(_parts, _made),
    audit.ERASE.name: Deed(_erase),
}
