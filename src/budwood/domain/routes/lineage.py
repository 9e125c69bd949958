"""OpenLineage's own address. Its namespace is in the event, so that the right to push there is asked by the verb."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.limits import LINEAGE_EVENT_BYTES
from budwood.domain.openlineage import LineageEvent, LineageTold, ReadLineage
from budwood.domain.routes.route import Route
from budwood.errors import BadValue, Forbidden, NamespaceNotFound

TELL: Final = Route(
    name="lineage.tell",
    method="POST",
    path="/api/v1/lineage",
    permission=Permission.KNOWN,
    summary="Tell of a run of a job, its inputs and outputs, as an OpenLineage event. It takes 'push' there.",
    query=ReadLineage,
    request=LineageEvent,
    response=LineageTold,
    errors=(BadValue, Forbidden, NamespaceNotFound),
    body_bytes=LINEAGE_EVENT_BYTES,
)

ROUTES: Final = (TELL,)
