"""Evidence: recorded results about one version, by somebody, in a role, at a time. Never changed, never removed."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller
from budwood.domain.asks_gates import AddEvidence, Attached
from budwood.domain.limits import (
    EVIDENCE_DETAILS,
    EVIDENCE_METRICS,
    EVIDENCE_PER_VERSION,
    KEY_CHARS,
    MESSAGE_BYTES,
    VALUE_BYTES,
)
from budwood.domain.names import Namespace
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.attached import check_files, read_attached, written
from budwood.verbs.house import House
from budwood.verbs.identity import person_of
from budwood.verbs.kept_evidence import keep_evidence
from budwood.verbs.resolve import resolve
from budwood.verbs.tag import check_text
from budwood.verbs.vouched import checked_key

LEAST_DIGITS: Final = 8
_NUMBER: Final = "A metric is a finite number: accuracy=0.91."


def add_evidence(
    house: House, by: Caller, reference: str, wish: AddEvidence, *, beside: House | None = None
) -> Evidence:
    """Keep a result, its files and its signature, which must be by a key the namespace trusts and say the same.

    ``beside`` is for what is written before it: the files' blocks.
    Raises BadValue, LimitExceeded, NotFound, QuotaExceeded, FrameworkMissing, StorageFull, StorageFailed.
    """
    _check(wish)
    with house.catalog.read() as view:
        version = resolve(view, reference)
    exact = f"{version.namespace}/{version.model}@v{version.number}"
    now = house.clock()
    with written(beside or house, wish.files, version.namespace) as writing:

        def work(transaction: Transaction) -> Evidence:
            version = resolve(transaction, exact)
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
                details=dict(wish.details),
                files=writing.files,
                body=wish.bundle,
            )
            key = checked_key(transaction, version.namespace, said) if wish.bundle else ""
            writing.publish(transaction, house, version.namespace)
            return keep_evidence(transaction, house, version, replace(said, key=key))

        return house.catalog.write(work)


def list_evidence(house: House, reference: str) -> tuple[Evidence, ...]:
    """Oldest first. Raises BadReference, NotFound."""
    with house.catalog.read() as view:
        version = resolve(view, reference)
        return tuple(replace(each, body="") for each in view.evidence(version.namespace, version.digest))


def evidence_files(house: House, reference: str, digest: str) -> tuple[Attached, ...]:
    """The files of one, by its digest or what begins it. Raises BadReference, NotFound, BlockDamaged."""
    with house.catalog.read() as view:
        version = resolve(view, reference)
        known = view.evidence(version.namespace, version.digest)
    found = [each for each in known if len(digest) >= LEAST_DIGITS and each.digest.startswith(digest)]
    if len(found) != 1:
        message = f"{version.reference} has {len(found)} pieces of evidence {digest[:80]!r}."
        raise RecordNotFound(message, hint=f"budwood evidence list {version.reference} --json")
    return read_attached(house, found[0])


def evidence_of(view: View, namespace: str, digest: str) -> tuple[Evidence, ...]:
    """What the namespace knows of a manifest, oldest first."""
    return tuple(view.evidence(Namespace(namespace), digest))


def _check(wish: AddEvidence) -> None:
    if wish.kind is EvidenceKind.SIGNATURE:
        raise BadValue("A signature is not told, it is given.", hint="budwood sign REF --key KEY.pem")
    if wish.kind is EvidenceKind.DERIVATION:
        raise BadValue("A derivation is not told, it is computed.", hint="Push the copy: what it is of is then found.")
    if len(wish.metrics) > EVIDENCE_METRICS or len(wish.intervals) > EVIDENCE_METRICS:
        raise LimitExceeded(f"At most {EVIDENCE_METRICS} metrics.", limit="EVIDENCE_METRICS")
    for name, value in wish.metrics.items():
        _check_key(name)
        _check_number(name, value)
    _check_intervals(wish.intervals, wish.metrics)
    if not 0 <= wish.samples <= 10**15:
        raise BadValue(f"{wish.samples} is no number of samples.", hint="On how many was it measured? 2000.")
    check_text(wish.dataset, "The dataset", VALUE_BYTES, "VALUE_BYTES")
    check_text(wish.summary, "The summary", MESSAGE_BYTES, "MESSAGE_BYTES")
    if len(wish.details) > EVIDENCE_DETAILS:
        raise LimitExceeded(f"At most {EVIDENCE_DETAILS} details.", limit="EVIDENCE_DETAILS")
    for name, text in wish.details.items():
        _check_key(name)
        check_text(text, f"The detail {name!r}", VALUE_BYTES, "VALUE_BYTES")
    check_files(wish.files)
    if not (wish.metrics or wish.outcome or wish.summary or wish.files):
        raise BadValue("That says nothing.", hint="Give metrics, an outcome, a summary or files.")


def _check_intervals(intervals: Mapping[str, Interval], metrics: Mapping[str, float]) -> None:
    for name, interval in intervals.items():
        if name not in metrics:
            raise BadValue(f"There is an interval for {name[:80]!r}, but no value.", metric=name[:80])
        for value in (interval.low, interval.high, interval.level):
            _check_number(name, value)
        check_text(interval.method, "The method of an interval", KEY_CHARS, "KEY_CHARS")
        if interval.low > interval.high or not 0 < interval.level < 1:
            raise BadValue(f"The interval of {name[:80]!r} is none.", hint="low <= high, and a level such as 0.95.")


def _check_key(name: str) -> None:
    if not 1 <= len(name) <= KEY_CHARS or not name.isprintable():
        raise BadValue(f"{name[:80]!r} is no name of a metric.")


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise BadValue(f"The metric {name[:80]!r} is {value}, which is no number.", hint=_NUMBER, metric=name[:80])
