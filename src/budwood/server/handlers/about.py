"""What a server says of itself and of its caller, and how the first admin comes to be."""

from typing import Final

from budwood.domain.access import OPEN
from budwood.domain.asks import Bootstrapped, Health
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.people import WhoAmI
from budwood.domain.routes import about
from budwood.errors import BudwoodError, Unavailable
from budwood.server.ask import Ask, Call, Mode, Text
from budwood.server.metrics import MEDIA_TYPE
from budwood.verbs.bootstrap import TOKEN_PREFIX, bootstrap

_MEDIA_TYPES: Final = {
    about.OPENAPI.name: "application/json",
    about.DOCS.name: "text/html; charset=utf-8",
    about.STYLE.name: "text/css; charset=utf-8",
}


def health(ask: Ask) -> Health:
    return Health("ok", ask.service.version)


def ready(ask: Ask) -> Health:
    """Raises Unavailable, naming what does not answer, but not why: anybody may ask."""
    parts = {"catalog": _catalog(ask), "store": _store(ask), "process": "stopping" if ask.service.stopping else "ok"}
    wrong = [part for part, state in parts.items() if state != "ok"]
    if wrong:
        raise Unavailable(f"Not ready: {', '.join(wrong)}.", **parts)
    return Health("ok", ask.service.version, parts)


def _catalog(ask: Ask) -> str:
    try:
        with ask.whole.catalog.read() as view:
            view.meta("bootstrap")
    except BudwoodError:
        return "failing"
    return "ok"


def _store(ask: Ask) -> str:
    try:
        ask.whole.objects.size("packs/00/nothing.pack")
    except BudwoodError:
        return "failing"
    return "ok"


def metrics(ask: Ask) -> Text:
    return Text(ask.service.metrics(), MEDIA_TYPE)


def page(ask: Ask) -> Text:
    """A text that is the same for everybody; the first who asks waits until it is made."""
    name = ask.route.name
    return Text(ask.service.pages[name](), _MEDIA_TYPES[name])


def whoami(ask: Ask) -> WhoAmI:
    assert ask.known is not None
    person = ask.known.principal
    held = {name: ask.caller.permissions(name) - OPEN for name in sorted(ask.known.roles)[:PAGE_ROWS]}
    permissions = {name: tuple(map(str, sorted(words))) for name, words in held.items() if words}
    return WhoAmI(person.name, person.kind, person.is_admin, permissions, ask.known.token)


def first_admin(ask: Ask) -> Bootstrapped:
    return bootstrap(ask.whole, ask.secret, ask.body.name, TOKEN_PREFIX + ask.service.chance.secret())


HANDLERS: Final = {
    about.HEALTH.name: Call(health, Mode.POINT),
    about.READY.name: Call(ready),
    about.METRICS.name: Call(metrics),
    about.OPENAPI.name: Call(page),
    about.DOCS.name: Call(page),
    about.STYLE.name: Call(page, Mode.POINT),
    about.WHOAMI.name: Call(whoami, Mode.POINT),
    about.BOOTSTRAP.name: Call(first_admin, Mode.WRITE),
}
