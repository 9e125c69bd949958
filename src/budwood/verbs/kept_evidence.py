"""Writing evidence down: with the digest that names it, and on the ledger."""

import hashlib
from dataclasses import replace

from budwood.catalog.api import Transaction
from budwood.domain.canon import dumps, pack
from budwood.domain.policy.evidence import Evidence
from budwood.domain.records import VersionRecord
from budwood.verbs.house import House


def keep_evidence(transaction: Transaction, house: House, version: VersionRecord, said: Evidence) -> Evidence:
    """With its digest, and on the ledger."""
    added = transaction.add_evidence(version.namespace, replace(said, digest=evidence_digest(said)))
    body = {"kind": str(added.kind), "evidence": added.digest, "outcome": str(added.outcome)}
    transaction.add_ledger(said.at_ms, house.author, "evidence.added", version.reference, body, version.namespace)
    return replace(added, body="")


def evidence_digest(evidence: Evidence) -> str:
    """Names all that it says, its author and time included."""
    return hashlib.sha256(dumps(pack(replace(evidence, id=0, digest="")))).hexdigest()
