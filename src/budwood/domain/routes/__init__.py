"""Everything that can be asked over HTTP, as one table: server, client, OpenAPI and the tests read it."""

from typing import Final

from budwood.domain.routes import (
    about,
    audit,
    blobs,
    delivery,
    dossier,
    gates,
    grants,
    lineage,
    logins,
    models,
    namespaces,
    observations,
    people,
    pushes,
    registry,
    retention,
    signing,
    standards,
    tokens,
    trusts,
    versions,
    webhooks,
)
from budwood.domain.routes.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *about.ROUTES,
    *models.ROUTES,
    *versions.ROUTES,
    *registry.ROUTES,
    *pushes.ROUTES,
    *blobs.ROUTES,
    *namespaces.ROUTES,
    *people.ROUTES,
    *grants.ROUTES,
    *tokens.ROUTES,
    *trusts.ROUTES,
    *webhooks.ROUTES,
    *logins.ROUTES,
    *gates.ROUTES,
    *signing.ROUTES,
    *standards.ROUTES,
    *retention.ROUTES,
    *dossier.ROUTES,
    *audit.ROUTES,
    *lineage.ROUTES,
    *delivery.ROUTES,
    *observations.ROUTES,
)
