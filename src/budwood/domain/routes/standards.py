"""The metadata standard of a namespace: which facts its versions must have, and where its lineage may lead."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_standards import PutStandard, Standards
from budwood.domain.routes.route import Route
from budwood.domain.standard import StandardRecord
from budwood.errors import BadStandard, NotFound, PreconditionFailed

_STANDARD: Final = "/v1/namespaces/{namespace}/standard"

SHOW: Final = Route(
    name="standard.show",
    method="GET",
    path=_STANDARD,
    permission=Permission.READ,
    summary="Every edition of a namespace's metadata standard, newest first.",
    response=Standards,
    errors=(NotFound,),
)
SET: Final = Route(
    name="standard.set",
    method="PUT",
    path=_STANDARD,
    permission=Permission.MANAGE,
    summary="Put a metadata standard in force, as a new edition.",
    request=PutStandard,
    response=StandardRecord,
    errors=(BadStandard, NotFound, PreconditionFailed),
    edits=True,
)
REMOVE: Final = Route(
    name="standard.remove",
    method="DELETE",
    path=_STANDARD,
    permission=Permission.MANAGE,
    summary="Let a namespace ask for nothing any more; the editions stay.",
    response=StandardRecord,
    errors=(NotFound, PreconditionFailed),
    edits=True,
)

ROUTES: Final = (SHOW, SET, REMOVE)
