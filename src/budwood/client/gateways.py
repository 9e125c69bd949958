"""The gateways of a registry: ``registry.gateways``. The same over HTTP and in a folder.

[each.name for each in registry.gateways.list() if each.behind or each.refused]
registry.gateways.forget("edge-3")
"""

from budwood.client.place import Place
from budwood.domain.asks_gateways import GatewayList, GatewayShown
from budwood.domain.routes import gateways as routes


class Gateways:
    """Who carries traffic."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def list(self) -> tuple[GatewayShown, ...]:
        """By name: which are connected, and what each has taken or refused. Raises Forbidden."""
        found: GatewayList = self._place.ask(routes.LIST)
        return found.gateways

    def forget(self, name: str) -> GatewayShown:
        """Free the name of one that is gone. Raises RecordNotFound, StillInUse, Forbidden."""
        forgotten: GatewayShown = self._place.ask(routes.FORGET, {"gateway": name})
        return forgotten
