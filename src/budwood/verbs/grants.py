"""Grants: who holds which role in a namespace. Its owners and admins give and take them.

Nobody gives a role to themselves, nor to a group they are in; so what anybody holds, somebody else gave them. Who
asks (``by``) is looked at again inside the transaction that changes something.
"""

import hashlib
from collections.abc import Collection, Sequence

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller, Permission, Role, check_roles
from budwood.domain.limits import GRANTS_PER_NAMESPACE
from budwood.domain.people import Grant
from budwood.errors import Forbidden, LimitExceeded, PreconditionFailed, RecordNotFound, StillInUse
from budwood.verbs.groups import group_named
from budwood.verbs.house import House
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.people import active_admins, afresh, person_named


def why_not(by: Caller, grant: Grant, members: Collection[str]) -> str:
    """Why this caller may not give this role; "" when they may. ``members`` are those of the group it is for."""
    if Permission.MANAGE not in by.permissions(grant.namespace):
        return f"{by.name} may not manage {grant.namespace}."
    if not grant.to_group and grant.to == by.name:
        return "Nobody grants a role to themselves."
    if grant.to_group and by.name in members and not by.is_admin:
        return f"{by.name} is in {grant.to}, and nobody grants a role to themselves."
    return ""


def grant(
    house: House, by: Caller, namespace: str, to: str, role: str, *, to_group: bool = False, expected: str = ""
) -> tuple[Grant, ...]:
    """All that are granted in the namespace afterwards. ``expected`` is the mark of those the caller saw.

    Raises BadName, BadValue, NamespaceNotFound, PrincipalNotFound, RecordNotFound, Forbidden, LimitExceeded,
    PreconditionFailed.
    """
    wanted, now = check_roles((role,))[0], house.clock()

    def work(transaction: Transaction) -> tuple[Grant, ...]:
        given = _grant(transaction, namespace, to, wanted, to_group, house.author, now)
        members = group_named(transaction, to).members if to_group else ()
        if refused := why_not(afresh(transaction, by), given, members):
            raise Forbidden(refused, hint="Ask another owner of the namespace, or an admin.")
        before = _unchanged(transaction, given.namespace, expected)
        if len(before) >= GRANTS_PER_NAMESPACE:
            message = f"At most {GRANTS_PER_NAMESPACE} roles are granted in a namespace."
            raise LimitExceeded(message, hint="Grant them to groups.", limit="GRANTS_PER_NAMESPACE")
        transaction.put_grant(given)
        transaction.add_ledger(now, house.author, "grant.given", to, _said(given), given.namespace)
        return tuple(transaction.grants(namespace=given.namespace))

    return house.catalog.write(work)


def ungrant(
    house: House, by: Caller, namespace: str, to: str, role: str, *, to_group: bool = False, expected: str = ""
) -> tuple[Grant, ...]:
    """Take a role away; the last owner's only where there is an admin. What is left is answered.

    Raises BadName, BadValue, NamespaceNotFound, PrincipalNotFound, RecordNotFound, Forbidden, StillInUse,
    PreconditionFailed.
    """
    wanted, now = check_roles((role,))[0], house.clock()

    def work(transaction: Transaction) -> tuple[Grant, ...]:
        taken = _grant(transaction, namespace, to, wanted, to_group, house.author, now)
        if Permission.MANAGE not in afresh(transaction, by).permissions(taken.namespace):
            raise Forbidden(f"{by.name} may not manage {taken.namespace}.")
        _unchanged(transaction, taken.namespace, expected)
        if not transaction.remove_grant(taken):
            raise RecordNotFound(f"{to} is no {wanted} of {taken.namespace}.", hint="'budwood grant list' shows them.")
        if wanted is Role.OWNER and not _has_owner(transaction, taken.namespace) and not active_admins(transaction):
            hint = "Grant the role to somebody else first."
            raise StillInUse(f"{to} is the last owner of {taken.namespace}, and there is no admin.", hint=hint)
        transaction.add_ledger(now, house.author, "grant.taken", to, _said(taken), taken.namespace)
        return tuple(transaction.grants(namespace=taken.namespace))

    return house.catalog.write(work)


def list_grants(house: House, namespace: str) -> tuple[Grant, ...]:
    """Raises BadName, NamespaceNotFound."""
    with house.catalog.read() as view:
        return tuple(view.grants(namespace=namespace_named(view, namespace).name))


def grants_mark(grants: Sequence[Grant]) -> str:
    """Another one whenever a role is given or taken."""
    words = sorted((each.to_group, each.to, each.role, each.granted_ms) for each in grants)
    return hashlib.sha256(repr(words).encode()).hexdigest()[:32]


def _grant(view: View, namespace: str, to: str, role: Role, to_group: bool, by: str, now_ms: int) -> Grant:
    record = namespace_named(view, namespace)
    found = group_named(view, to).name if to_group else person_named(view, to).name
    return Grant(record.name, found, role, to_group, by, now_ms)


def _unchanged(view: View, namespace: str, expected: str) -> Sequence[Grant]:
    grants = view.grants(namespace=namespace)
    if expected and expected != grants_mark(grants):
        raise PreconditionFailed(f"What is granted in {namespace} was changed meanwhile.")
    return grants


def _has_owner(view: View, namespace: str) -> bool:
    """Whether somebody who can act owns it, by name or through a group."""
    for each in view.grants(namespace=namespace):
        if each.role is not Role.OWNER:
            continue
        names = group_named(view, each.to).members if each.to_group else (each.to,)
        if any(not person_named(view, name).disabled_ms for name in names):
            return True
    return False


def _said(grant: Grant) -> dict[str, str | bool]:
    return {"role": str(grant.role), "group": grant.to_group}
