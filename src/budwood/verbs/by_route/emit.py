"""Manifests for other systems, by route."""

from typing import Final

from budwood.domain.asks_emit import Emitted
from budwood.domain.routes import emit as routes
from budwood.verbs import emit as verbs
from budwood.verbs.by_route.asked import Asked, Deed


def _version(asked: Asked) -> Emitted:
    return verbs.emit_version(asked.whole, asked.reference, asked.body)


def _endpoint(asked: Asked) -> Emitted:
    return verbs.emit_endpoint(asked.whole, asked.holes["namespace"], asked.holes["endpoint"], asked.body)


DEEDS: Final = {routes.VERSION.name: Deed(_version), routes.ENDPOINT.name: Deed(_endpoint)}
