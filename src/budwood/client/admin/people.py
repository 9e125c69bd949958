"""People and service accounts."""

from collections.abc import Iterator

from budwood.client.place import Place
from budwood.domain.asks_people import AddPerson, ChangePerson, ListByName, PeoplePage
from budwood.domain.people import Principal, PrincipalKind
from budwood.domain.routes import people
from budwood.errors import BadValue


class People:
    """``registry.admin.people``. Nobody is ever removed, because versions and the ledger name them."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __iter__(self) -> Iterator[Principal]:
        """All, by name; asked for page by page."""
        after = ""
        while True:
            page = self.list(after=after)
            yield from page.people
            if not (after := page.cursor):
                return

    def list(self, *, after: str = "", limit: int = 100) -> PeoplePage:
        """Those behind ``after``, by name. Raises LimitExceeded, Forbidden."""
        page: PeoplePage = self._place.ask(people.LIST, query=ListByName(after, limit))
        return page

    def add(self, name: str, *, kind: str = "person", email: str = "", owner: str = "") -> Principal:
        """A ``person`` or a ``service`` account. They may do nothing until a role is granted to them.

        ``owner`` is the person whom a service account answers to: what it makes, they may not review.
        Raises BadName, BadValue, NameTaken, PrincipalNotFound, Forbidden.
        """
        added: Principal = self._place.ask(people.ADD, body=AddPerson(name, _kind(kind), email, owner))
        return added

    def get(self, name: str) -> Principal:
        """Raises PrincipalNotFound, Forbidden."""
        found: Principal = self._place.ask(people.SHOW, {"person": name})
        return found

    def change(
        self,
        name: str,
        *,
        email: str | None = None,
        is_admin: bool | None = None,
        disabled: bool | None = None,
        owner: str | None = None,
    ) -> Principal:
        """What is None stays. The last admin stays one.

        Raises PrincipalNotFound, BadValue, NameTaken, StillInUse, Forbidden.
        """
        wanted = ChangePerson(email, is_admin, disabled, owner)
        changed: Principal = self._place.ask(people.CHANGE, {"person": name}, body=wanted)
        return changed


def _kind(text: str) -> PrincipalKind:
    try:
        return PrincipalKind(text)
    except ValueError as error:
        raise BadValue(f"{text!r} is not a kind of account.", hint="It is person or service.") from error
