"""The gateways, by route."""

from typing import Final

from budwood.domain.asks_gateways import GatewayList, GatewayShown
from budwood.domain.routes import gateways as routes
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.gateways import forget_gateway, list_gateways


def _list(asked: Asked) -> tuple[GatewayShown, ...]:
    return list_gateways(asked.whole)


def _forget(asked: Asked) -> GatewayShown:
    return forget_gateway(asked.whole, asked.holes["gateway"])


DEEDS: Final = {
    routes.LIST.name: Deed(_list, GatewayList),
    routes.FORGET.name: Deed(_forget),
}
