"""Grants: who holds which role in a namespace."""

from budwood.client.place import Place
from budwood.domain import asks_people as asks
from budwood.domain.people import Grant
from budwood.domain.routes import grants
from budwood.domain.routes.route import Route


class Grants:
    """``registry.admin.grants``. Roles are those of ``domain.access.Role``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def list(self, namespace: str) -> tuple[Grant, ...]:
        """Raises NamespaceNotFound, Forbidden."""
        return self._asked(grants.LIST, {"namespace": namespace})

    def give(self, namespace: str, to: str, role: str, *, group: bool = False) -> tuple[Grant, ...]:
        """Give a person, or a ``group``, a role; never yourself. All that is granted afterwards.

        Raises NamespaceNotFound, PrincipalNotFound, RecordNotFound, BadValue, Forbidden, LimitExceeded.
        """
        return self._asked(grants.GIVE_GROUP if group else grants.GIVE, _holes(namespace, to, role, group=group))

    def take(self, namespace: str, to: str, role: str, *, group: bool = False) -> tuple[Grant, ...]:
        """Take a role away. All that is granted afterwards.

        Raises NamespaceNotFound, PrincipalNotFound, RecordNotFound, BadValue, Forbidden, StillInUse.
        """
        return self._asked(grants.TAKE_GROUP if group else grants.TAKE, _holes(namespace, to, role, group=group))

    def _asked(self, route: Route, holes: dict[str, str]) -> tuple[Grant, ...]:
        answer: asks.Grants = self._place.ask(route, holes)
        return answer.grants


def _holes(namespace: str, to: str, role: str, *, group: bool) -> dict[str, str]:
    return {"namespace": namespace, "group" if group else "person": to, "role": role}
