"""Dossiers: all that is known of one version, as signed files."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_retention import DossierParts
from budwood.domain.routes.route import Route
from budwood.errors import FrameworkMissing, LimitExceeded, NotFound

DOSSIER: Final = Route(
    name="dossier.get",
    method="GET",
    path="/v1/models/{namespace}/{model}/versions/{selector}/dossier",
    permission=Permission.READ,
    summary="All that is known of a version as signed files, for somebody who was not there.",
    response=DossierParts,
    errors=(FrameworkMissing, LimitExceeded, NotFound),
)

ROUTES: Final = (DOSSIER,)
