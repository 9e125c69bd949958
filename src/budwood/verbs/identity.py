"""Which human beings act, and which roles they hold since when: what separation of duties is decided on."""

from collections.abc import Mapping

from budwood.catalog.api import View
from budwood.domain.access import Caller, Role
from budwood.domain.people import Grant, PrincipalKind
from budwood.verbs.house import House


def acting(house: House, by: Caller) -> str:
    """The name of whoever asks: what a server knows them by, or who the registry's own files say it is."""
    return by.name or house.author


def person_of(view: View, house: House, by: Caller, namespace: str) -> tuple[str, frozenset[Role]]:
    """The person behind whoever asks ("" while nobody is known), and the roles that the asking one holds there."""
    name = acting(house, by)
    account = view.principal(name)
    person = account.owner if account is not None and account.kind is not PrincipalKind.PERSON else name
    return person, frozenset(roles_since(view, namespace, name))


def behind(view: View, name: str) -> frozenset[str]:
    """The people behind a name: themselves, or everybody whom the account ever answered to; none where nobody is known.

    In a registry without people every name is a person.
    """
    account = view.principal(name)
    if account is None or account.kind is PrincipalKind.PERSON:
        return frozenset({name})
    return frozenset({account.owner, *account.earlier_owners}) - {""}


def is_person(view: View, name: str) -> bool:
    """Whether it is a human being: programs say yes to nothing. In a registry without people, everybody is one."""
    principal = view.principal(name)
    return principal is None or (principal.kind is PrincipalKind.PERSON and not principal.disabled_ms)


def roles_since(view: View, namespace: str, name: str) -> Mapping[Role, int]:
    """The roles that somebody else gave them, directly or through a group, and since when (ms); none when disabled.

    Through a group: since both were so, the group's role and their membership, by somebody else as well.
    """
    principal = view.principal(name)
    if principal is None or principal.disabled_ms:
        return {}
    since: dict[Role, int] = {}
    for grant in view.grants(namespace=namespace):
        held_ms = _held(view, grant, name)
        if held_ms is not None:
            since[grant.role] = min(held_ms, since.get(grant.role, held_ms))
    return since


def _held(view: View, grant: Grant, name: str) -> int | None:
    """Since when this grant gives them its role by somebody else's word; None when it does not."""
    if grant.to != name and not grant.to_group:
        return None
    if name in behind(view, grant.granted_by):
        return None
    if not grant.to_group:
        return grant.granted_ms
    group = view.group(grant.to)
    joined = group.joined.get(name) if group is not None else None
    if joined is None or name in behind(view, joined.by):
        return None
    return max(grant.granted_ms, joined.at_ms)
