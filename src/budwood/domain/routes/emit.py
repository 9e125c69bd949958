"""Manifests for other systems: of a version, or of an endpoint as it stands."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_emit import AskEmit, Emitted
from budwood.domain.routes.route import Route
from budwood.errors import BadServing, BadValue, BytesGone, NotFound, NotOffered, RecordNotFound

_ROOM: Final = "/v1/namespaces/{namespace}"
_WRONG: Final = (BadServing, BadValue, BytesGone, NotOffered)

VERSION: Final = Route(
    name="versions.emit",
    method="POST",
    path=f"{_ROOM}/models/{{model}}/versions/{{selector}}/emit",
    permission=Permission.READ,
    summary="Manifests that serve a version in another system.",
    request=AskEmit,
    response=Emitted,
    errors=(NotFound, *_WRONG),
    reads=True,
)
ENDPOINT: Final = Route(
    name="endpoint.emit",
    method="POST",
    path=f"{_ROOM}/endpoints/{{endpoint}}/emit",
    permission=Permission.READ,
    summary="Manifests that divide traffic in another system as an endpoint does now.",
    request=AskEmit,
    response=Emitted,
    errors=(RecordNotFound, *_WRONG),
    reads=True,
)

ROUTES: Final = (VERSION, ENDPOINT)
"""Both read; the question is too long for an address."""
