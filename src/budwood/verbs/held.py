"""Whether a legal hold keeps something: asked in the transaction that would lose it."""

from budwood.catalog.api import View
from budwood.domain.records import VersionRecord
from budwood.errors import Held


def check_free(view: View, what: str, namespace: str, model_id: int = 0, version: VersionRecord | None = None) -> None:
    """Raises Held, naming the holds, where one covers it."""
    holds = view.holds_on(namespace, model_id, version.id if version else 0)
    if holds:
        names = tuple(hold.name for hold in holds)
        raise Held(f"{what} is under a legal hold: {', '.join(names)}.", holds=names)
