"""Metadata standards, by route."""

from typing import Final

from budwood.domain.asks_standards import Standards
from budwood.domain.routes import standards as routes
from budwood.domain.standard import StandardRecord
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.standards import remove_standard, set_standard, show_standard, standard_mark


def _show(asked: Asked) -> tuple[StandardRecord, ...]:
    return show_standard(asked.whole, asked.holes["namespace"])


def _set(asked: Asked) -> StandardRecord:
    return set_standard(asked.whole, asked.holes["namespace"], asked.body.text, expected=asked.expected)


def _remove(asked: Asked) -> StandardRecord:
    return remove_standard(asked.whole, asked.holes["namespace"], expected=asked.expected)


DEEDS: Final = {
    routes.SHOW.name: Deed(_show, Standards),
    # The facts of versions that nobody remembered are read first.
    routes.SET.name: Deed(_set, mark=standard_mark, long=True),
    routes.REMOVE.name: Deed(_remove),
}
