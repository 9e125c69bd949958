"""People who log in at an identity provider: who they are here, and the token they get.

A person is known for ever by issuer and subject. The first time, they are found by an e-mail address that the
provider has verified: an account that an admin made and nobody has logged in to yet, or a new one where addresses of
that domain are admitted. An address is never looked at again, so that whoever gets it next is somebody else.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.asks import IssuedToken
from budwood.domain.limits import EMAIL_CHARS, LOGIN_S, NAME_CHARS, TOKENS_PER_PERSON
from budwood.domain.names import PrincipalName
from budwood.domain.people import Principal, PrincipalKind, TokenRecord
from budwood.errors import BadName, Forbidden, LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.people import everybody

_EMAIL: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+", re.ASCII)
"""Printable ASCII with one @: outside of it, two addresses can look or fold alike."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider vouches for. ``email`` is empty unless the provider has verified it."""

    issuer: str
    subject: str
    email: str = ""


def log_in(house: House, who: Identity, admitted: Collection[str], secret: str) -> IssuedToken:
    """A token for ``LOGIN_S``. ``admitted``: domains whose people get an account. Raises Forbidden, LimitExceeded."""
    now = house.clock()

    def work(transaction: Transaction) -> IssuedToken:
        known = transaction.principal_by_subject(who.issuer, who.subject)
        person = known or _first_time(transaction, who, admitted, now)
        if person.kind is not PrincipalKind.PERSON or person.disabled_ms:
            raise Forbidden("This account may not log in.", hint="Ask an admin.")
        good = [each for each in transaction.tokens(person.name) if not each.revoked_ms and each.expires_ms > now]
        if len(good) >= TOKENS_PER_PERSON:
            hint = "Revoke some: 'budwood token list' shows them."
            raise LimitExceeded(
                f"{person.name} has too many tokens that are good.", hint=hint, limit="TOKENS_PER_PERSON"
            )
        record = TokenRecord(house.ids()[:16], person.id, person.name, "login", now, expires_ms=now + LOGIN_S * 1000)
        transaction.add_token(record, hashlib.sha256(secret.encode()).digest())
        transaction.add_ledger(now, person.name, "person.logged-in", person.name, {"token": record.id})
        return IssuedToken(secret, record)

    return house.catalog.write(work)


def _first_time(transaction: Transaction, who: Identity, admitted: Collection[str], now_ms: int) -> Principal:
    """Raises Forbidden, whose words do not say whether an account is there."""
    email = who.email.lower() if len(who.email) <= EMAIL_CHARS and _EMAIL.fullmatch(who.email) else ""
    namesakes = [each for each in everybody(transaction) if email and each.email.lower() == email]
    waiting = [each for each in namesakes if _waits(each)]
    body = {"issuer": who.issuer, "subject": who.subject}
    if len(namesakes) == len(waiting) == 1:
        person = replace(waiting[0], issuer=who.issuer, subject=who.subject)
        transaction.change_principal(person)
        transaction.add_ledger(now_ms, person.name, "person.tied", person.name, body)
        return person
    name, domain = _name_for(transaction, email), email.rpartition("@")[2]
    if namesakes or not name or domain not in admitted:
        hint = "Ask an admin to add you: budwood person add NAME --email ADDRESS. The provider must have verified it."
        raise Forbidden("Nobody here is known by this account.", hint=hint)
    person = transaction.add_principal(
        name, PrincipalKind.PERSON, at_ms=now_ms, email=email, issuer=who.issuer, subject=who.subject
    )
    transaction.add_ledger(now_ms, person.name, "person.added", person.name, {"email": email, **body})
    return person


def _waits(person: Principal) -> bool:
    """Made by an admin, and nobody has logged in to it."""
    return person.kind is PrincipalKind.PERSON and not person.issuer and not person.disabled_ms


def _name_for(view: View, email: str) -> str:
    """The address itself, in lower case; with a number behind it when somebody is named so. "" when it cannot be."""
    for ending in ("", *(f"-{number}" for number in range(2, 100))):
        wanted = email[: NAME_CHARS - len(ending)] + ending
        try:
            if view.principal(PrincipalName(wanted)) is None:
                return wanted
        except BadName:
            return ""
    return ""
