"""Namespaces, people, groups, grants, tokens: each route is a deed, answered here as in a registry of one's own."""

from dataclasses import replace
from typing import Any, Final

from budwood.domain.routes import ROUTES
from budwood.server.ask import Ask, Call, Mode
from budwood.verbs.by_route import DEEDS, Asked, Deed


def _call(deed: Deed, *, writes: bool) -> Call:
    def run(ask: Ask) -> Any:
        token_id = ask.known.token.id if ask.known is not None else ""
        asked = Asked(
            ask.house,
            ask.whole,
            ask.caller,
            ask.holes,
            ask.query,
            ask.body,
            ask.service.chance.secret,
            ask.expected,
            token_id,
            replace(ask.whole, catalog=ask.service.house.catalog),
        )
        return deed.run(asked)

    return Call(run, _mode(deed, writes=writes), deed.made, deed.mark, deed.kept)


def _mode(deed: Deed, *, writes: bool) -> Mode:
    if deed.several:
        return Mode.DEED
    if deed.long:
        return Mode.LONG_WRITE if writes else Mode.LONG
    return Mode.WRITE if writes else Mode.READ


HANDLERS: Final = {route.name: _call(DEEDS[route.name], writes=route.writes) for route in ROUTES if route.name in DEEDS}
