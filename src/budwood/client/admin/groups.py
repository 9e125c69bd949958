"""Groups: people who are given roles together."""

from collections.abc import Iterator, Sequence

from budwood.client.place import Place
from budwood.domain.asks_people import AddGroup, GroupPage, ListByName, SetMembers
from budwood.domain.people import Group
from budwood.domain.routes import people
from budwood.errors import PreconditionFailed
from budwood.verbs.groups import group_mark

_TRIES = 5


class Groups:
    """``registry.admin.groups``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __iter__(self) -> Iterator[Group]:
        """All, by name; asked for page by page."""
        after = ""
        while True:
            page = self.list(after=after)
            yield from page.groups
            if not (after := page.cursor):
                return

    def list(self, *, after: str = "", limit: int = 100) -> GroupPage:
        """Those behind ``after``, by name. Raises LimitExceeded, Forbidden."""
        page: GroupPage = self._place.ask(people.LIST_GROUPS, query=ListByName(after, limit))
        return page

    def add(self, name: str, members: Sequence[str] = ()) -> Group:
        """Raises BadName, NameTaken, PrincipalNotFound, Forbidden."""
        added: Group = self._place.ask(people.ADD_GROUP, body=AddGroup(name, tuple(members)))
        return added

    def get(self, name: str) -> Group:
        """Raises RecordNotFound, Forbidden."""
        found: Group = self._place.ask(people.SHOW_GROUP, {"group": name})
        return found

    def change(self, name: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Group:
        """Whoever is added and removed at once is out. Raises RecordNotFound, PrincipalNotFound, Forbidden."""
        for last in range(1, _TRIES + 1):
            before = self.get(name)
            members = tuple(sorted((set(before.members) | set(add)) - set(remove)))
            try:
                after: Group = self._place.ask(
                    people.SET_MEMBERS, {"group": name}, body=SetMembers(members), expected=group_mark(before)
                )
            except PreconditionFailed:
                # Somebody else changed it between our two requests: look again, and change what is there now.
                if last == _TRIES:
                    raise
            else:
                return after
        raise AssertionError("unreachable")

    def remove(self, name: str) -> Group:
        """With what was granted to it. Raises RecordNotFound, Forbidden."""
        removed: Group = self._place.ask(people.REMOVE_GROUP, {"group": name})
        return removed
