"""The gateways of a registry."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_gateways import GatewayList, GatewayShown
from budwood.domain.routes.route import Route
from budwood.errors import RecordNotFound, StillInUse

LIST: Final = Route(
    name="gateway.list",
    method="GET",
    path="/v1/gateways",
    permission=Permission.ADMINISTER,
    summary="The gateways: which are connected, and what each has taken or refused.",
    response=GatewayList,
)
FORGET: Final = Route(
    name="gateway.forget",
    method="DELETE",
    path="/v1/gateways/{gateway}",
    permission=Permission.ADMINISTER,
    summary="Free the name of a gateway that is gone.",
    response=GatewayShown,
    errors=(RecordNotFound, StillInUse),
)

ROUTES: Final = (LIST, FORGET)
