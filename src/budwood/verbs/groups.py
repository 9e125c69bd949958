"""Groups: people who are given roles together. Admins say who is in one, so no owner can widen a group of theirs."""

import hashlib
from collections.abc import Sequence

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import GROUP_MEMBERS
from budwood.domain.names import PrincipalName
from budwood.domain.people import Group
from budwood.errors import LimitExceeded, NameTaken, PreconditionFailed, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.namespaces import check_page
from budwood.verbs.people import person_named


def add_group(house: House, name: str, members: Sequence[str] = ()) -> Group:
    """Raises BadName, NameTaken, PrincipalNotFound, LimitExceeded."""
    wanted, now = PrincipalName(name), house.clock()

    def work(transaction: Transaction) -> Group:
        if transaction.group(wanted) is not None:
            raise NameTaken(f"There is a group {wanted!r} already.", name=wanted)
        ids = _ids(transaction, members)
        transaction.add_group(wanted, at_ms=now)
        transaction.set_members(wanted, ids, at_ms=now, by=house.author)
        added = group_named(transaction, wanted)
        transaction.add_ledger(now, house.author, "group.added", wanted, {"members": list(added.members)})
        return added

    return house.catalog.write(work)


def list_groups(house: House, *, after: str = "", limit: int = 100) -> tuple[Group, ...]:
    """By name, those behind ``after``. Raises LimitExceeded."""
    check_page(limit)
    with house.catalog.read() as view:
        return tuple(view.groups(after=after, limit=limit))


def show_group(house: House, name: str) -> Group:
    """Raises BadName, RecordNotFound."""
    with house.catalog.read() as view:
        return group_named(view, name)


def set_members(house: House, name: str, members: Sequence[str], *, expected: str = "") -> Group:
    """Exactly these are in it from now on. ``expected`` is the mark of the group the caller saw ("" asks nothing).

    Raises BadName, RecordNotFound, PrincipalNotFound, LimitExceeded, PreconditionFailed.
    """
    now = house.clock()

    def work(transaction: Transaction) -> Group:
        before = group_named(transaction, name)
        if expected and expected != group_mark(before):
            raise PreconditionFailed(f"The group {before.name} was changed meanwhile.")
        transaction.set_members(before.name, _ids(transaction, members), at_ms=now, by=house.author)
        after = group_named(transaction, name)
        body = {
            "came": sorted(set(after.members) - set(before.members)),
            "left": sorted(set(before.members) - set(after.members)),
        }
        transaction.add_ledger(now, house.author, "group.members-set", after.name, body)
        return after

    return house.catalog.write(work)


def remove_group(house: House, name: str) -> Group:
    """With what was granted to it. Raises BadName, RecordNotFound."""
    now = house.clock()

    def work(transaction: Transaction) -> Group:
        group = group_named(transaction, name)
        transaction.remove_group(group.name)
        transaction.add_ledger(now, house.author, "group.removed", group.name, {"members": list(group.members)})
        return group

    return house.catalog.write(work)


def group_named(view: View, name: str) -> Group:
    """Raises BadName, RecordNotFound."""
    wanted = PrincipalName(name)
    found = view.group(wanted)
    if found is None:
        raise RecordNotFound(f"There is no group {wanted!r}.", hint="Check the name.", name=wanted)
    return found


def group_mark(group: Group) -> str:
    """Another one whenever somebody comes or leaves."""
    return hashlib.sha256("\n".join((str(group.id), *group.members)).encode()).hexdigest()[:32]


def _ids(view: View, members: Sequence[str]) -> list[int]:
    if len(members) > GROUP_MEMBERS:
        raise LimitExceeded(f"A group has at most {GROUP_MEMBERS} members.", limit="GROUP_MEMBERS")
    return [person_named(view, member).id for member in members]
