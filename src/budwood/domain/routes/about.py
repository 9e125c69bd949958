"""What a server says of itself."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import Bootstrap, Bootstrapped, Health
from budwood.domain.people import WhoAmI
from budwood.domain.routes.route import Body, Route
from budwood.errors import Unauthenticated, Unavailable

HEALTH: Final = Route(
    name="healthz",
    method="GET",
    path="/healthz",
    permission=Permission.ANYONE,
    summary="Whether the process lives.",
    response=Health,
)
READY: Final = Route(
    name="readyz",
    method="GET",
    path="/readyz",
    permission=Permission.ANYONE,
    summary="Whether catalog and store answer, and requests are taken.",
    response=Health,
    errors=(Unavailable,),
)
METRICS: Final = Route(
    name="metrics",
    method="GET",
    path="/metrics",
    permission=Permission.ANYONE,
    summary="Figures for Prometheus; no names of models or people are among them.",
    gives=Body.TEXT,
)
OPENAPI: Final = Route(
    name="openapi",
    method="GET",
    path="/openapi.json",
    permission=Permission.ANYONE,
    summary="This table, as OpenAPI 3.1.",
    gives=Body.TEXT,
)
DOCS: Final = Route(
    name="docs",
    method="GET",
    path="/docs",
    permission=Permission.ANYONE,
    summary="This table, to read.",
    gives=Body.TEXT,
)
STYLE: Final = Route(
    name="docs.style",
    method="GET",
    path="/docs/style.css",
    permission=Permission.ANYONE,
    summary="How the page above looks.",
    gives=Body.TEXT,
)
WHOAMI: Final = Route(
    name="whoami",
    method="GET",
    path="/v1/whoami",
    permission=Permission.KNOWN,
    summary="Who you are here, and what you may do where.",
    response=WhoAmI,
)

BOOTSTRAP: Final = Route(
    name="bootstrap",
    method="POST",
    path="/v1/bootstrap",
    permission=Permission.ANYONE,
    summary="Become the first admin, with the token that the server printed when it first started.",
    request=Bootstrap,
    response=Bootstrapped,
    errors=(Unauthenticated,),
)

ROUTES: Final = (HEALTH, READY, METRICS, OPENAPI, DOCS, STYLE, WHOAMI, BOOTSTRAP)
