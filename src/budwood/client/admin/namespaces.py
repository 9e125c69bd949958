"""Namespaces: the rooms of a registry."""

from collections.abc import Iterator

from budwood.client.place import Place
from budwood.domain.asks_people import AddNamespace, ChangeQuota, ListByName, NamespacePage
from budwood.domain.people import NamespaceRecord, NamespaceUsage, Quota
from budwood.domain.routes import namespaces


class Namespaces:
    """``registry.admin.namespaces``."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __iter__(self) -> Iterator[NamespaceRecord]:
        """All that you may read, by name; asked for page by page."""
        after = ""
        while True:
            page: NamespacePage = self._place.ask(namespaces.LIST, query=ListByName(after))
            yield from page.namespaces
            if not (after := page.cursor):
                return

    def list(self, *, after: str = "", limit: int = 100) -> NamespacePage:
        """Those behind ``after``, by name. Raises LimitExceeded."""
        page: NamespacePage = self._place.ask(namespaces.LIST, query=ListByName(after, limit))
        return page

    def add(
        self,
        name: str,
        *,
        bytes: int = 0,  # noqa: A002 - the quota's own word
        versions: int = 0,
        uploads: int = 0,
        requests: int = 0,
    ) -> NamespaceRecord:
        """Make one, with what it may hold (0: no bound): encoded bytes, versions, pushes at once, requests a second.

        Raises BadName, BadValue, NameTaken, Forbidden.
        """
        wanted = AddNamespace(name, Quota(bytes, versions, uploads, requests))
        added: NamespaceRecord = self._place.ask(namespaces.ADD, body=wanted)
        return added

    def get(self, name: str) -> NamespaceRecord:
        """Raises NamespaceNotFound."""
        found: NamespaceRecord = self._place.ask(namespaces.SHOW, {"namespace": name})
        return found

    def set_quota(
        self,
        name: str,
        *,
        bytes: int | None = None,  # noqa: A002 - the quota's own word
        versions: int | None = None,
        uploads: int | None = None,
        requests: int | None = None,
    ) -> NamespaceRecord:
        """What is None stays; 0 takes a bound away. What is held already stays, also above the bound.

        Raises NamespaceNotFound, BadValue, Forbidden.
        """
        change = ChangeQuota(bytes, versions, uploads, requests)
        changed: NamespaceRecord = self._place.ask(namespaces.SET_QUOTA, {"namespace": name}, body=change)
        return changed

    def remove(self, name: str) -> NamespaceRecord:
        """One that has no models left. Raises NamespaceNotFound, StillInUse, Forbidden."""
        removed: NamespaceRecord = self._place.ask(namespaces.REMOVE, {"namespace": name})
        return removed

    def usage(self, name: str) -> NamespaceUsage:
        """What it holds now, and what it may. Raises NamespaceNotFound."""
        held: NamespaceUsage = self._place.ask(namespaces.USAGE, {"namespace": name})
        return held
