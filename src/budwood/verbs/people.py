"""People and service accounts: who there is. What they may do is granted (grants.py), or comes with being admin.

Nobody is ever removed: the ledger and versions name them. Whoever is disabled may do nothing from that moment on.
"""

import re
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller
from budwood.domain.asks_people import ChangePerson
from budwood.domain.limits import EMAIL_CHARS, PAGE_ROWS
from budwood.domain.names import PrincipalName
from budwood.domain.people import Principal, PrincipalKind
from budwood.errors import BadValue, Forbidden, NameTaken, PrincipalNotFound, StillInUse
from budwood.verbs.house import House
from budwood.verbs.namespaces import check_page

_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def add_person(
    house: House, name: str, *, kind: PrincipalKind = PrincipalKind.PERSON, email: str = "", owner: str = ""
) -> Principal:
    """A person, or a service account and whom it answers to.

    Raises BadName, BadValue, NameTaken, PrincipalNotFound.
    """
    wanted, now = PrincipalName(name), house.clock()
    if kind is PrincipalKind.WORKLOAD:
        hint = "Trust its issuer: budwood trust add."
        raise BadValue("A workload is made when it first comes with a token of an issuer that is trusted.", hint=hint)
    _check_email(email)

    def work(transaction: Transaction) -> Principal:
        if transaction.principal(wanted) is not None:
            raise NameTaken(f"There is somebody named {wanted!r} already.", name=wanted)
        _check_alone(transaction, email, wanted)
        behind = _owner(transaction, owner, wanted, kind) if owner else ""
        person = transaction.add_principal(wanted, kind, at_ms=now, email=email, owner=behind)
        body = {"email": email} | ({"owner": behind} if behind else {})
        transaction.add_ledger(now, house.author, f"{kind}.added", wanted, body)
        return person

    return house.catalog.write(work)


def list_people(house: House, *, after: str = "", limit: int = 100) -> tuple[Principal, ...]:
    """By name, those behind ``after``. Raises LimitExceeded."""
    check_page(limit)
    with house.catalog.read() as view:
        return tuple(view.principals(after=after, limit=limit))


def show_person(house: House, name: str) -> Principal:
    """Raises BadName, PrincipalNotFound."""
    with house.catalog.read() as view:
        return person_named(view, name)


def change_person(house: House, name: str, change: ChangePerson) -> Principal:
    """Disable or enable somebody, make them an admin or an admin no longer, set their e-mail address, say whom an
    account answers to.

    Raises BadName, BadValue, PrincipalNotFound, NameTaken; StillInUse for the last admin.
    """
    now = house.clock()
    if change.email is not None:
        _check_email(change.email)

    def work(transaction: Transaction) -> Principal:
        before = person_named(transaction, name)
        after = _answering(transaction, _changed(before, change, now), change.owner)
        if after.is_admin and after.kind is not PrincipalKind.PERSON:
            raise BadValue(f"{after.name} is a {after.kind}; only a person can be an admin.")
        if is_active_admin(before) and not is_active_admin(after) and len(active_admins(transaction)) == 1:
            hint = "Make somebody else an admin first: budwood person change NAME --admin."
            raise StillInUse(f"{after.name} is the last admin.", hint=hint)
        if after.email != before.email:
            _check_alone(transaction, after.email, after.name)
        transaction.change_principal(after)
        body: dict[str, object] = {
            "email": after.email,
            "is_admin": after.is_admin,
            "disabled": bool(after.disabled_ms),
        }
        if after.kind is not PrincipalKind.PERSON:
            body["owner"] = after.owner
        transaction.add_ledger(now, house.author, f"{after.kind}.changed", after.name, body)
        return after

    return house.catalog.write(work)


def empty_account(transaction: Transaction, name: str, now_ms: int) -> None:
    """Disable somebody for good: no address, no tie to an identity provider, no admin.

    Raises BadName, PrincipalNotFound; StillInUse for the last admin.
    """
    before = person_named(transaction, name)
    if is_active_admin(before) and len(active_admins(transaction)) == 1:
        hint = "Make somebody else an admin first: budwood person change NAME --admin."
        raise StillInUse(f"{before.name} is the last admin.", hint=hint)
    disabled_ms = before.disabled_ms or now_ms
    gone = replace(before, email="", issuer="", subject="", is_admin=False, disabled_ms=disabled_ms)
    transaction.change_principal(gone)


def person_named(view: View, name: str) -> Principal:
    """Raises BadName, PrincipalNotFound."""
    wanted = PrincipalName(name)
    found = view.principal(wanted)
    if found is None:
        raise PrincipalNotFound(f"There is nobody named {wanted!r}.", name=wanted)
    return found


def afresh(view: View, by: Caller) -> Caller:
    """The caller as the transaction sees them: what they were a moment ago they may be no longer. Raises Forbidden."""
    if not by.name:
        return by
    person = view.principal(by.name)
    if person is None or person.disabled_ms:
        raise Forbidden(f"{by.name} may do nothing here any more.")
    return replace(by, roles=view.roles_of(person.id), is_admin=person.is_admin)


def is_active_admin(person: Principal) -> bool:
    """Whether they are an admin who can act."""
    return person.is_admin and not person.disabled_ms


def active_admins(view: View) -> list[str]:
    """Their names."""
    return [person.name for person in everybody(view) if is_active_admin(person)]


def everybody(view: View) -> list[Principal]:
    """All there are: seldom asked, and read in pages."""
    found: list[Principal] = []
    while page := view.principals(after=found[-1].name if found else "", limit=PAGE_ROWS):
        found += page
    return found


def _changed(before: Principal, change: ChangePerson, now_ms: int) -> Principal:
    disabled_ms = before.disabled_ms
    if change.disabled is not None:
        disabled_ms = (before.disabled_ms or now_ms) if change.disabled else 0
    return replace(
        before,
        email=before.email if change.email is None else change.email,
        is_admin=before.is_admin if change.is_admin is None else change.is_admin,
        disabled_ms=disabled_ms,
    )


def _answering(view: View, account: Principal, owner: str | None) -> Principal:
    """The account with another owner. Earlier ones are kept: what it did in their time, they did."""
    if owner is None or owner == account.owner:
        return account
    behind = _owner(view, owner, account.name, account.kind)
    earlier = dict.fromkeys((*account.earlier_owners, account.owner))
    return replace(account, owner=behind, earlier_owners=tuple(each for each in earlier if each not in ("", behind)))


def _owner(view: View, owner: str, name: str, kind: PrincipalKind) -> str:
    """Raises BadName, BadValue, PrincipalNotFound."""
    if kind is PrincipalKind.PERSON:
        raise BadValue(f"{name} is a person, and answers to nobody.", hint="Only an account of a program has an owner.")
    if not owner:
        raise BadValue(f"{name} must answer to somebody.", hint="Name another person: --owner PERSON.")
    person = person_named(view, owner)
    if person.kind is not PrincipalKind.PERSON or person.disabled_ms:
        what = "is disabled" if person.disabled_ms else f"is a {person.kind}"
        raise BadValue(f"{person.name} {what}; an account answers to a person.", hint="Name one who can act.")
    return person.name


def _check_email(email: str) -> None:
    if email and (len(email) > EMAIL_CHARS or not _EMAIL.fullmatch(email) or not email.isprintable()):
        raise BadValue("That is no e-mail address.")


def _check_alone(view: View, email: str, name: str) -> None:
    """An address that two people share could not say who logs in. Raises NameTaken."""
    if email and any(other.email.lower() == email.lower() and other.name != name for other in everybody(view)):
        raise NameTaken("Somebody else has this e-mail address.")
