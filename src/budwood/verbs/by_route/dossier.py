"""Dossiers, by route."""

import base64
from typing import Final

from budwood.domain import asks_retention as asks
from budwood.domain.routes import dossier as routes
from budwood.domain.tree.bundle import AuditPart
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.dossier import Made, dossier


def _dossier(asked: Asked) -> Made:
    return dossier(asked.house, asked.whole, asked.reference)


def _parts(made: Made) -> asks.DossierParts:
    return asks.DossierParts(made.reference, tuple(map(_part, made.parts)))


def _part(part: AuditPart) -> asks.DossierPart:
    return asks.DossierPart(part.name, base64.b64encode(part.body).decode())


DEEDS: Final = {routes.DOSSIER.name: Deed(_dossier, _parts, long=True)}
