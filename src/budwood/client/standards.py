"""The metadata standards of namespaces: ``registry.standards``. The same over HTTP and in a folder.

registry.standards.set("risk", Path("standard.yaml").read_text())
registry.standards.show("risk")[0].text
registry.standards.remove("risk")
"""

from budwood.client.place import Place
from budwood.domain.asks_standards import PutStandard
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.routes import standards as routes
from budwood.domain.standard import StandardRecord
from budwood.verbs.standard_text import standard_from


class Standards:
    """What you may do is decided where the registry is."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def set(self, namespace: str, text: str) -> StandardRecord:
        """Put a standard in force, as a new edition; the same text again changes nothing. ``text`` is YAML.

        Raises BadStandard, LimitExceeded, NamespaceNotFound, Forbidden.
        """
        standard_from(text)
        put: StandardRecord = self._place.ask(routes.SET, {"namespace": namespace}, body=PutStandard(text))
        return put

    def show(self, namespace: str = DEFAULT_NAMESPACE) -> tuple[StandardRecord, ...]:
        """Every edition, newest first; the first is in force unless it was removed. Raises NamespaceNotFound."""
        editions: tuple[StandardRecord, ...] = self._place.ask(routes.SHOW, {"namespace": namespace}).standards
        return editions

    def remove(self, namespace: str = DEFAULT_NAMESPACE) -> StandardRecord:
        """It asks for nothing any more; its editions stay. Raises RecordNotFound, NamespaceNotFound, Forbidden."""
        removed: StandardRecord = self._place.ask(routes.REMOVE, {"namespace": namespace})
        return removed
