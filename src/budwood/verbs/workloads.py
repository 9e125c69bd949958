"""Jobs that come with a token of their own issuer (GitHub Actions, Kubernetes): what they get for it.

A job is one principal, known by issuer and subject, with the roles of the trusts it has ever come by; its token is
narrowed to those that match this time, so that what one run may do another one may not borrow.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.catalog.api import Transaction
from budwood.domain.access import ROLE_PERMISSIONS, Scope
from budwood.domain.asks import IssuedToken
from budwood.domain.limits import TOKEN_SCOPES, TOKENS_PER_PERSON, WORKLOAD_S
from budwood.domain.names import PrincipalName
from budwood.domain.people import Grant, Principal, PrincipalKind, TokenRecord, Trust
from budwood.errors import Forbidden, TooManyRequests
from budwood.verbs.house import House


@dataclass(frozen=True, slots=True)
class Job:
    """What an issuer vouches for, after its token was verified."""

    issuer: str
    subject: str
    audience: str
    claims: Mapping[str, object]


def is_trusted(house: House, issuer: str) -> bool:
    """Whether any namespace trusts some subject of it: until then nothing is fetched from there."""
    with house.catalog.read() as view:
        return view.is_trusted(issuer)


def admit(house: House, job: Job, secret: str) -> IssuedToken:
    """A token for ``WORKLOAD_S``. Raises Forbidden when no trust matches, TooManyRequests."""
    now = house.clock()

    def work(transaction: Transaction) -> IssuedToken:
        trusts = [trust for trust in transaction.trusts(issuer=job.issuer, subject=job.subject) if _fits(trust, job)]
        if not trusts:
            hint = "'budwood trust list NAMESPACE' shows what it trusts; subject, audience and claims match exactly."
            raise Forbidden("No namespace trusts this job.", hint=hint)
        workload = _principal(transaction, job, now)
        good = [each for each in transaction.tokens(workload.name) if not each.revoked_ms and each.expires_ms > now]
        if len(good) >= TOKENS_PER_PERSON:
            raise TooManyRequests("This job has asked for too many tokens.", retry_after_s=60)
        record = TokenRecord(
            house.ids()[:16],
            workload.id,
            workload.name,
            "workload",
            now,
            expires_ms=now + WORKLOAD_S * 1000,
            scopes=_scopes(trusts),
        )
        transaction.add_token(record, hashlib.sha256(secret.encode()).digest())
        for trust in trusts:
            _grant(transaction, trust, workload, now)
            body = {"token": record.id, "trust": trust.id}
            transaction.add_ledger(
                now, workload.name, "workload.admitted", workload.name, body, namespace=trust.namespace
            )
        return IssuedToken(secret, record)

    return house.catalog.write(work)


def _fits(trust: Trust, job: Job) -> bool:
    return trust.audience == job.audience and all(
        type(job.claims.get(name)) is str and job.claims[name] == value for name, value in trust.claims
    )


def _principal(transaction: Transaction, job: Job, now_ms: int) -> Principal:
    """Made the first time. Raises Forbidden."""
    known = transaction.principal_by_subject(job.issuer, job.subject)
    if known is not None:
        if known.kind is not PrincipalKind.WORKLOAD or known.disabled_ms:
            raise Forbidden("This job may do nothing here.", hint="Ask an admin.")
        return known
    name = name_of(job.issuer, job.subject)
    if transaction.principal(name) is not None:
        raise Forbidden(f"Somebody else is named {name}.", hint="Ask an admin.")
    added = transaction.add_principal(
        name, PrincipalKind.WORKLOAD, at_ms=now_ms, issuer=job.issuer, subject=job.subject
    )
    body = {"issuer": job.issuer, "subject": job.subject}
    transaction.add_ledger(now_ms, name, "workload.added", name, body)
    return added


def name_of(issuer: str, subject: str) -> str:
    """What people can read of a subject, and what tells it from all others."""
    words = re.sub(r"[^A-Za-z0-9._+-]+", "-", subject).strip("-._+")[:100]
    told_apart = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:16]
    return PrincipalName(f"{words or 'job'}-{told_apart}")


def _scopes(trusts: Sequence[Trust]) -> tuple[str, ...]:
    """As many as a token may have; those of the oldest trusts first."""
    found = {
        str(Scope(word, trust.namespace)): None for trust in trusts for word in sorted(ROLE_PERMISSIONS[trust.role])
    }
    return tuple(sorted(list(found)[:TOKEN_SCOPES]))


def _grant(transaction: Transaction, trust: Trust, workload: Principal, now_ms: int) -> None:
    held = transaction.roles_of(workload.id).get(trust.namespace, frozenset())
    if trust.role not in held:
        transaction.put_grant(Grant(trust.namespace, workload.name, trust.role, False, trust.created_by, now_ms))
