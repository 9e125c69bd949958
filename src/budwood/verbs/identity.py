"""Which human being acts, and which roles they hold since when: what separation of duties is decided on."""

from collections.abc import Mapping

from budwood.catalog.api import View
from budwood.domain.access import Caller, Role
from budwood.domain.people import PrincipalKind
from budwood.verbs.house import House


def acting(house: House, by: Caller) -> str:
    """The name of whoever asks: what a server knows them by, or who the registry's own files say it is."""
    return by.name or house.author


def person_of(view: View, house: House, by: Caller, namespace: str) -> tuple[str, frozenset[Role]]:
    """Whoever asks, and the roles they hold in the namespace."""
    name = acting(house, by)
    return name, frozenset(roles_since(view, namespace, name))


def is_person(view: View, name: str) -> bool:
    """Whether it is a human being: programs say yes to nothing. In a registry without people, everybody is one."""
    principal = view.principal(name)
    return principal is None or (principal.kind is PrincipalKind.PERSON and not principal.disabled_ms)


def roles_since(view: View, namespace: str, name: str) -> Mapping[Role, int]:
    """The roles that somebody else gave them, directly or through a group, and since when (ms); none when disabled."""
    principal = view.principal(name)
    if principal is None or principal.disabled_ms:
        return {}
    since: dict[Role, int] = {}
    for grant in view.grants(namespace=namespace):
        if grant.granted_by == name:
            continue
        if grant.to_group:
            group = view.group(grant.to)
            holds = group is not None and name in group.members
        else:
            holds = grant.to == name
        if holds:
            since[grant.role] = min(grant.granted_ms, since.get(grant.role, grant.granted_ms))
    return since
