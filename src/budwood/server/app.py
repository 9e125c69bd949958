"""Putting a server together: the house and the table in, one guarded application out."""

import secrets
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from budwood import __version__
from budwood.catalog.api import Transaction
from budwood.domain.routes import ROUTES, about
from budwood.domain.routes.route import Route
from budwood.errors import BudwoodError
from budwood.facades.face import Face
from budwood.server.blob_door import Keys
from budwood.server.counts import SharedCounts
from budwood.server.dispatch import Binding, Dispatch
from budwood.server.faces import FACES, words_at
from budwood.server.guard import Guard
from budwood.server.handlers import HANDLERS
from budwood.server.http_hosts import Hosts
from budwood.server.http_limits import HttpLimits
from budwood.server.logs import Denial, RequestLog, Write
from budwood.server.metrics import Metrics
from budwood.server.oidc import Issuers
from budwood.server.openapi import document
from budwood.server.outgoing import Outgoing
from budwood.server.pages import STYLE, html_page
from budwood.server.rates import Rates
from budwood.server.service import Chance, Service
from budwood.server.tracing import Traced
from budwood.wiring import Served

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

NOBODY: Final = "nobody"


def make_service(served: Served, routes: Sequence[Route] = ROUTES) -> Service:
    """What requests share. Threads start when the first request needs one."""
    return Service(
        house=served.house,
        keys=Keys(served.house),
        chance=Chance(partial(secrets.token_urlsafe, 32)),
        grace_s=served.grace_s,
        folder=served.folder,
        on_loop=served.near,
        version=__version__,
        providers=Issuers(Outgoing(served.allow_networks), served.house.clock),
        issuers=Issuers(Outgoing(served.allow_networks), served.house.clock),
        guesses=Rates(served.house),
        sign_on=served.sign_on,
        pages={
            about.OPENAPI.name: cache(lambda: msgspec.json.encode(document(routes, __version__))),
            about.DOCS.name: cache(lambda: html_page(routes, __version__).encode()),
            about.STYLE.name: STYLE.encode,
        },
    )


def make_app(
    service: Service,
    write: Write,
    *,
    process: str,
    started: float,
    hosts: Sequence[str] = (),
    shared: Path | None = None,
    limits: HttpLimits | None = None,
    routes: tuple[Route, ...] = ROUTES,
    handlers: Binding = HANDLERS,
    mounted: Sequence[Face] = FACES,
    now: Callable[[], float] = time.time,
    traces: "TracerProvider | None" = None,
) -> Guard:
    """The application that uvicorn runs. ``process`` names it in figures; ``write`` takes lines of the log.

    Raises ValueError when a route lacks a permission or a handler.
    """
    dispatch = Dispatch(service, routes, handlers, SharedCounts(shared) if shared is not None else None, mounted)
    gauges = {"stopping": lambda: float(service.stopping), "promotions_overdue": lambda: float(service.overdue)}
    metrics = Metrics(process, gauges, started=started, shared=shared)
    service.metrics = lambda: metrics.page(now())
    log = RequestLog(write, now, partial(_denied, service))
    return Guard(
        Traced(dispatch, traces) if traces is not None else dispatch,
        new_id=partial(secrets.token_hex, 8),
        hosts=Hosts(hosts),
        limits=limits,
        doors=dispatch.table.door,
        watchers=(log, metrics),
        words=partial(words_at, mounted),
    )


def _denied(service: Service, denial: Denial) -> None:
    """Leave an entry in the ledger, without making the request wait for it."""
    body = {"reason": denial.reason, "request": denial.request_id, "unsaid": denial.unsaid}
    house = service.house

    def work(transaction: Transaction) -> None:
        where = denial.namespace if denial.namespace and transaction.namespace(denial.namespace) else ""
        transaction.add_ledger(
            house.clock(), denial.actor or NOBODY, "request.denied", denial.route or "none", body, where
        )

    def write() -> None:
        try:
            house.catalog.write(work)
        except BudwoodError:
            return  # The log has the line already, and there is nobody to tell.

    if not service.stopping:
        service.threads.short.submit(write)
