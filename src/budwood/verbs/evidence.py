"""Evidence: recorded results about one version, by somebody, in a role, at a time. Never changed, never removed."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller
from budwood.domain.asks_gates import AddEvidence
from budwood.domain.canon import dumps, pack
from budwood.domain.limits import (
    EVIDENCE_METRICS,
    EVIDENCE_PER_VERSION,
    KEY_CHARS,
    MESSAGE_BYTES,
    VALUE_BYTES,
)
from budwood.domain.names import Namespace
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval
from budwood.errors import BadValue, LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.identity import person_of
from budwood.verbs.resolve import resolve
from budwood.verbs.tag import check_text


def add_evidence(house: House, by: Caller, reference: str, wish: AddEvidence) -> Evidence:
    """Raises BadValue, LimitExceeded, NotFound."""
    _check(wish)
    now = house.clock()

    def work(transaction: Transaction) -> Evidence:
        version = resolve(transaction, reference)
        known = transaction.evidence(version.namespace, version.digest)
        if len(known) >= EVIDENCE_PER_VERSION:
            message = f"{version.reference} has {len(known)} pieces of evidence; more are not kept."
            raise LimitExceeded(message, limit="EVIDENCE_PER_VERSION")
        person, roles = person_of(transaction, house, by, version.namespace)
        said = Evidence(
            0,
            version.digest,
            wish.kind,
            house.author,
            person,
            tuple(sorted(map(str, roles))),
            now,
            wish.outcome,
            dict(wish.metrics),
            dict(wish.intervals),
            wish.dataset,
            wish.samples,
            wish.summary,
        )
        added = transaction.add_evidence(version.namespace, replace(said, digest=evidence_digest(said)))
        body = {"kind": str(added.kind), "evidence": added.digest, "outcome": str(added.outcome)}
        transaction.add_ledger(now, house.author, "evidence.added", version.reference, body, version.namespace)
        return added

    return house.catalog.write(work)


def list_evidence(house: House, reference: str) -> tuple[Evidence, ...]:
    """Oldest first. Raises BadReference, NotFound."""
    with house.catalog.read() as view:
        version = resolve(view, reference)
        return tuple(replace(each, body="") for each in view.evidence(version.namespace, version.digest))


def evidence_of(view: View, namespace: str, digest: str) -> tuple[Evidence, ...]:
    """What the namespace knows of a manifest, oldest first."""
    return tuple(view.evidence(Namespace(namespace), digest))


def evidence_digest(evidence: Evidence) -> str:
    """Names all that it says, its author and time included."""
    return hashlib.sha256(dumps(pack(replace(evidence, id=0, digest="")))).hexdigest()


def _check(wish: AddEvidence) -> None:
    if wish.kind is EvidenceKind.SIGNATURE:
        raise BadValue("A signature is not told, it is given.", hint="budwood sign REF --key KEY.pem")
    if len(wish.metrics) > EVIDENCE_METRICS or len(wish.intervals) > EVIDENCE_METRICS:
        raise LimitExceeded(f"At most {EVIDENCE_METRICS} metrics.", limit="EVIDENCE_METRICS")
    for name, value in wish.metrics.items():
        _check_key(name)
        _check_number(name, value)
    _check_intervals(wish.intervals, wish.metrics)
    if not 0 <= wish.samples <= 10**15:
        raise BadValue(f"{wish.samples} is no number of samples.")
    check_text(wish.dataset, "The dataset", VALUE_BYTES, "VALUE_BYTES")
    check_text(wish.summary, "The summary", MESSAGE_BYTES, "MESSAGE_BYTES")
    if not (wish.metrics or wish.outcome or wish.summary):
        raise BadValue("That says nothing.", hint="Give metrics, an outcome or a summary.")


def _check_intervals(intervals: Mapping[str, Interval], metrics: Mapping[str, float]) -> None:
    for name, interval in intervals.items():
        if name not in metrics:
            raise BadValue(f"There is an interval for {name[:80]!r}, but no value.", metric=name[:80])
        for value in (interval.low, interval.high, interval.level):
            _check_number(name, value)
        if interval.low > interval.high or not 0 < interval.level < 1:
            raise BadValue(f"The interval of {name[:80]!r} is none.", hint="low <= high, and a level such as 0.95.")


def _check_key(name: str) -> None:
    if not 1 <= len(name) <= KEY_CHARS or not name.isprintable():
        raise BadValue(f"{name[:80]!r} is no name of a metric.")


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise BadValue(f"The metric {name[:80]!r} is {value}, which is no number.", metric=name[:80])
