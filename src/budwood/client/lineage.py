"""What other programs know of data and jobs: ``registry.lineage``. The same over HTTP and in a folder.

registry.lineage.tell(json.loads(line))

Programs that have an OpenLineage client need nothing of this: they send to the server, at ``/api/v1/lineage``.
"""

from collections.abc import Mapping
from typing import Any

from budwood.client.place import Place
from budwood.domain.openlineage import LineageEvent, LineageTold, ReadLineage
from budwood.domain.routes import lineage
from budwood.verbs.wire import decode, encode


class Lineage:
    """Events as OpenLineage writes them."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def tell(self, event: Mapping[str, Any], *, namespace: str = "") -> LineageTold:
        """Keep what an event says, in ``namespace``, or the one its job's namespace names, or the default one.

        Raises BadValue, LimitExceeded, NamespaceNotFound, Forbidden.
        """
        read = decode(LineageEvent, encode(event))
        told: LineageTold = self._place.ask(lineage.TELL, query=ReadLineage(namespace), body=read)
        return told
